"""Ingress: a WHIP client publishes into a room by a stream key."""
