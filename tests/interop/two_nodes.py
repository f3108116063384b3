"""Two nodes of one cluster, with a Redis of their own."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import TypeVar

from tests.integration.cluster_nodes import find_free_port
from tests.interop.node_process import NodeProcess
from tests.redis_server import run_redis

Node = TypeVar("Node", bound=NodeProcess)


@contextlib.asynccontextmanager
async def two_nodes(
    kind: type[Node], folder: Path, variables: Mapping[str, str] | None = None
) -> AsyncIterator[tuple[Node, Node]]:
    async with contextlib.AsyncExitStack() as stack:
        redis = stack.enter_context(run_redis(folder))
        nodes = []
        for name in "ab":
            port = find_free_port()
            settings = {
                "SFU_CLUSTER_URL": redis.url,
                "SFU_CLUSTER_NODE": name,
                "SFU_CLUSTER_PUBLIC_URL": f"http://127.0.0.1:{port}",
                **(variables or {}),
            }
            node = kind("--port", str(port), variables=settings)
            nodes.append(await stack.enter_async_context(node))
        yield nodes[0], nodes[1]
