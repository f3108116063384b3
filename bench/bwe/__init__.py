"""Congestion control on emulated links, in virtual time: the real plane and control side, modelled networks."""
