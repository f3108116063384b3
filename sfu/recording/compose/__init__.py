"""A film of a hearing, made from its record: a grid of the speakers, the clock, cards where nothing was recorded."""
