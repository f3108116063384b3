"""`python -m bench.bwe`."""

from bench.bwe.cli import main

main()
