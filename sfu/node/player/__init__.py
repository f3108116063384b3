"""Plays a record in a browser: `sfu play`."""
