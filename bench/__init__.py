"""The bench: a compiled load generator and the scenarios that compare media servers side by side."""
