"""A hearing: its persons, its states, who enters when, and who was there."""
