"""The node's settings: what they are, and where they come from."""
