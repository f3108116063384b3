"""What a hearing leaves: its recordings, their faults, the seal and the package."""
