"""A version of a Worker taken apart: its modules, and what a Worker of its own can be made of for a drill."""

from email import message_from_bytes
from email.message import Message
from email.policy import HTTP
from typing import Any

from reconciler.errors import ProviderError
from reconciler.ports import Rebinding
from reconciler.providers.http.client import Answer
from reconciler.providers.http.response import Told

Part = tuple[str, tuple[str | None, bytes, str]]
# What a drill's Worker may have of production's: nothing through which it could reach what production uses. Secrets are
# never told.
_HARMLESS = frozenset({"plain_text", "json", "version_metadata"})


def copied_worker(
    described: Told, content: Answer, change: Rebinding
) -> tuple[dict[str, Any], list[Part], tuple[str, ...]]:
    """Return the metadata and the parts of an upload, and the names of the bindings that are left out."""
    files = modules(content)
    if not files:
        raise ProviderError("Cloudflare answered no module of the Worker that is to be copied")
    main = content.headers.get("cf-entrypoint") or next(iter(files))
    entry = "main_module" if "cf-entrypoint" in content.headers else "body_part"
    resources = described.maybe("resources")
    bindings = resources.any("bindings") if resources else []
    runtime = resources.maybe("script_runtime") if resources else None
    kept = [each for each in bindings if each.text("type") in _HARMLESS]
    left_out = tuple(each.text("name") for each in bindings if each not in kept and each.text("name") != change.binding)
    optional = {key: runtime.value.get(key) for key in _RUNTIME} if runtime else {}
    metadata = {
        entry: main,
        "bindings": [
            *(each.value for each in kept),
            {"name": change.binding, "type": "hyperdrive", "id": change.hyperdrive_id},
        ],
        "annotations": {"workers/message": change.label, "workers/tag": change.tag},
        **{key: value for key, value in optional.items() if value},
    }
    return metadata, [(name, (name, data, kind)) for name, (data, kind) in files.items()], left_out


_RUNTIME = ("compatibility_date", "compatibility_flags")


def modules(content: Answer) -> dict[str, tuple[bytes, str]]:
    """Take a script's content apart: a service worker's one script, or a multipart body of modules."""
    kind = content.headers.get("content-type", "")
    if not kind.startswith("multipart/form-data"):
        return {"index.js": (_bytes(content.body), kind)}
    message = message_from_bytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + _bytes(content.body), policy=HTTP)
    return {_part_name(part): (_payload(part), part.get_content_type()) for part in message.iter_parts()}


def _part_name(part: Message) -> str:
    return str(part.get_param("name", header="content-disposition"))


def _payload(part: Message) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _bytes(body: Any) -> bytes:
    return body if isinstance(body, bytes) else b""
