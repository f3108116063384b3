"""Practice: a court of its own, in another database and folder, which is thrown away."""
