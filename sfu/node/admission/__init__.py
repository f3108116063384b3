"""Whether the node has room for what comes new: by its load, and by what each tenant may have."""
