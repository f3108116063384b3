"""The servers under test, each behind the same small interface."""
