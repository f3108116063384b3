"""Files that come by tus, as the court's pages send them."""

from __future__ import annotations

import base64
from typing import Any

from court_stage import User

PDF = b"%PDF-1.7\n" + b"an exhibit\n" * 200 + b"%%EOF\n"


def encode(**said: str) -> str:
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in said.items())


async def announce(user: User, size: int, expect: int = 201, **said: str) -> Any:
    headers = {"Upload-Length": str(size), "Upload-Metadata": encode(**said), "Tus-Resumable": "1.0.0"}
    answer = await user.http.post("/api/uploads", headers=headers)
    assert answer.status_code == expect, answer.text
    return answer.headers["Location"] if expect == 201 else answer.json()


async def send(user: User, place: str, data: bytes, offset: int = 0) -> Any:
    headers = {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
    return await user.http.patch(place, content=data, headers=headers)


async def upload(user: User, exhibit: str, data: bytes, name: str = "合同.pdf", **more: str) -> None:
    place = await announce(user, len(data), filename=name, purpose="exhibit", target=exhibit, **more)
    answer = await send(user, place, data)
    assert answer.status_code == 204, answer.text
