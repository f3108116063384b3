"""A record that one process suspends and another continues."""
