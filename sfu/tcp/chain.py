"""What a certificate's file says to who checks it: when it is good, for which names, and whether its chain ends."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from dataclasses import dataclass
from typing import Self

from cryptography import x509
from OpenSSL import crypto

_NO_ISSUER = 20
"""X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY (openssl-verification-options(1))."""


@dataclass(frozen=True, slots=True)
class Chain:
    """Of a file, whose first certificate is the server's own. Times are in seconds since 1970."""

    begins: float
    expires: float
    names: tuple[str, ...]
    """Host names, perhaps with a first label `*`, and IP addresses (RFC 6125 section 6.4)."""
    own: x509.Certificate
    alone: bool
    """Whether no other stands behind it."""

    @classmethod
    def parse(cls, pem: bytes) -> Self:
        """Read a file that OpenSSL has read before; raises ValueError."""
        own = x509.load_pem_x509_certificate(pem)
        try:
            told = own.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
            names: tuple[str, ...] = ()
        else:
            addresses = [str(each) for each in told.get_values_for_type(x509.IPAddress)]
            names = (*told.get_values_for_type(x509.DNSName), *addresses)
        begins, ends = own.not_valid_before_utc, own.not_valid_after_utc
        return cls(begins.timestamp(), ends.timestamp(), names, own, pem.count(b"-----BEGIN ") == 1)

    def find_time_fault(self, now: float) -> str:
        """Why nobody takes it now; empty: it is good."""
        if now >= self.expires:
            return f"it has expired on {_date(self.expires)}"
        if now < self.begins:
            return f"it is not good before {_date(self.begins)}"
        return ""

    def covers(self, host: str) -> bool:
        """Whether it is for this host name or IP address (RFC 6125 section 6.4, a wildcard as a whole first label)."""
        try:
            return str(ipaddress.ip_address(host)) in self.names
        except ValueError:
            host = host.lower().rstrip(".")
        rest = host.partition(".")[2]
        return any(each.lower() in (host, f"*.{rest}") for each in self.names)

    def find_missing_issuer(self) -> str:
        """Name who has signed, where the file has nothing but the certificate and this system does not know him: then
        most likely the file lacks an intermediate, and clients that have not met it elsewhere refuse. Else empty: a
        longer chain may end at an authority that only its own clients know.
        """
        own = self.own
        if not self.alone or own.issuer == own.subject:
            return ""
        known = ssl.get_default_verify_paths()
        store = crypto.X509Store()
        try:
            if known.cafile or known.capath:
                store.load_locations(known.cafile, known.capath)
        except crypto.Error:  # this system's authorities cannot be read, so nothing can be told
            return ""
        store.set_time(datetime.datetime.fromtimestamp((self.begins + self.expires) / 2, datetime.UTC))
        try:
            crypto.X509StoreContext(store, crypto.X509.from_cryptography(own)).verify_certificate()
        except crypto.X509StoreContextError as error:
            code = error.errors[0] if error.errors else 0
            return own.issuer.rfc4514_string() if code == _NO_ISSUER else ""
        return ""


def _date(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
