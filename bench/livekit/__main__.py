"""`python -m bench.livekit`."""

from bench.livekit.cli import app

app()
