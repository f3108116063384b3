"""The plane itself, compiled: one module for each stage of a packet's way."""
