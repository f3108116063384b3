"""Restart in place: a new process takes over ports, rooms and records from the one that runs."""
