"""Server-sent events: the streams of rooms, and who may open how many."""
