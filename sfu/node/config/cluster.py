"""Settings of a node that is one of several."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from sfu.errors import ConfigError


class ClusterSettings(BaseSettings):
    """Part of `Settings`."""

    cluster_url: SecretStr = SecretStr("")
    """Redis in which nodes find each other and their rooms, as `redis://host/0`, `rediss://host` for TLS or
    `redis+sentinel://host,host/service`; needs the extra `cluster`. Empty: the node is alone, and has all rooms.
    """
    cluster_node: str = ""
    """Id of this node in the cluster, which no other one may have at the same time; empty: a random one."""
    cluster_region: str = Field(default="", max_length=64)
    """Label of where it stands: new rooms are placed on nodes of the region to which their first client came."""
    cluster_public_url: str = ""
    """Where clients reach this very node, as `https://a.sfu.example`: those who ask another one for its rooms are sent
    there. Needed with `cluster_url`.
    """

    @field_validator("cluster_url")
    @classmethod
    def _check_cluster_url(cls, value: SecretStr) -> SecretStr:
        from sfu.cluster.redis_url import parse_redis_url

        if url := value.get_secret_value():
            try:
                parse_redis_url(url)
            except ConfigError as error:
                raise ValueError(error.reason) from None
        return value

    @field_validator("cluster_node")
    @classmethod
    def _check_cluster_node(cls, value: str) -> str:
        from sfu.cluster.records import check_node_id

        return check_node_id(value) if value else value

    @field_validator("cluster_public_url")
    @classmethod
    def _check_cluster_public_url(cls, value: str) -> str:
        if not value:
            return value
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
            raise ValueError("is no URL that clients could be sent to, as https://a.sfu.example")
        if parts.query or parts.fragment or "?" in value or "#" in value:
            raise ValueError("paths are put behind it, so it has neither query nor fragment")
        if len(value) > 1024:
            raise ValueError("has 1024 characters at most")
        return value.rstrip("/")

    def find_cluster_problems(self) -> Iterator[tuple[str, str]]:
        """Key and what is wrong with it, of settings that do not fit together."""
        if self.cluster_url.get_secret_value():
            if not self.cluster_public_url:
                yield "cluster_public_url", "is needed with cluster_url: say where clients reach this very node"
            return
        for key in ("cluster_node", "cluster_region", "cluster_public_url"):
            if getattr(self, key):
                yield key, "is set without cluster_url, so this node is in no cluster"
