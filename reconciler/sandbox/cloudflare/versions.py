"""Versions of a Worker, their content, and deployments.

Rules from the API description (workers/scripts/versions, workers/scripts/deployments) and the Workers
documentation on gradual deployments: lists are newest first, a deployment shares the traffic among one or
two versions, percentages total 100, and nothing guards against a concurrent deployment.
"""

import math
import uuid
from typing import Any

from aiohttp import web

from reconciler.sandbox.cloudflare.account import USER_EMAIL, USER_ID
from reconciler.sandbox.cloudflare.answers import ApiError, Route, json_body, one_page, success
from reconciler.sandbox.cloudflare.scripts import SCRIPT, find_script
from reconciler.sandbox.cloudflare.state import (
    Deployment,
    Json,
    Module,
    Script,
    State,
    Version,
    now,
    wire_time,
)
from reconciler.sandbox.cloudflare.uploads import check_configs, make_version, read_upload, secrets_of, shown

_PAGE = 10
_BAD_PERCENTAGES = (400, 10207)
"""HTTP status and code for percentages that do not total 100; no public source has them."""


async def upload_version(request: web.Request, state: State) -> web.Response:
    """`POST S/versions`: a version and no deployment."""
    upload = await read_upload(request)
    script = find_script(request, state)
    version = make_version(state, script, upload)
    script.versions.append(version)
    script.modified_on = version.created_on
    return success(_version_as_wire(version))


async def list_versions(request: web.Request, state: State) -> web.Response:
    """`GET S/versions`: newest first, without bindings; `deployable=true` omits those that are too old."""
    script = find_script(request, state)
    newest_first = script.versions[::-1]
    if request.query.get("deployable") == "true":
        newest_first = newest_first[: state.switches.deployable_versions]
    cut, pages = one_page(request, newest_first, _PAGE)
    items = [{key: value for key, value in _version_as_wire(v).items() if key != "resources"} for v in cut]
    return success({"items": items}, pages=pages, errors_null=True)


async def get_version(request: web.Request, state: State) -> web.Response:
    """`GET S/versions/{id}`, bindings included."""
    script = find_script(request, state)
    return success(_version_as_wire(_find_version(state, script, request.match_info["version"])))


async def get_content(request: web.Request, state: State) -> web.Response:
    """`GET S/content/v2?version=ID`: the modules as uploaded; `cf-entrypoint` names the main one."""
    script = find_script(request, state)
    version_id = request.query.get("version")
    version = _find_version(state, script, version_id) if version_id else script.live
    boundary = uuid.uuid4().hex
    body = b"".join(_part(boundary, module) for module in version.modules) + f"--{boundary}--\r\n".encode()
    headers = {
        "Content-Type": f"multipart/form-data; boundary={boundary}",
        "cf-entrypoint": version.main_module,
        "etag": version.etag,
    }
    return web.Response(body=body, headers=headers)


async def create_deployment(request: web.Request, state: State) -> web.Response:
    """`POST S/deployments`: the newest deployment is the one that serves."""
    script = find_script(request, state)
    body = await json_body(request)
    split = _split(state, script, body)
    force = request.query.get("force") == "true"
    for version_id, _ in split:
        _check_deployable(state, script, _find_version(state, script, version_id), force=force)
    sent = body.get("annotations") or {}
    deployment = Deployment(
        id=str(uuid.uuid4()),
        created_on=now(),
        source="wrangler" if request.headers.get("User-Agent", "").startswith("wrangler/") else "api",
        annotations={key: text for key, text in sent.items() if text} | {"workers/triggered_by": "deployment"},
        split=split,
    )
    script.deployments.insert(0, deployment)
    return success(_deployment_as_wire(deployment))


async def list_deployments(request: web.Request, state: State) -> web.Response:
    """`GET S/deployments`: newest first, so the first is the one that serves; 10 per page."""
    cut, pages = one_page(request, find_script(request, state).deployments, _PAGE)
    return success({"deployments": [_deployment_as_wire(deployment) for deployment in cut]}, pages=pages)


async def get_deployment(request: web.Request, state: State) -> web.Response:
    """`GET S/deployments/{id}`."""
    for deployment in find_script(request, state).deployments:
        if deployment.id == request.match_info["deployment"]:
            return success(_deployment_as_wire(deployment))
    raise ApiError(404, state.switches.version_not_found[1], "Deployment not found")


def _split(state: State, script: Script, body: Json) -> tuple[tuple[str, float], ...]:
    """Read the versions of a deployment and check their percentages."""
    versions = body.get("versions")
    if body.get("strategy") != "percentage" or not isinstance(versions, list) or not 1 <= len(versions) <= 2:
        raise ApiError(*_BAD_PERCENTAGES, "A deployment needs the strategy 'percentage' and one or two versions")
    lowest = 0 if state.switches.zero_percentage_accepted else 0.01
    shares: dict[str, float] = {}
    for item in versions:
        version = _find_version(state, script, item.get("version_id"))
        share = item.get("percentage")
        if isinstance(share, bool) or not isinstance(share, int | float) or not lowest <= share <= 100:
            raise ApiError(*_BAD_PERCENTAGES, f"Percentages must be between {lowest} and 100")
        shares[version.id] = share
    if len(shares) < len(versions) or not math.isclose(sum(shares.values()), 100):
        raise ApiError(*_BAD_PERCENTAGES, "Percentages of different versions must total 100")
    return tuple(shares.items())


def _check_deployable(state: State, script: Script, version: Version, *, force: bool) -> None:
    """Refuse a version that is too old, lacks its Hyperdrive config, or has other secrets than the live one."""
    if version not in script.versions[-state.switches.deployable_versions :]:
        status, code = state.switches.version_not_found
        raise ApiError(status, code, f"Version {version.id} is too old to be deployed")
    if not state.switches.promote_without_config:
        check_configs(state, version.bindings, fresh_unknown_s=0)
    live = script.live
    rolled_back = version.number < live.number and version.id not in dict(script.deployments[0].split)
    changed = _changed_secrets(version, live) if rolled_back and not force else []
    if changed:
        raise ApiError(400, 10220, f"The following secrets have changed: {', '.join(changed)}")


def _changed_secrets(version: Version, live: Version) -> list[str]:
    before = {binding["name"]: binding for binding in secrets_of(version)}
    after = {binding["name"]: binding for binding in secrets_of(live)}
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def _find_version(state: State, script: Script, version_id: Any) -> Version:
    version = script.version(str(version_id))
    if version is None:
        status, code = state.switches.version_not_found
        raise ApiError(status, code, f"Version {version_id} not found")
    return version


def _part(boundary: str, module: Module) -> bytes:
    head = (
        f"--{boundary}\r\n"
        f'Content-Disposition: form-data; name="{module.name}"; filename="{module.name}"\r\n'
        f"Content-Type: {module.content_type}\r\n\r\n"
    )
    return head.encode() + module.content + b"\r\n"


def _version_as_wire(version: Version) -> Json:
    return {
        "id": version.id,
        "number": version.number,
        "startup_time_ms": 1,
        "metadata": {
            "created_on": wire_time(version.created_on),
            "modified_on": wire_time(version.created_on),
            "source": version.source,
            "author_id": USER_ID,
            "author_email": USER_EMAIL,
            "has_preview": True,
        },
        "annotations": version.annotations,
        "resources": {
            "bindings": shown(version.bindings),
            "script": {
                "etag": version.etag,
                "handlers": ["fetch"],
                "last_deployed_from": version.source,
            },
            "script_runtime": {
                "compatibility_date": version.compatibility_date,
                "compatibility_flags": version.compatibility_flags,
                "usage_model": "standard",
                "limits": {},
            },
        },
    }


def _deployment_as_wire(deployment: Deployment) -> Json:
    return {
        "id": deployment.id,
        "source": deployment.source,
        "strategy": "percentage",
        "author_email": USER_EMAIL,
        "annotations": deployment.annotations,
        "created_on": wire_time(deployment.created_on),
        "versions": [{"version_id": version, "percentage": share} for version, share in deployment.split],
    }


ROUTES: list[Route] = [
    ("POST", SCRIPT + "/versions", upload_version),
    ("GET", SCRIPT + "/versions", list_versions),
    ("GET", SCRIPT + "/versions/{version}", get_version),
    ("GET", SCRIPT + "/content/v2", get_content),
    ("POST", SCRIPT + "/deployments", create_deployment),
    ("GET", SCRIPT + "/deployments", list_deployments),
    ("GET", SCRIPT + "/deployments/{deployment}", get_deployment),
]
