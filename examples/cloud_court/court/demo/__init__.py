"""A court to try: seeded, with a link for each role."""
