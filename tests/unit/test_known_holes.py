"""What `make audit` says of pip-audit's report: never that all is well where something was not looked up."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from tests import known_holes
from tests.known_holes import CLEAN, HOLES, UNCHECKED, audit, read_report

SOUND = {"name": "numpy", "version": "2.0", "vulns": []}
HOLE = {"id": "PYSEC-1", "fix_versions": ["2.1", "3.0"], "aliases": ["CVE-2026-1"]}
HOLED = {"name": "pillow", "version": "1.0", "vulns": [HOLE]}
UNMENDED = {"name": "idna", "version": "1.0", "vulns": [HOLE | {"fix_versions": []}]}
SKIPPED = {"name": "jinja2", "skip_reason": "Dependency not found on PyPI and could not be audited: jinja2 (3.1.2)"}
OURSELVES = {"name": "sfu", "skip_reason": "distribution marked as editable"}


def report(*packages: dict[str, Any]) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


@pytest.mark.parametrize(
    ("text", "code", "told"),
    [
        (report(SOUND, OURSELVES), CLEAN, ["1 packages were looked up"]),
        (report(SOUND, HOLED), HOLES, ["KNOWN HOLE: pillow 1.0: PYSEC-1, CVE-2026-1 (mended in 2.1, 3.0)"]),
        (report(UNMENDED), HOLES, ["(mended in no version)"]),
        (report(SOUND, SKIPPED), UNCHECKED, ["NOT CHECKED: 1 packages (jinja2: Dependency not found on PyPI"]),
        (report(HOLED, SKIPPED), HOLES, ["KNOWN HOLE: pillow", "NOT CHECKED: 1 packages"]),
        (report(OURSELVES), UNCHECKED, ["NOT CHECKED"]),
        (report(), UNCHECKED, ["NOT CHECKED"]),
        ("", UNCHECKED, ["NOT CHECKED: 0 packages (no answer)", "0 packages were looked up"]),
        ("[]", UNCHECKED, ["NOT CHECKED"]),
        ("no JSON", UNCHECKED, ["NOT CHECKED"]),
        (report(*[SKIPPED] * 9), UNCHECKED, ["NOT CHECKED: 9 packages", " and 4 more)"]),
    ],
)
def test_only_what_was_looked_up_is_well(text: str, code: int, told: list[str]) -> None:
    findings = read_report(text)
    said = findings.tell("installed")
    assert findings.code == code
    assert all(part in said for part in told), said
    assert ("NOT CHECKED" in said) == (code == UNCHECKED or SKIPPED["name"] in text)
    assert "passed" not in said


def test_why_pip_audit_failed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*arguments: Any, **more: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess([], 1, "", "WARNING: hm\nERROR: the service cannot be reached\n")

    monkeypatch.setattr(known_holes.subprocess, "run", run)
    findings = audit("--local")
    assert findings.code == UNCHECKED
    assert "NOT CHECKED: 1 packages (ERROR: the service cannot be reached)" in findings.tell("installed")


@pytest.mark.parametrize(
    ("texts", "code"),
    [
        ((report(SOUND), report(SOUND)), CLEAN),
        ((report(SOUND), report(SKIPPED)), UNCHECKED),
        ((report(SKIPPED), report(HOLED)), HOLES),
        ((report(HOLED), report(SOUND)), HOLES),
    ],
)
def test_the_worse_of_both_lists_decides(monkeypatch: pytest.MonkeyPatch, texts: tuple[str, str], code: int) -> None:
    left = list(texts)
    monkeypatch.setattr(known_holes, "audit", lambda *what: read_report(left.pop(0)))
    assert known_holes.main() == code
