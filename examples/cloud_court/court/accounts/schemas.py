"""What requests and answers about accounts look like."""

from __future__ import annotations

from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Phone = Annotated[str, StringConstraints(pattern=r"^1[3-9]\d{9}$")]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000)]
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
IdentityNumber = Annotated[str, StringConstraints(pattern=r"^\d{17}[\dX]$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


T = TypeVar("T")


def _holds_nul(data: Any) -> bool:
    if isinstance(data, str):
        return "\0" in data
    if isinstance(data, dict):
        return any(_holds_nul(each) for item in data.items() for each in item)
    return isinstance(data, list) and any(map(_holds_nul, data))


class Asked(BaseModel):
    """A request's body: nothing in it that is not known, and no NUL, which no database of ours can hold."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _refuse_nul(cls, data: Any) -> Any:
        if _holds_nul(data):
            raise ValueError("there is a NUL in it")
        return data


class Told(BaseModel):
    """An answer's body, read from a row."""

    model_config = ConfigDict(from_attributes=True)


class Page(BaseModel, Generic[T]):
    """A part of a list."""

    items: list[T]
    total: int


class CodeRequest(Asked):
    """Where a one-time code shall go."""

    phone: Phone


class Registration(Asked):
    """A new account."""

    phone: Phone
    code: Annotated[str, StringConstraints(pattern=r"^\d{6}$")]
    password: str = Field(max_length=200)
    name: Name
    identity_number: IdentityNumber
    office: Annotated[str, StringConstraints(pattern="^(person|lawyer|legal_worker)$")] = "person"


class PasswordLogin(Asked):
    """Log-in by phone and password."""

    phone: Phone
    password: str = Field(max_length=200)


class HearingLogin(Asked):
    """Log-in by hearing number and personal code."""

    number: Annotated[str, StringConstraints(pattern=r"^\d{9}$")]
    code: Annotated[str, StringConstraints(strip_whitespace=True, to_upper=True, min_length=4, max_length=20)]


class AccountOut(Told):
    """An account, as its owner sees it."""

    id: str
    name: str
    phone: str | None
    office: str


class MeOut(BaseModel):
    """Who is logged in; `csrf` goes into the header X-CSRF of every request that changes something."""

    account: AccountOut
    csrf: str
    hearing_id: str | None
    """Set after a log-in by code: this hearing alone can be reached."""
