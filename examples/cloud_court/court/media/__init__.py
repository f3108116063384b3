"""The media: the only part that knows of sfu."""
