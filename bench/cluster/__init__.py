"""A cluster in virtual time: the real membership, placement and directory, many nodes, one process."""
