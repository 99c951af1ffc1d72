"""The body of an upload: the modules of a version, and metadata with its bindings and settings."""

import json
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from email.policy import HTTP
from typing import Any

from reconciler.errors import ProviderError
from reconciler.ports import Rebinding
from reconciler.providers.cloudflare.wire import bindings
from reconciler.providers.http.client import Answer
from reconciler.providers.http.response import ResponseReader

Part = tuple[str, tuple[str | None, bytes, str]]
# The bindings that a drill's Worker may share with production: production's resources can't be reached through them.
# Cloudflare never returns secrets.
_ISOLATED = frozenset({"plain_text", "json", "version_metadata"})


@dataclass(frozen=True, slots=True)
class Content:
    """The modules of a version by name, each with its content type. `entry` is the metadata that names the first."""

    entry: dict[str, str]
    modules: dict[str, tuple[bytes, str]]


def content_of(answer: Answer, what: str) -> Content:
    """Read a version's content. Raises ProviderError where it has no module."""
    files = modules(answer)
    if not files:
        raise ProviderError(f"Cloudflare answered no module of {what}")
    kind = "main_module" if "cf-entrypoint" in answer.headers else "body_part"
    return Content({kind: answer.headers.get("cf-entrypoint") or next(iter(files))}, files)


def parts(content: Content, metadata: dict[str, Any]) -> list[Part]:
    """Return the parts of the multipart body."""
    described = json.dumps(content.entry | metadata).encode()
    files = [(name, (name, data, kind)) for name, (data, kind) in content.modules.items()]
    return [("metadata", (None, described, "application/json")), *files]


def rebound(described: ResponseReader, settings: dict[str, Any], version: str, change: Rebinding) -> dict[str, Any]:
    """Return the metadata of a copy of a version, in which every binding but one is inherited."""
    resources = described.section("resources")
    runtime = resources.section("script_runtime").value
    smart = resources.section("script").maybe_text("placement_mode") == "smart"
    optional = {
        "compatibility_date": runtime.get("compatibility_date"),
        "compatibility_flags": runtime.get("compatibility_flags"),
        "placement": {"mode": "smart"} if smart else None,
        "limits": runtime.get("limits") or None,
        "logpush": settings.get("logpush"),
        "tail_consumers": settings.get("tail_consumers"),
        "observability": settings.get("observability"),
    }
    names = [name for each in bindings(described) if (name := each.text("name")) != change.binding]
    inherited = [{"name": name, "type": "inherit", "version_id": version} for name in names]
    kept = {key: value for key, value in optional.items() if value is not None}
    return _changed(inherited, change) | {"keep_assets": True} | kept


def isolated(described: ResponseReader, change: Rebinding) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the metadata of a drill's Worker, and the names of the bindings that are left out."""
    runtime = described.section("resources").section("script_runtime").value
    all_bindings = bindings(described)
    kept = [each.value for each in all_bindings if each.text("type") in _ISOLATED]
    others = [each.text("name") for each in all_bindings if each.text("type") not in _ISOLATED]
    optional = {key: value for key in ("compatibility_date", "compatibility_flags") if (value := runtime.get(key))}
    return _changed(kept, change) | optional, tuple(name for name in others if name != change.binding)


def _changed(others: list[dict[str, Any]], change: Rebinding) -> dict[str, Any]:
    """Return the bindings and labels of an upload."""
    return {
        "bindings": [*others, {"name": change.binding, "type": "hyperdrive", "id": change.hyperdrive_id}],
        "annotations": {"workers/message": change.label, "workers/tag": change.tag},
    }


def modules(content: Answer) -> dict[str, tuple[bytes, str]]:
    """Split a script's content: the one script of a service worker, or a multipart body of modules."""
    kind = content.headers.get("content-type", "")
    body = content.body if isinstance(content.body, bytes) else b""
    if not kind.startswith("multipart/form-data"):
        return {"index.js": (body, kind)}
    message = message_from_bytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body, policy=HTTP)
    return {_name(part): (_payload(part), part.get_content_type()) for part in message.iter_parts()}


def _name(part: Message) -> str:
    return str(part.get_param("name", header="content-disposition"))


def _payload(part: Message) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""
