"""The certificate of the TCP port, taken anew when its files change."""

from __future__ import annotations

import logging
from pathlib import Path

from cryptography import x509
from OpenSSL import SSL

_log = logging.getLogger("sfu.tcp")


class CertificateError(Exception):
    """Certificate and key cannot be used; the message says which file, and why."""


class Certificate:
    """A chain and its key, both PEM. Those who have connected keep what they were served with."""

    def __init__(self, chain: Path, key: Path) -> None:
        """Load both; raises CertificateError."""
        self._chain, self._key = chain, key
        self._seen = self._look()
        self.context, self.expires = self._load()
        """For the next connection; and until when its certificate is good, in seconds since 1970."""

    def refresh(self) -> None:
        """Take the files anew if they have changed. What cannot be used is logged once, and the former goes on."""
        seen = self._look()
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self.context, self.expires = self._load()
        except CertificateError as error:
            advice = "the former one is still served; mend the files, and they are read again"
            _log.warning("the new certificate cannot be used", extra={"error": str(error), "advice": advice})
        else:
            _log.info("a new certificate is served", extra={"chain": str(self._chain)})

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

    def _load(self) -> tuple[SSL.Context, float]:
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
        served = x509.load_pem_x509_certificate(self._chain.read_bytes())  # the first; OpenSSL has read it before
        return context, served.not_valid_after_utc.timestamp()


def _describe(error: SSL.Error) -> str:
    reasons = [str(each[-1]) for each in (error.args[0] if error.args else []) if each and each[-1]]
    return reasons[-1] if reasons else "nothing is found in it"
