"""The multipart body of an upload, and the version that it makes.

The part `metadata` says how to run the modules in the other parts. Bindings of the type `inherit` and
the list `keep_bindings` take bindings over from an earlier version (API description, workers/scripts; Workers
documentation, Multipart upload metadata).
"""

import hashlib
import json
import uuid
from dataclasses import dataclass
from datetime import timedelta

from aiohttp import BodyPartReader, MultipartReader, web

from reconciler.sandbox.cloudflare.answers import ApiError
from reconciler.sandbox.cloudflare.state import Json, Module, Script, State, Version, now

_SECRETS = {"secret_text": ("text",), "secret_key": ("key_base64", "key_jwk")}
"""Types of secret bindings, with the fields that no answer shows."""


@dataclass(frozen=True)
class Upload:
    """The parts of an upload."""

    metadata: Json
    modules: tuple[Module, ...]
    strict: bool
    source: str


async def read_upload(request: web.Request) -> Upload:
    """Read the multipart body of an upload. Raises ApiError if it is malformed."""
    if not request.content_type.startswith("multipart/"):
        raise ApiError(400, 10021, "An upload must be multipart/form-data")
    try:
        parts = await _parts(request)
    except ValueError as error:
        raise ApiError(400, 10021, f"Malformed multipart body: {error}") from error
    metadata = next((part for part in parts if part.name == "metadata"), None)
    if metadata is None:
        raise ApiError(400, 10021, "The part 'metadata' is missing")
    strict = request.query.get("bindings_inherit") == "strict"
    source = "wrangler" if request.headers.get("User-Agent", "").startswith("wrangler/") else "api"
    modules = tuple(part for part in parts if part is not metadata)
    return Upload(_object(metadata.content), modules, strict, source)


async def _parts(request: web.Request) -> list[Module]:
    """Read the named parts. Not by `request.multipart()`: the server's limit on bodies isn't for Workers."""
    found: list[Module] = []
    async for part in MultipartReader(request.headers, request.content):
        if isinstance(part, BodyPartReader) and part.name:
            content_type = part.headers.get("Content-Type", "application/octet-stream")
            found.append(Module(part.name, content_type, bytes(await part.read())))
    return found


def make_version(state: State, script: Script, upload: Upload) -> Version:
    """Make the version of an upload, without storing it. Raises ApiError if it is invalid."""
    metadata = upload.metadata
    main_module = str(metadata.get("main_module") or metadata.get("body_part") or "")
    if not any(module.name == main_module for module in upload.modules):
        raise ApiError(400, 10021, f'No such module "{main_module}"')
    bindings = _bindings(state, script, upload)
    check_configs(state, bindings, fresh_unknown_s=state.switches.fresh_config_unknown_s)
    digest = hashlib.sha256()
    for module in upload.modules:
        digest.update(module.name.encode() + b"\0" + module.content)
    sent = metadata.get("annotations") or {}
    return Version(
        id=str(uuid.uuid4()),
        number=len(script.versions) + 1,
        created_on=now(),
        source=upload.source,
        annotations={key: text for key, text in sent.items() if text} | {"workers/triggered_by": "upload"},
        bindings=bindings,
        main_module=main_module,
        modules=upload.modules,
        compatibility_date=metadata.get("compatibility_date"),
        compatibility_flags=metadata.get("compatibility_flags") or [],
        etag=digest.hexdigest(),
    )


def check_configs(state: State, bindings: list[Json], *, fresh_unknown_s: float) -> None:
    """Refuse bindings to a Hyperdrive config that is absent, or too new to be known."""
    known_before = now() - timedelta(seconds=fresh_unknown_s)
    for binding in bindings:
        if binding["type"] != "hyperdrive":
            continue
        config = state.configs.get(str(binding.get("id")))
        if config is None or config.created_on > known_before:
            name, config_id = binding["name"], binding.get("id")
            message = f"Hyperdrive binding '{name}' references config '{config_id}' which was not found."
            raise ApiError(400, 10157, message)


def shown(bindings: list[Json]) -> list[Json]:
    """Render bindings without their secret values."""
    return [
        {key: value for key, value in binding.items() if key not in _SECRETS.get(binding["type"], ())}
        for binding in bindings
    ]


def secrets_of(version: Version) -> list[Json]:
    """Return the secret bindings of a version, ordered by name."""
    secrets = [binding for binding in version.bindings if binding["type"] in _SECRETS]
    return sorted(secrets, key=lambda binding: str(binding["name"]))


def _bindings(state: State, script: Script, upload: Upload) -> list[Json]:
    given = upload.metadata.get("bindings") or []
    if not all(isinstance(binding, dict) and binding.get("name") and binding.get("type") for binding in given):
        raise ApiError(400, 10021, "A binding needs a name and a type")
    bindings: list[Json] = []
    for binding in given:
        found = _inherited(script, binding) if binding["type"] == "inherit" else binding
        if found is not None:
            bindings.append(found)
        elif upload.strict or not state.switches.unknown_inherit_is_dropped:
            raise ApiError(400, 10056, f"Binding '{binding['name']}' can't be inherited: not found")
    names = [binding["name"] for binding in given]
    if len(set(names)) < len(names):
        raise ApiError(400, 10021, "A binding is declared twice")
    keep = upload.metadata.get("keep_bindings") or []
    latest = script.versions[-1].bindings if script.versions else []
    return bindings + [b for b in latest if b["type"] in keep and b["name"] not in names]


def _inherited(script: Script, binding: Json) -> Json | None:
    """Find the binding that an `inherit` refers to, in the named or the latest version."""
    version_id = binding.get("version_id") or "latest"
    if version_id == "latest":
        version = script.versions[-1] if script.versions else None
    else:
        version = script.version(version_id)
    old_name = binding.get("old_name") or binding["name"]
    for earlier in version.bindings if version else []:
        if earlier["name"] == old_name:
            return earlier | {"name": binding["name"]}
    return None


def _object(content: bytes) -> Json:
    try:
        found = json.loads(content)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ApiError(400, 10021, "The part 'metadata' must hold a JSON object")
    return found
