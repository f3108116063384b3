"""`python -m bench.cluster`."""

from bench.cluster.cli import main

main()
