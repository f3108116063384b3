"""What must hold of a record that one process suspended and another continued: the verifier's rules, line by line."""

from __future__ import annotations

from collections.abc import Mapping

from sfu.recording.entries import Entry, is_count
from sfu.recording.findings import SourceFacts

RESTART = "restart"
"""Cause of the gaps that a continuation declares."""
_OF_A_SOURCE = ("fragment", "track", "report")


class RestartRules:
    """Is shown each line before it is taken. `check` returns what is wrong with it, or an empty string.

    A suspension is a `suspend` line and the `head` that signs it. Behind that stands a `continue` line or a recovery,
    and behind the `continue` line, before anything else, a gap of each source that no other continues. Whoever had a
    file before has another one then.
    """

    def __init__(self, sources: Mapping[int, SourceFacts]) -> None:
        """`sources` are those that were named so far."""
        self.suspended: Entry | None = None
        """The `suspend` line, until somebody has continued."""
        self._sources = sources
        self._signed = False  # and the head behind it was there
        self._span = (0, 0)  # that is missing
        self._undeclared: set[int] = set()
        self._ended: set[int] = set()  # sources whose files ended at a suspension
        self._open: set[int] = set()  # those of them that no other continues

    def check(self, entry: Entry) -> str:
        """Say what is wrong with the next line; empty if nothing is."""
        if self.suspended is not None:
            return self._check_suspended(entry, self.suspended)
        if entry.type == "continue":
            return "it continues a record that nobody had suspended"
        if entry.type == "gap" and entry.text("cause") == RESTART:
            return self._check_gap(entry)
        if self._undeclared:
            return f"the record was continued, and of source {min(self._undeclared)} nothing says what is missing"
        if entry.type == "suspend":
            return self._suspend(entry)
        if entry.type == "source":
            return self._check_source(entry)
        if entry.type in _OF_A_SOURCE and entry.integer("source") in self._ended:
            return f"source {entry.integer('source')} ended when the record was suspended"
        return ""

    def _suspend(self, entry: Entry) -> str:
        if entry.integer("at_us") > entry.t_us:
            return "it suspends the record before that time has come"
        for number, source in self._sources.items():
            if not source.ended and number not in self._ended:
                return f"it suspends the record, but source {number} had not ended"
        self._open.update(self._sources.keys() - self._ended)
        self._ended.update(self._sources)
        self.suspended, self._signed = entry, False
        return ""

    def _check_suspended(self, entry: Entry, suspended: Entry) -> str:
        if not self._signed:
            self._signed = entry.type == "head"
            return "" if self._signed else "the line before suspends the record, and was not signed"
        if entry.type == "continue":
            begin_us, end_us = entry.integer("begin_us"), entry.integer("end_us")
            if begin_us != suspended.integer("at_us") or not begin_us <= end_us <= entry.t_us:
                return "what it says to be missing does not reach from the suspension to it"
            self._span, self._undeclared = (begin_us, end_us), set(self._open)
        elif entry.type != "recover":
            return f"a {entry.type} line cannot stand here: the record was suspended, and nobody had continued it"
        self.suspended = None
        return ""

    def _check_gap(self, entry: Entry) -> str:
        number = entry.integer("source")
        if number not in self._undeclared:
            return "it is a gap of a restart that was declared already, or there was none"
        if (entry.integer("begin_us"), entry.fields["end_us"]) != self._span:
            return "this gap of a restart does not reach from the suspension to where the record was continued"
        self._undeclared.discard(number)
        return ""

    def _check_source(self, entry: Entry) -> str:
        number = entry.fields.get("continues")
        if number is None:
            return ""
        if not is_count(number) or number not in self._open:
            return "it continues a source that had not ended at a suspension, or that another continues"
        other = self._sources[number]
        if (other.kind, other.peer) != (entry.text("kind"), entry.text("peer")):
            return f"it continues source {number}, which is somebody else's"
        self._open.discard(number)
        return ""
