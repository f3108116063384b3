"""The WHIP and WHEP sessions that are open, and what a viewer is told of his."""
