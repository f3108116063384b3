"""Who somebody is: registration, log-in, sessions, attempts, one-time codes."""
