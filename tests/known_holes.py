"""Ask pip-audit for known holes in what is installed and in the lowest versions that are taken: `make audit`.

pip-audit ends well also when it could look nothing up. Here that is "NOT CHECKED", with an exit code of its own: 0 says
that all was looked up and nothing is known, 1 that holes are known, 3 that some of it could not be looked up.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.lower_bounds import lower_bounds

CLEAN, HOLES, UNCHECKED = 0, 1, 3
OWN = "sfu"
_AUDIT = (sys.executable, "-m", "pip_audit", "--vulnerability-service", "pypi", "--format", "json")
_QUIET = ("--progress-spinner", "off", "--desc", "off", "--aliases", "on")
_LIMIT_S = 900.0
_MOST_NAMED = 5


@dataclass
class Findings:
    """What is known of one list of packages."""

    checked: int = 0
    holes: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)

    @property
    def code(self) -> int:
        """The exit code that says so. Of nothing, nothing is known."""
        if self.holes:
            return HOLES
        return UNCHECKED if self.unchecked or not self.checked else CLEAN

    def tell(self, what: str) -> str:
        """For people."""
        lines = [f"{what}: KNOWN HOLE: {hole}" for hole in self.holes]
        if self.unchecked or not self.checked:
            named = "; ".join(self.unchecked[:_MOST_NAMED])
            more = f" and {len(self.unchecked) - _MOST_NAMED} more" if len(self.unchecked) > _MOST_NAMED else ""
            lines.append(f"{what}: NOT CHECKED: {len(self.unchecked)} packages ({named or 'no answer'}{more})")
        lines.append(f"{what}: {self.checked} packages were looked up")
        return "\n".join(lines)


def read_report(text: str) -> Findings:
    """pip-audit's report as JSON; whatever it leaves open counts as not checked."""
    findings = Findings()
    try:
        packages: list[dict[str, Any]] = json.loads(text)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return findings
    for package in packages:
        name = package["name"]
        if "vulns" not in package:
            if name != OWN:
                findings.unchecked.append(f"{name}: {package.get('skip_reason', 'no reason given')}")
            continue
        findings.checked += 1
        for hole in package["vulns"]:
            ids = ", ".join([hole["id"], *hole.get("aliases", [])])
            mended = ", ".join(hole["fix_versions"]) or "no version"
            findings.holes.append(f"{name} {package['version']}: {ids} (mended in {mended})")
    return findings


def audit(*what: str) -> Findings:
    """Run pip-audit."""
    try:
        ended = subprocess.run([*_AUDIT, *_QUIET, *what], capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        return Findings(unchecked=["pip-audit did not end in time"])
    findings = read_report(ended.stdout)
    if findings.code == UNCHECKED and ended.returncode:
        last = ended.stderr.strip().rpartition("\n")[2]
        findings.unchecked.append(last or f"pip-audit ended with {ended.returncode}")
    return findings


def main() -> int:
    """Both lists; the exit code of the worse one."""
    codes = []
    with tempfile.TemporaryDirectory() as directory:
        lowest = Path(directory) / "lowest.txt"
        lowest.write_text("".join(f"{name}=={version}\n" for name, version in lower_bounds().items()))
        for told, what in (
            ("installed", ("--local",)),
            ("lowest versions", ("--no-deps", "--disable-pip", "--requirement", str(lowest))),
        ):
            findings = audit(*what)
            sys.stdout.write(f"{findings.tell(told)}\n")
            sys.stdout.flush()
            codes.append(findings.code)
    return HOLES if HOLES in codes else max(codes)


if __name__ == "__main__":
    sys.exit(main())
