"""What a subscriber's network carries, and how that is shared over what it receives, sans-IO."""
