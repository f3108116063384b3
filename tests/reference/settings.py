"""Every key of the configuration, from `Settings`; where the node passes a value on, from who takes it."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

import annotated_types
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from sfu import Config, RecordingOptions
from sfu.node.config.bounds import BoundSettings, QuotaSetting
from sfu.node.config.cluster import ClusterSettings
from sfu.node.config.settings import ENV_PREFIX, IceServerSetting, Settings
from sfu.node.http.limits import HttpLimits
from sfu.signaling import SignalingOptions
from tests.reference.docstrings import read_attribute_docstrings, row, table

SECTIONS = {
    "dev": ("Where it listens", "Addresses, ports and threads."),
    "keys": ("Who may come, and what they are told", "More in [tokens and names](../tokens.md)."),
    "trusted_proxies": ("What strangers may take", "More in [limits](../limits.md)."),
    "record_dir": ("Records", "More in [recording and proving](../guide/recording.md)."),
    "log_level": ("Logs and the end", ""),
    "max_plane_load": ("Load and quotas", "More in [limits](../limits.md)."),
    "cluster_url": ("A node of several", "More in [three nodes](../guide/cluster.md)."),
    "consent_timeout": ("Media and rooms", "Those of `sfu.Config`."),
}
"""A section begins with the key."""
_NAMES = {bool: "true or false", int: "whole number", float: "number", str: "text", SecretStr: "text, kept secret"}
_HEAD = """\
# Configuration

<!-- made by python -m tests.reference -->

`sfu serve` takes each setting from the command line where it has a flag for it, else from the environment,
else from the TOML file (`--config FILE`, or the variable `{prefix}CONFIG`), else it has its default. A key
`shards` is `shards = 2` in the file, `{prefix}SHARDS=2` in the environment and `--shards 2` on the command
line. Times are in seconds. In the environment a list is written `a, b`, `keys` as `id:secret, id:secret`, and
`quotas` as JSON.
What is wrong is refused at the start, by name and with where it came from. The variable
`{prefix}KERNEL_CACHE` names the folder of the compiled kernels; by default it is in the user's cache.

```toml
# sfu.toml
host = "0.0.0.0"
announce = ["203.0.113.7"]
udp_port = 40000
shards = 2

[keys]
main = "9c0a8ab5b9c55f8d0f5c8d0b7f6f2a1e"  # openssl rand -hex 32
```
"""


def describe_settings() -> dict[str, str]:
    """What each key means, by its docstring, or by that of the attribute which it sets."""
    own: dict[str, str] = {}
    for part in (BoundSettings, ClusterSettings, Settings):
        own |= read_attribute_docstrings(part)
    others: dict[str, str] = {}
    for owner, prefix in ((RecordingOptions, "record_"), (HttpLimits, ""), (SignalingOptions, ""), (Config, "")):
        others |= {f"{prefix}{name}": text for name, text in read_attribute_docstrings(owner).items()}
    return {key: own.get(key) or others.get(key, "") for key in Settings.model_fields}


def build_configuration() -> str:
    """The page."""
    lines = [_HEAD.format(prefix=ENV_PREFIX)]
    texts = describe_settings()
    fields = Settings.model_fields
    last = (
        BoundSettings.model_fields | ClusterSettings.model_fields
    )  # which pydantic has first, since they are inherited
    for key, field in [*((key, field) for key, field in fields.items() if key not in last), *last.items()]:
        if key in SECTIONS:
            title, more = SECTIONS[key]
            lines += ["", f"## {title}", "", *([more, ""] if more else []), *table("key", "type", "default", "what")]
        lines.append(row(f"`{key}`", _describe_type(field), _describe_default(key, field), texts[key]))
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


def _describe_type(field: FieldInfo) -> str:
    bounds = ", ".join(_bounds(field))
    return _describe_annotation(field.annotation) + (f", {bounds}" if bounds else "")


def _bounds(field: FieldInfo) -> Iterator[str]:
    for limit in field.metadata:
        match limit:
            case annotated_types.Ge(least):
                yield f"at least {_show(least)}"
            case annotated_types.Le(most):
                yield f"at most {_show(most)}"


def _show(value: Any) -> str:
    return str(int(value)) if value == int(value) else str(value)


def _describe_annotation(annotation: Any) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation in _NAMES:
        return _NAMES[annotation]
    if origin is typing.Literal:
        return ", ".join(f"`{choice}`" for choice in arguments)
    if origin in (types.UnionType, typing.Union):
        return _describe_annotation(arguments[0])
    if origin is dict and arguments[1] is QuotaSetting:
        return f"table of id and quota ({', '.join(f'`{name}`' for name in QuotaSetting.model_fields)})"
    if origin is dict:
        return "table of id and secret"
    if origin is tuple:
        return (
            "list of tables (`urls`, `username`, `credential`)" if arguments[0] is IceServerSetting else "list of texts"
        )
    if origin is typing.Annotated:
        return _describe_annotation(arguments[0])
    raise TypeError(annotation)


def _describe_default(key: str, field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    match value:
        case SecretStr() | "" | () | None:
            return "none"
        case Mapping():
            return "none"
        case bool():
            return f"`{str(value).lower()}`"
        case tuple():
            return ", ".join(f"`{part}`" for part in value)
        case int() | float():
            return f"`{_show(value)}`"
    return f"`{value}`"
