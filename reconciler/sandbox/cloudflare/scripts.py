"""Workers: the first upload, settings, and the paths of different generations of wrangler.

Older versions of wrangler read `services/{name}` and `scripts/{name}/subdomain`, newer ones `workers/{name}`. An absent
Worker must be 404 with code 10007 (10090 for services), or wrangler stops instead of creating it.
"""

import uuid

from aiohttp import web

from reconciler.sandbox.cloudflare.answers import ApiError, Route, json_body, success
from reconciler.sandbox.cloudflare.state import Deployment, Json, Script, State, new_id, now, wire_time
from reconciler.sandbox.cloudflare.uploads import make_version, read_upload, secrets_of, shown

SCRIPT = "/accounts/{account}/workers/scripts/{script}"


def find_script(request: web.Request, state: State) -> Script:
    """Find the Worker of the path. Raises ApiError if there is none."""
    script = state.scripts.get(request.match_info["script"])
    if script is None:
        raise ApiError(404, 10007, "This Worker does not exist on your account.")
    return script


async def put_script(request: web.Request, state: State) -> web.Response:
    """`PUT S`: a version and a deployment of it at 100 %. Its `deployment_id` is the id of the version."""
    upload = await read_upload(request)
    name, moment = request.match_info["script"], now()
    script = state.scripts.get(name) or Script(name, new_id(), moment, moment)
    version = make_version(state, script, upload)
    state.scripts[name] = script
    script.versions.append(version)
    script.modified_on = moment
    deploy_upload(script)
    if "tags" in upload.metadata:
        script.settings["tags"] = upload.metadata["tags"] or []
    return success(_script_as_wire(script) | {"tags": None, "deployment_id": version.id.replace("-", "")})


def deploy_upload(script: Script) -> None:
    """Deploy the latest version at 100 %, as an upload by PUT does."""
    version = script.versions[-1]
    message = {"workers/message": "Automatic deployment on upload.", "workers/triggered_by": "upload"}
    split = ((version.id, 100.0),)
    script.deployments.insert(0, Deployment(str(uuid.uuid4()), now(), version.source, message, split))


async def list_scripts(_request: web.Request, state: State) -> web.Response:
    """`GET A/workers/scripts`."""
    return success([_script_as_wire(script) for script in state.scripts.values()])


async def delete_script(request: web.Request, state: State) -> web.Response:
    """`DELETE S`."""
    del state.scripts[find_script(request, state).name]
    return success(None)


async def get_settings(request: web.Request, state: State) -> web.Response:
    """`GET S/settings`: of the first live version."""
    script = find_script(request, state)
    version = script.live
    result = {
        "placement": {},
        "compatibility_date": version.compatibility_date,
        "compatibility_flags": version.compatibility_flags,
        "usage_model": "standard",
        "tags": script.settings["tags"],
        "tail_consumers": script.settings["tail_consumers"] or [],
        "logpush": script.settings["logpush"],
        "annotations": version.annotations,
        "bindings": shown(version.bindings),
    }
    return success(result)


async def get_script_settings(request: web.Request, state: State) -> web.Response:
    """`GET S/script-settings`: what belongs to the Worker, not to a version."""
    return success(find_script(request, state).settings)


async def patch_script_settings(request: web.Request, state: State) -> web.Response:
    """`PATCH S/script-settings`."""
    script = find_script(request, state)
    body = await json_body(request)
    script.settings |= body | {"tags": body.get("tags", script.settings["tags"]) or []}
    return success(script.settings)


async def get_workers_dev(request: web.Request, state: State) -> web.Response:
    """`GET S/subdomain`: whether the Worker answers on workers.dev."""
    return success(find_script(request, state).workers_dev)


async def post_workers_dev(request: web.Request, state: State) -> web.Response:
    """`POST S/subdomain`."""
    script = find_script(request, state)
    script.workers_dev |= await json_body(request)
    return success(script.workers_dev)


async def get_worker(request: web.Request, state: State) -> web.Response:
    """`GET A/workers/workers/{name}`: the Worker, for newer versions of wrangler."""
    script = find_script(request, state)
    return success({"id": script.tag, "name": script.name, "subdomain": script.workers_dev})


async def get_service(request: web.Request, state: State) -> web.Response:
    """`GET A/workers/services/{name}`: the first request of wrangler."""
    script = state.scripts.get(request.match_info["script"])
    if script is None:
        raise ApiError(404, 10090, "workers.api.error.service_not_found")
    inner = _script_as_wire(script)
    return success({"id": script.name, "default_environment": {"environment": "production", "script": inner}})


async def list_secrets(request: web.Request, state: State) -> web.Response:
    """`GET S/secrets`: names and types, never values."""
    return success(shown(secrets_of(find_script(request, state).live)))


async def list_schedules(request: web.Request, state: State) -> web.Response:
    """`GET S/schedules`: there are none."""
    find_script(request, state)
    return success({"schedules": []})


def _script_as_wire(script: Script) -> Json:
    version = script.live
    return {
        "id": script.name,
        "tag": script.tag,
        "tags": script.settings["tags"],
        "created_on": wire_time(script.created_on),
        "modified_on": wire_time(script.modified_on),
        "etag": version.etag,
        "entry_point": version.main_module,
        "handlers": ["fetch"],
        "has_assets": False,
        "has_modules": True,
        "last_deployed_from": script.versions[-1].source,
        "compatibility_date": version.compatibility_date,
        "compatibility_flags": version.compatibility_flags,
        "usage_model": "standard",
        "logpush": script.settings["logpush"],
        "tail_consumers": script.settings["tail_consumers"],
        "startup_time_ms": 1,
    }


_WORKERS = "/accounts/{account}/workers"

ROUTES: list[Route] = [
    ("GET", _WORKERS + "/scripts", list_scripts),
    ("PUT", SCRIPT, put_script),
    ("DELETE", SCRIPT, delete_script),
    ("GET", SCRIPT + "/settings", get_settings),
    ("GET", SCRIPT + "/script-settings", get_script_settings),
    ("PATCH", SCRIPT + "/script-settings", patch_script_settings),
    ("GET", SCRIPT + "/subdomain", get_workers_dev),
    ("POST", SCRIPT + "/subdomain", post_workers_dev),
    ("GET", SCRIPT + "/secrets", list_secrets),
    ("GET", SCRIPT + "/schedules", list_schedules),
    ("GET", _WORKERS + "/workers/{script}", get_worker),
    ("GET", _WORKERS + "/services/{script}", get_service),
]
