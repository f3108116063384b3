"""Recordings, as HTTP orders and shows them."""
