"""Rooms and who is in them: names, speakers, moderation, events, and what is recorded."""
