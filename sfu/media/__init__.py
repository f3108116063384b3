"""What is published and received: Tracks, Encodings, Subscriptions, Layers."""
