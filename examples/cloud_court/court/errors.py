"""What the court refuses: each refusal has a code, which clients translate, in problem+json (RFC 9457)."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

CODES: dict[str, tuple[int, str]] = {
    "request.invalid": (422, "The request does not have the form that it must have."),
    "not_found": (404, "There is no such thing, or it is not yours to see."),
    "login.needed": (401, "Log in first."),
    "login.wrong": (401, "Phone number and password do not belong together."),
    "login.csrf": (403, "The header X-CSRF does not hold this session's word."),
    "attempts.too_many": (429, "Too many attempts; try again in {retry_after} s."),
    "phone.taken": (409, "This phone number has an account already: log in."),
    "code.wrong": (403, "The code is wrong or has expired."),
    "code.expired": (403, "The code is no longer good: {reason}."),
    "code.other_account": (403, "This code belongs to somebody else's account."),
    "password.weak": (422, "A password has at least {least} characters."),
    "identity.failed": (403, "Name and identity number do not belong together."),
    "identity.unchecked": (403, "Confirm your identity for this hearing first."),
    "role.denied": (403, "Your role does not allow this."),
    "act.impossible": (409, "{act} is not possible while it is {state}."),
    "act.unknown": (422, "There is no act {act}."),
    "consent.missing": (409, "Not all sides have agreed to a hearing online: {missing}."),
    "case.bound": (409, "This case is bound to your account already."),
    "hearing.closed": (409, "The hearing was closed; nobody can enter it any more."),
    "hearing.in_camera": (403, "The hearing is not public now."),
    "hearing.dismissed": (403, "The court has dismissed you from this hearing."),
    "hearing.declaration": (403, "Confirm first that you will not record the hearing."),
    "recording.missing": (503, "The recording cannot be started: {reason}"),
    "recording.idle": (409, "Nothing is being recorded."),
    "recording.recovering": (409, "A recording that broke off is still being closed; try again in a moment."),
    "recording.unexplained": (409, "The recording has faults that the presiding judge has not explained yet."),
    "recording.unreadable": (409, "The recording cannot be played: {reason}"),
    "exhibit.too_large": (
        413,
        "{name} has {size} bytes; a file has at most {limit}. Let it be split into {parts} parts.",
    ),
    "exhibit.type": (415, "{name} is not one of the types that the court takes: {allowed}."),
    "exhibit.content": (415, "{name} is not what its name says: it looks like {found}."),
    "exhibit.empty": (409, "An exhibit has at least one complete file before it is submitted."),
    "exhibit.too_many": (409, "No more than {limit}."),
    "upload.offset": (409, "The upload stands at {offset} bytes."),
    "upload.form": (400, "This is not how tus uploads: {reason}."),
    "upload.hash": (409, "The bytes that came do not have the hash that was announced."),
    "transcript.frozen": (409, "This revision is no longer the current one."),
    "transcript.hash": (409, "What was signed is not this revision: its hash is {sha256}."),
    "transcript.unsigned": (409, "Not everybody has signed or refused yet: {missing}."),
    "signature.wrong": (422, "The signature does not fit the key and the revision."),
    "signature.done": (409, "You have signed or refused already."),
    "consultation.closed": (409, "There are no consultations in the last minutes before the start."),
    "consultation.denied": (403, "These persons cannot be in one consultation."),
    "consultation.locked": (409, "The consultation room is locked."),
    "consultation.linked": (409, "You go in together with {missing}, who has not accepted."),
    "consultation.over": (409, "The consultation is over."),
    "messages.too_many": (429, "No more than {limit} messages a day."),
    "standin.off": (404, "This court has no stand-ins."),
    "court.busy": (503, "The court's database does not answer now; try again in {retry_after} s."),
    "media.unavailable": (503, "The media server does not run."),
    "package.open": (409, "Only a sealed hearing has a package."),
}
"""Status and sentence, by code."""


class Problem(BaseModel):
    """What a refusal's answer says; further keys are facts of its code, as `limit` and `size`."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: str


_CONTENT = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"description": "Refused", "content": _CONTENT} for status in (422, "4XX", "5XX")
}
"""For the contract: any way may answer so."""


def describe(app: FastAPI) -> None:
    """Have the contract know of this form."""
    build = app.openapi

    def openapi() -> dict[str, Any]:
        made = build()
        made.setdefault("components", {}).setdefault("schemas", {})["Problem"] = Problem.model_json_schema()
        return made

    app.openapi = openapi  # type: ignore[method-assign]


class Refusal(Exception):
    """A request is refused. `facts` stand in the answer beside the sentence."""

    def __init__(self, code: str, **facts: Any) -> None:
        self.code = code
        self.status, sentence = CODES[code]
        self.facts = facts
        super().__init__(sentence.format(**facts))


def not_found() -> Refusal:
    """For what is not there, and for what is another's: the same answer."""
    return Refusal("not_found")


def build_problem(code: str, status: int, detail: str, facts: dict[str, Any] | None = None) -> JSONResponse:
    """The answer's body."""
    facts = facts or {}
    body = {"type": "about:blank", "title": code, "status": status, "detail": detail, "code": code, **facts}
    headers = {"Retry-After": str(facts["retry_after"])} if "retry_after" in facts else None
    return JSONResponse(jsonable_encoder(body), status, headers, media_type="application/problem+json")


def install(app: FastAPI) -> None:
    """Let `app` answer refusals, and what the framework refuses, in this form."""

    @app.exception_handler(Refusal)
    async def _(request: Request, error: Refusal) -> JSONResponse:
        return build_problem(error.code, error.status, str(error), error.facts)

    @app.exception_handler(RequestValidationError)
    async def _(request: Request, error: RequestValidationError) -> JSONResponse:
        code = "request.invalid"
        where = [{"loc": list(each["loc"]), "msg": each["msg"]} for each in error.errors()]
        return build_problem(code, *CODES[code], {"errors": where})

    @app.exception_handler(HTTPException)
    async def _(request: Request, error: HTTPException) -> JSONResponse:
        code = "not_found" if error.status_code == 404 else f"http.{error.status_code}"
        return build_problem(code, error.status_code, str(error.detail))
