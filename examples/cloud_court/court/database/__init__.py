"""Where rows live: the engine, the base of all tables, identifiers and times."""
