"""Every HTTP resource: the page that people read, from `docs/reference/openapi.yaml`, which programs read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from sfu import errors
from tests.reference.docstrings import row, table, unwrap

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "openapi.yaml"
_PROBLEM = "#/components/responses/Problem"
METHODS = ("get", "post", "patch", "delete")
_HEAD = """\
# HTTP

<!-- made by python -m tests.reference -->

The resources of a node, and of the app of `sfu.signaling.create_app`, which has all but those of *operation*.
The same as OpenAPI 3.1, for programs: [openapi.yaml](openapi.yaml). Requests bring a token as `Authorization:
Bearer <token>` ([tokens and names](../tokens.md)); event streams also take it as `?access_token=`, since
`EventSource` sets no headers. A path may end in a slash; HEAD is GET without the body, and OPTIONS tells what
a resource takes. What is refused is answered with a problem (RFC 9457): `title`, `status`, and in `detail`
what to do about it. Where a bound was met, `reason` says which, with `limit` and `used` for a tenant's quota,
and `Retry-After` when to try again.
"""
_PROBLEMS = """\
## Problems that come from the media server

In Python these are exceptions of `sfu.errors`; each is a [`RemoteError`](python.md).
"""


def load_document() -> dict[str, Any]:
    """The OpenAPI document."""
    return yaml.safe_load(DOCUMENT.read_text(encoding="utf-8"))


def resolve(document: Mapping[str, Any], item: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a reference refers to, or the item itself."""
    while "$ref" in item:
        found: Any = document
        for part in item["$ref"].removeprefix("#/").split("/"):
            found = found[part.replace("~1", "/")]
        item = found
    return item


def build_http() -> str:
    """The page."""
    document = load_document()
    lines = [_HEAD]
    for tag in document["tags"]:
        lines += [
            f"## {tag['name'].capitalize()}",
            "",
            *([f"{tag['description']}.", ""] if "description" in tag else []),
        ]
        for path, item in document["paths"].items():
            for method in METHODS:
                if tag["name"] in item.get(method, {}).get("tags", ()):
                    lines += _describe(document, path, method, item)
    lines += [_PROBLEMS, *table("status", "title", "exception", "when")]
    lines += sorted(_list_problems())
    return "\n".join(lines) + "\n"


def _describe(document: Mapping[str, Any], path: str, method: str, item: Mapping[str, Any]) -> Iterator[str]:
    operation = item[method]
    yield from (f"### {operation['summary']}", "", f"`{method.upper()} {path}`", "")
    if "description" in operation:
        yield from (operation["description"].strip(), "")
    for parameter in operation.get("parameters", ()):
        about = resolve(document, parameter)
        text = about.get("description", "").rstrip(".")
        where = {"query": f"?{about['name']}=", "header": f"{about['name']}:"}[about["in"]]
        yield f"* `{where}`{f' {text}' if text else ''}"
    body = resolve(document, operation.get("requestBody", {}))
    for media_type, content in body.get("content", {}).items():
        schema = resolve(document, content.get("schema", {}))
        needed = "" if body.get("required") else ", optional"
        yield f"* body `{media_type}`{needed}{_list_fields(document, schema)}"
    refused = [status for status, response in operation["responses"].items() if response.get("$ref") == _PROBLEM]
    for status, response in operation["responses"].items():
        if status == "default" or status in refused:
            continue
        about = resolve(document, response)
        schemas = [resolve(document, content.get("schema", {})) for content in about.get("content", {}).values()]
        fields = "".join(_list_fields(document, schema) for schema in schemas) if status.startswith("2") else ""
        yield f"* **{status}** {about['description'].rstrip('.')}{fields}"
    if refused not in ([], ["default"]):
        yield f"* refused with {', '.join(f'**{status}**' for status in refused if status != 'default')}"
    yield ""


def _list_fields(document: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    if "items" in schema and "enum" in schema["items"]:
        return f": a list of {', '.join(f'`{name}`' for name in schema['items']['enum'])}"
    names = []
    for name, field in schema.get("properties", {}).items():
        text = resolve(document, field).get("description", "").rstrip(".")
        names.append(f"`{name}`{f' ({text[0].lower()}{text[1:]})' if text else ''}")
    return f": {', '.join(names)}" if names else ""


def _list_problems() -> Iterator[str]:
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, errors.RemoteError) and kind is not errors.RemoteError:
            negotiation = issubclass(kind, errors.NegotiationFailedError)
            status = {"CodecMismatchError": "406"}.get(kind.__name__, "400, 422" if negotiation else str(kind.status))
            yield row(status, kind.title, f"`{kind.__name__}`", unwrap(kind.__doc__ or "").split("\n\n")[0])


def find_schema(status: int, path: str, method: str, media_type: str) -> dict[str, Any]:
    """The schema of an answer, with all that it refers to; KeyError if the document knows no such answer."""
    document = load_document()
    responses = document["paths"][path][method.lower()]["responses"]
    about = resolve(document, responses.get(str(status)) or responses["default"])
    schema = about["content"][media_type].get("schema", {})
    return json.loads(json.dumps(schema | {"components": document["components"]}))
