"""The node's log: its form, and what happens in rooms as lines of it."""
