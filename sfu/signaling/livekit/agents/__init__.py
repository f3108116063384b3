"""Workers that run agents: they register on `/agent`, and are assigned jobs in rooms."""
