"""pytest-benchmark cases of the control side, and the pieces of work that they time: `pytest bench/control`."""
