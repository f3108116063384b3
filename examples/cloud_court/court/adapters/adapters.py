"""The protocols of what belongs to others, and their stand-ins."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol


class Sms(Protocol):
    """Sends one message."""

    async def send(self, phone: str, text: str) -> None:
        """Raises OSError where it cannot be sent now; it is tried again."""
        ...


class IdentityCheck(Protocol):
    """Says whether a person is who he says."""

    async def check(self, name: str, identity_number: str, picture_sha256: str) -> bool:
        """`picture_sha256`: of the picture that was taken, or empty."""
        ...


class Certificates(Protocol):
    """Binds a signer's public key to a person."""

    async def certify(self, account: str, name: str, public_key_pem: str) -> str:
        """Return the certificate's serial."""
        ...


@dataclass
class PhoneStandin:
    """Sends nothing: the outbox itself is the page that shows it."""

    async def send(self, phone: str, text: str) -> None:
        """See `Sms`."""


IDENTITY_NUMBER = re.compile(r"\d{17}[\dX]")
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


@dataclass
class IdentityStandin:
    """Believes a number whose check digit is right (GB 11643) and keeps what it was asked, masked."""

    asked: list[tuple[str, str, bool]] = field(default_factory=list)

    async def check(self, name: str, identity_number: str, picture_sha256: str) -> bool:
        """See `IdentityCheck`."""
        good = is_identity_number(identity_number) and bool(name.strip())
        self.asked = [*self.asked[-99:], (name, mask_identity(identity_number), good)]
        return good


@dataclass
class CertificateStandin:
    """Certifies every key by its own hash."""

    issued: list[tuple[str, str]] = field(default_factory=list)

    async def certify(self, account: str, name: str, public_key_pem: str) -> str:
        """See `Certificates`."""
        serial = hashlib.sha256(f"{account}:{public_key_pem}".encode()).hexdigest()[:32]
        self.issued = [*self.issued[-99:], (name, serial)]
        return serial


def is_identity_number(text: str) -> bool:
    """Whether the check digit is right (GB 11643-1999, ISO 7064 MOD 11-2)."""
    if not IDENTITY_NUMBER.fullmatch(text):
        return False
    total = sum(int(digit) * weight for digit, weight in zip(text, _WEIGHTS, strict=False))
    return "10X98765432"[total % 11] == text[17]


def mask_identity(text: str) -> str:
    """As the public may see it."""
    return f"{text[:4]}{'*' * max(0, len(text) - 8)}{text[-4:]}" if len(text) > 8 else "*" * len(text)


class Register(Protocol):
    """What courts publish."""

    @property
    def source(self) -> str:
        """Whose it is, as it is shown."""
        ...

    @property
    def entries(self) -> Sequence[dict[str, str]]:
        """All entries."""
        ...


@dataclass(frozen=True)
class RegisterStandin:
    """Entries that are made up, and say so."""

    source: str
    entries: Sequence[dict[str, str]]


JUDGMENTS = RegisterStandin(
    "演示数据（非真实裁判文书）",
    [
        {
            "number": f"(2025)京0491民初{number}号",
            "title": title,
            "court": "北京互联网法院",
            "date": f"2025-0{number % 9 + 1}-15",
            "summary": f"本院认为，{title}中，原告的诉讼请求有事实和法律依据，依法予以支持。",
        }
        for number, title in enumerate(
            ("网络购物合同纠纷", "信息网络传播权纠纷", "网络侵权责任纠纷", "小额借款合同纠纷", "网络服务合同纠纷"), 1001
        )
    ],
)
DEFAULTERS = RegisterStandin(
    "演示数据（非真实失信名单）",
    [
        {
            "name": name,
            "identity_number": f"11010519800101{number:04d}",
            "case_number": f"(2025)京0491执{number}号",
            "court": "北京互联网法院",
            "published": f"2025-1{number % 3}-01",
        }
        for number, name in enumerate(("王某某", "赵某", "北京某科技有限公司"), 301)
    ],
)


@dataclass
class Adapters:
    """All of them, for one court."""

    sms: Sms = field(default_factory=PhoneStandin)
    identity: IdentityCheck = field(default_factory=IdentityStandin)
    certificates: Certificates = field(default_factory=CertificateStandin)
    judgments: Register = JUDGMENTS
    defaulters: Register = DEFAULTERS
