"""Fuzzing in batches: thousands of inputs for each entry from Python, made and tried by compiled code."""
