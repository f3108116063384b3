"""What follows from the code: reference, runbook, rules and dashboard; `python -m tests.reference` writes all of them.

`tests/unit/test_reference.py` holds the pages to what this makes of the code as it is.
"""
