"""Records made without a hearing, for those that play, verify or compose them."""
