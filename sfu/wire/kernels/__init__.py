"""Parsers and builders of what packets hold, compiled."""
