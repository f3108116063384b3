"""A room over the LiveKit protocol: our node and another server that speaks it, in turn and in one run."""
