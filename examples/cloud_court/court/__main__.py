"""`python -m court`: serve a court, print its OpenAPI description, make a migration."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path

from court.app import build_court, create_app
from court.config import CourtConfig
from court.database.engine import Database


def print_openapi() -> None:
    """The contract with clients."""
    with tempfile.TemporaryDirectory() as folder:
        app = create_app(build_court(CourtConfig(folder=Path(folder))), web=Path(folder) / "none")
    json.dump(app.openapi(), sys.stdout, ensure_ascii=False, indent=1)
    print()


def main() -> None:
    """Do what the arguments say."""
    parser = argparse.ArgumentParser(prog="python -m court", description=__doc__)
    parser.add_argument("command", nargs="?", default="serve", choices=["serve", "openapi", "migrate"])
    parser.add_argument("--demo", action="store_true", help="begin with a seeded court, and print who can log in")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--folder", type=Path, help="of database, files, records, keys; default court-data")
    given = parser.parse_args()
    if given.command == "openapi":
        print_openapi()
        return
    config = CourtConfig() if given.folder is None else CourtConfig(folder=given.folder)
    if given.command == "migrate":
        config.folder.mkdir(parents=True, exist_ok=True)
        asyncio.run(Database(config.database).migrate())
        return
    from court.serve import serve

    serve(config, host=given.host, port=given.port, demo=given.demo)


if __name__ == "__main__":
    main()
