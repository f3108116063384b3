"""The pages of docs/reference that follow from the code: `python -m tests.reference` writes them.

`tests/unit/test_reference.py` holds the pages to what this makes of the code as it is.
"""
