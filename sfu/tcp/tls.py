"""The certificate of the TCP port, taken anew when its files change."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from OpenSSL import SSL

from sfu.clock import Clock
from sfu.tcp.chain import Chain

_log = logging.getLogger("sfu.tcp")


class CertificateError(Exception):
    """Certificate and key cannot be used; the message says which file, and why."""


class CertificateFault(Enum):
    """What is wrong with it while the node serves."""

    EXPIRED = "expired"
    NOT_YET_GOOD = "not_yet_good"
    FILES = "files"
    """What stands in the files now cannot be served, or nobody would take it: the former one is served."""


@dataclass(frozen=True, slots=True)
class _Loaded:
    context: SSL.Context
    chain: Chain


class Certificate:
    """A chain and its key, both PEM. Those who have connected keep what they were served with.

    One that has expired is served all the same, since clients decide what they take; but not in place of one that is
    good.
    """

    def __init__(self, chain: Path, key: Path, wall: Clock = time.time) -> None:
        """Load both; raises CertificateError. `wall`: seconds since 1970."""
        self._chain, self._key, self._wall = chain, key, wall
        self._seen = self._look()
        self._files_fail = False
        self._aside: _Loaded | None = None
        """What stands in the files, and would be refused now, while what is served would not."""
        self._told = ""
        self._served = self._load()
        self._warn_of_chain(self._served.chain)
        self._tell_of_time()

    @property
    def context(self) -> SSL.Context:
        """For the next connection."""
        return self._served.context

    @property
    def served(self) -> Chain:
        """What it says to clients."""
        return self._served.chain

    @property
    def expires(self) -> float:
        """Until when it is good, in seconds since 1970."""
        return self._served.chain.expires

    @property
    def faults(self) -> frozenset[CertificateFault]:
        """What is wrong with it now."""
        found, now = set(), self._wall()
        if self._files_fail or self._aside is not None:
            found.add(CertificateFault.FILES)
        if now >= self.served.expires:
            found.add(CertificateFault.EXPIRED)
        if now < self.served.begins:
            found.add(CertificateFault.NOT_YET_GOOD)
        return frozenset(found)

    @property
    def time_fault(self) -> str:
        """Why nobody takes what is served at this time; empty: it is good."""
        return self.served.find_time_fault(self._wall())

    def refresh(self) -> None:
        """Take the files anew if they have changed. What cannot be used is logged once, and the former goes on."""
        now, seen = self._wall(), self._look()
        if seen != self._seen:
            self._seen = seen
            self._read_again(now)
        elif self._aside is not None and self._is_better(self._aside, now):
            self._serve(self._aside)
        self._tell_of_time()

    def _is_better(self, loaded: _Loaded, now: float) -> bool:
        return not loaded.chain.find_time_fault(now) or bool(self.served.find_time_fault(now))

    def _read_again(self, now: float) -> None:
        self._files_fail, self._aside = False, None
        advice = "the former one is still served; mend the files, and they are read again"
        try:
            loaded = self._load()
        except CertificateError as error:
            self._files_fail = True
            _log.warning("the new certificate cannot be used", extra={"error": str(error), "advice": advice})
            return
        self._warn_of_chain(loaded.chain)
        if self._is_better(loaded, now):
            self._serve(loaded)
        else:
            self._aside = loaded
            reason = f"{self._chain}: {loaded.chain.find_time_fault(now)}"
            _log.warning("the new certificate is not served", extra={"reason": reason, "advice": advice})

    def _serve(self, loaded: _Loaded) -> None:
        self._served, self._aside, self._told = loaded, None, ""
        _log.info("a new certificate is served", extra={"chain": str(self._chain)})

    def _tell_of_time(self) -> None:
        """Say once that nobody takes what is served, and once that it is good now."""
        fault = self.time_fault
        if fault == self._told:
            return
        self._told = fault
        if fault:
            advice = "clients refuse it: renew it (the files are read again when they change), or set this host's clock"
            _log.error("the certificate is not good", extra={"reason": f"{self._chain}: {fault}", "advice": advice})
        else:
            _log.info("the certificate is good", extra={"chain": str(self._chain)})

    def _warn_of_chain(self, chain: Chain) -> None:
        issuer = chain.find_missing_issuer()
        if issuer:
            advice = "serve the full chain (certbot's fullchain.pem), unless all clients know this authority"
            facts = {"chain": str(self._chain), "issuer": issuer, "advice": advice}
            _log.warning("the certificate stands alone, and this system does not know its issuer", extra=facts)

    def _look(self) -> tuple[tuple[int, int], ...]:
        found = []
        for path in (self._chain, self._key):
            try:
                state = path.stat()
            except OSError:
                found.append((0, 0))
            else:
                found.append((state.st_mtime_ns, state.st_size))
        return tuple(found)

    def _load(self) -> _Loaded:
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.set_min_proto_version(SSL.TLS1_2_VERSION)
        context.set_options(SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_COMPRESSION)
        context.set_mode(SSL.MODE_RELEASE_BUFFERS)
        for path, use in ((self._chain, context.use_certificate_chain_file), (self._key, context.use_privatekey_file)):
            try:
                path.read_bytes()
                use(str(path))
            except OSError as error:
                raise CertificateError(f"{path} cannot be read: {error.strerror}") from error
            except SSL.Error as error:
                reason = _describe(error)
                if "mismatch" in reason:
                    raise CertificateError(f"{self._key} is not the key of {self._chain}") from error
                raise CertificateError(f"{path} is no PEM file that TLS can use: {reason}") from error
        try:
            return _Loaded(context, Chain.parse(self._chain.read_bytes()))
        except (OSError, ValueError) as error:  # gone meanwhile, or with what OpenSSL has passed over
            raise CertificateError(f"{self._chain} cannot be read: {error}") from error


def _describe(error: SSL.Error) -> str:
    reasons = [str(each[-1]) for each in (error.args[0] if error.args else []) if each and each[-1]]
    return reasons[-1] if reasons else "nothing is found in it"
