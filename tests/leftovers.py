"""What of ours is still in memory though all that it was for is over, held by something or waiting for a collection."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import gc
import types
from collections.abc import AsyncIterator

PATIENCE_S = 10.0
_LOOK_S = 0.1


_OURS = ("sfu.", "websockets.server.")
"""Whose classes count: our own, and what a WebSocket of ours has in it."""
_KEPT = ("sfu.signaling.http.signed_tokens.", "sfu.signaling.livekit.claims.")
"""What was read of the last tokens, which is kept on purpose, a bounded number of them."""


def count_ours() -> collections.Counter[str]:
    """Objects of our classes, and our coroutines, by kind; those that wait for a collection are among them."""
    counts: collections.Counter[str] = collections.Counter()
    for each in gc.get_objects():
        kind = type(each)
        module = getattr(kind, "__module__", "")
        if isinstance(module, str) and module.startswith(_OURS):
            name = f"{module}.{kind.__qualname__}"
            counts[name] += not name.startswith(_KEPT)
        elif kind is types.CoroutineType and "/sfu/" in each.cr_code.co_filename:
            counts[each.__qualname__] += 1
    return counts


@contextlib.asynccontextmanager
async def nothing_left_over() -> AsyncIterator[None]:
    """What begins within is freed once it is over, though the garbage collector stands still.

    Call within it functions whose variables are gone afterwards. What is made once, at the first call, must be there.
    """
    gc.collect()
    before = count_ours()
    gc.disable()
    try:
        yield
        left = count_ours() - before
        for _ in range(int(PATIENCE_S / _LOOK_S)):  # threads and callbacks have to come to their end
            if not left:
                break
            await asyncio.sleep(_LOOK_S)
            left = count_ours() - before
    finally:
        gc.enable()
    assert not left, f"{left.total()} objects are left over: {dict(left)}"
