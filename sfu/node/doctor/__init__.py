"""`sfu doctor`: what on this machine would hurt a node, and what to change. `probes` looks, `checks` judge."""
