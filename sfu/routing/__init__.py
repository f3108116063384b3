"""The plane: the compiled packet path of one shard, one module per stage. `plane.py` is its only door."""
