"""`python -m bench.attack`."""

from bench.attack.cli import main

main()
