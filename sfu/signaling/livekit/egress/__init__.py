"""Egress: what leaves a room as a file, each with a signed record under it."""
