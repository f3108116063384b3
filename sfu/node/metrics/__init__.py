"""Prometheus series on the server, its media, its records and its HTTP listener."""
