"""What changed, to whom it may be told."""
