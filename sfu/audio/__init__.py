"""Who speaks, and whose Tracks are worth forwarding: decided from the levels that clients declare, sans-IO."""
