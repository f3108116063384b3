"""How `sfu compose` ends, for those who run it as a process."""

EXIT_INCOMPLETE = 1
"""The film is there, and something that it should show is missing."""
EXIT_NO_FILM = 2
"""There is no film."""
