"""The load generator's hot path: one compiled loop that publishes, receives, counts and samples."""
