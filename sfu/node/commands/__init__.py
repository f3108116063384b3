"""The commands of `sfu` besides `serve` and `token`, a module each."""
