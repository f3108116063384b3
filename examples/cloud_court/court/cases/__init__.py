"""Cases, their parties, who is bound to them, and what happens in them outside of hearings."""
