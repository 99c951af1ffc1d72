"""Cloudflare, by its API v4: Hyperdrive configs, and the versions and deployments of Workers.

What is live is the first deployment of the list, read version by version (`S/settings` is ambiguous while traffic is
split). A version pins the id of its Hyperdrive config, so a switch and its undo are one deployment each; where a file
asks for it, it is the config that is led elsewhere instead, with everything that is bound to it.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

from reconciler.core.model.hyperdrive import NOTHING, Settings
from reconciler.core.model.observed import DeployedVersion, HyperdriveConfig, UploadedVersion, Use
from reconciler.errors import AnswerLost, ProviderError
from reconciler.ports import Clock, Origin, Rebinding
from reconciler.providers.cloudflare.modules import copied_worker, modules
from reconciler.providers.cloudflare.wire import config as read_config
from reconciler.providers.cloudflare.wire import origin_body, settings_body
from reconciler.providers.http.client import Api
from reconciler.providers.http.response import Told, told

_NAME_TAKEN = "2017"
_CONFIG_UNKNOWN = "10157"
_CANNOT_CONNECT = "2015"
_NO_WORKER = frozenset({"10007", "10090"})
_PAGE = 50
# A deployment has one version or two, and only the newest hundred can be deployed.
_MOST_VERSIONS = 10
_MOST_UPLOADS = 100
# Workers Paid has 500 (Workers documentation, Limits); each takes a request, of 1,200 in five minutes.
_MOST_SCRIPTS = 500
# A config that was just made may be unknown to uploads for some seconds.
_FRESH_TRIES = 10
_FRESH_PAUSE_SECONDS = 2.0
# How long an answer may be older than an earlier one before it is an error; Neon's lists lag behind for as long.
_LAGGING_SECONDS = 30.0


class CloudflareApi:
    """The port `Cloudflare` over HTTP."""

    def __init__(self, api: Api, account: str, clock: Clock) -> None:
        self._api = api
        self._account = f"/accounts/{quote(account, safe='')}"
        self._clock = clock
        self._newest: dict[str, Told] = {}
        self._bound: dict[str, tuple[str, ...]] = {}

    async def configs(self) -> tuple[HyperdriveConfig, ...]:
        """Read every Hyperdrive config of the account, page by page."""
        found: dict[str, HyperdriveConfig] = {}
        page = 1
        while True:
            body = await self._get(f"{self._account}/hyperdrive/configs", page=page, per_page=_PAGE)
            known, items = len(found), body.any("result")
            found |= {item.id("id"): read_config(item) for item in items}
            pages = body.maybe("result_info")
            total = pages.maybe_number("total_count") if pages else None
            # Where it is not said how many there are, the end is a page that brings nothing new.
            if not items or (len(found) >= total if total is not None else len(found) == known):
                return tuple(found.values())
            if len(found) == known:
                raise ProviderError("Cloudflare: the list of the Hyperdrive configs does not end")
            page += 1

    async def create_config(self, name: str, origin: Origin, settings: Settings = NOTHING) -> None:
        """Create a config. Cloudflare logs in to the origin before it saves, which wakes a sleeping compute."""
        body = {"name": name, "origin": origin_body(origin), **settings_body(settings)}
        await self._save("POST", "", body)

    async def repoint_config(self, config: str, origin: Origin) -> None:
        """Lead a config elsewhere. Cloudflare logs in there before it saves, and goes on using the connections it has.

        A PATCH does not merge the network part of an origin, and keeps what is not given, such as the cache's settings.
        """
        await self._save("PATCH", f"/{config}", {"origin": origin_body(origin)})

    async def update_config(self, config: str, settings: Settings) -> None:
        """Set what is given, each part whole: a PATCH merges it into what there is."""
        await self._save("PATCH", f"/{config}", settings_body(settings))

    async def delete_config(self, config: str) -> None:
        """Delete a config. Cloudflare does so also where a Worker is bound to it: whoever asks has looked before."""
        try:
            await self._api.send("DELETE", f"{self._account}/hyperdrive/configs/{config}")
        except ProviderError as error:
            if error.status != 404:
                raise

    async def uses(self) -> tuple[Use, ...]:
        """Read what every Worker of the account is bound to, in each version of its live deployment.

        Source: Workers API, "List Workers" (`GET A/workers/scripts`), which gives all of them on one page. One that is
        listed and then not found is a ProviderError: it may be deployed.
        """
        listed = (await self._get(f"{self._account}/workers/scripts")).any("result")
        found: list[Use] = []
        for script in [item.text("id") for item in listed]:
            result = (await self._get(f"{self._script(script)}/deployments")).maybe("result")
            deployments = result.any("deployments") if result else []
            for item in deployments[0].each("versions") if deployments else []:
                bindings = _bindings(await self._version(script, item.id("version_id")))
                found += [Use(script, each.id("id")) for each in bindings if each.text("type") == "hyperdrive"]
        return tuple(dict.fromkeys(found))

    async def restart_pool(self, config: str) -> None:
        """Restart the pool (Hyperdrive API, "Restart"): connections are drained, and queries in flight may fail."""
        await self._api.send("POST", f"{self._account}/hyperdrive/configs/{config}/restart")

    async def _save(self, method: str, which: str, body: dict[str, Any]) -> None:
        """Save a config, with one more try where Cloudflare could not connect to the origin.

        That was seen once right after a change of infrastructure, and was gone 45 s later.
        """
        try:
            await self._send_config(method, which, body)
        except ProviderError as error:
            if error.code != _CANNOT_CONNECT:
                raise
            await self._clock.sleep(45.0)
            await self._send_config(method, which, body)

    async def _send_config(self, method: str, which: str, body: dict[str, Any]) -> None:
        try:
            await self._api.send(method, f"{self._account}/hyperdrive/configs{which}", json=body)
        except ProviderError as error:
            if error.code == _NAME_TAKEN:
                raise AnswerLost(error.message, code=error.code, hint="a config of that name exists: look") from error
            raise

    async def deployed(self, script: str, binding: str) -> tuple[DeployedVersion, ...]:
        """Read the live deployment; empty where the Worker does not exist or was never deployed.

        An old answer could look like users who were put back already. So none counts that is older than an earlier one:
        it is asked again, and is a ProviderError where that does not change.
        """
        begun, pause = self._clock.elapsed(), 0.2
        deployments = await self._deployments(script)
        while self._is_outdated(script, deployments):
            if self._clock.elapsed() - begun > _LAGGING_SECONDS:
                raise ProviderError(
                    f"Cloudflare: answers an older deployment of {script} than it did before, for "
                    f"{_LAGGING_SECONDS:.0f} s now, so it can't be told what users reach",
                    hint="run the same command again: it goes on from what it finds",
                )
            await self._clock.sleep(pause)
            pause = min(pause * 1.5, 5.0)
            deployments = await self._deployments(script)
        if deployments:
            self._newest[script] = deployments[0]
        versions = deployments[0].each("versions") if deployments else []
        if len(versions) > _MOST_VERSIONS:
            raise ProviderError(f"Cloudflare: {script} is deployed in {len(versions):,} versions at once")
        return tuple([await self._deployed_version(script, item, binding) for item in versions])

    async def _deployments(self, script: str) -> list[Told]:
        """List the deployments, newest first, ten at most."""
        try:
            body = await self._get(f"{self._script(script)}/deployments")
        except ProviderError as error:
            if error.code in _NO_WORKER:
                return []
            raise
        result = body.maybe("result")
        return result.any("deployments") if result else []

    def _is_outdated(self, script: str, deployments: list[Told]) -> bool:
        """Tell whether the newest one that was seen before is missing, and nothing newer has taken its place."""
        newest = self._newest.get(script)
        if newest is None or not deployments:
            return False
        before, now = newest.maybe_moment("created_on"), deployments[0].maybe_moment("created_on")
        is_newer = before is not None and now is not None and now > before
        return not is_newer and newest.maybe_text("id") not in [each.maybe_text("id") for each in deployments]

    async def _deployed_version(self, script: str, item: Told, binding: str) -> DeployedVersion:
        identity = item.id("version_id")
        version = await self._version(script, identity)
        return DeployedVersion(identity, item.share("percentage"), _hyperdrive_id(version, binding))

    async def uploaded(self, script: str, binding: str, purpose: str) -> tuple[UploadedVersion, ...]:
        """Read the recent versions whose label begins with `purpose`, newest first."""
        result = (await self._get(f"{self._script(script)}/versions")).maybe("result")
        found = []
        for item in (result.any("items") if result else [])[:_MOST_UPLOADS]:
            annotations = item.maybe("annotations")
            label = annotations.maybe_text("workers/message") if annotations else ""
            if label.startswith(purpose):
                version = await self._version(script, item.id("id"))
                found.append(UploadedVersion(item.id("id"), label, _hyperdrive_id(version, binding)))
        return tuple(found)

    async def bound(self, config: str) -> tuple[str, ...]:
        """Name the Workers whose live version is bound to a config, of every Worker of the account.

        Of one whose traffic is split, `S/settings` tells the bindings of one version, which is enough to name it.
        """
        if config not in self._bound:
            scripts = [item.text("id") for item in (await self._get(f"{self._account}/workers/scripts")).any("result")]
            if len(scripts) > _MOST_SCRIPTS:
                raise ProviderError(
                    f"Cloudflare: the account has {len(scripts):,} Workers, and what more than {_MOST_SCRIPTS} of them "
                    "are bound to is not asked",
                    hint='set hyperdrive.strategy to "rebind", which moves nobody else',
                )
            found = [name for name in scripts if config in await self._hyperdrives(name)]
            self._bound[config] = tuple(sorted(found))
        return self._bound[config]

    async def _hyperdrives(self, script: str) -> list[str]:
        """List the ids of the configs that a Worker is bound to; none where it is gone by now."""
        try:
            result = (await self._get(f"{self._script(script)}/settings")).maybe("result")
        except ProviderError as error:
            if error.code in _NO_WORKER:
                return []
            raise
        bindings = result.any("bindings") if result else []
        return [each.maybe_text("id") for each in bindings if each.maybe_text("type") == "hyperdrive"]

    async def copy_version(self, script: str, version: str, change: Rebinding) -> None:
        """Upload a version again with one binding changed: its modules as they are, every other binding inherited.

        The official command `wrangler versions secret put` makes its copies in the same way. Bindings are inherited
        from that very version, as "latest" could be one that never served.
        """
        described = await self._version(script, version)
        content = await self._api.send("GET", f"{self._script(script)}/content/v2", params={"version": version})
        files = modules(content)
        if not files:
            raise ProviderError(f"Cloudflare answered no module of version {version} of {script}")
        main = content.headers.get("cf-entrypoint") or next(iter(files))
        entry = "main_module" if "cf-entrypoint" in content.headers else "body_part"
        settings = (await self._get(f"{self._script(script)}/script-settings")).maybe("result")
        metadata = {entry: main, **_metadata(described, settings.value if settings else {}, version, change)}
        parts: list[tuple[str, tuple[str | None, bytes, str]]] = [
            ("metadata", (None, json.dumps(metadata).encode(), "application/json")),
            *((name, (name, data, kind)) for name, (data, kind) in files.items()),
        ]
        await self._upload(script, parts)

    async def _upload(self, script: str, parts: list[tuple[str, tuple[str | None, bytes, str]]]) -> None:
        for tries in range(1, _FRESH_TRIES + 1):
            try:
                await self._api.send(
                    "POST",
                    f"{self._script(script)}/versions",
                    files=parts,
                    params={"bindings_inherit": "strict"},
                )
            except ProviderError as error:
                if error.code != _CONFIG_UNKNOWN or tries == _FRESH_TRIES:
                    raise
                await self._clock.sleep(_FRESH_PAUSE_SECONDS)
            else:
                return

    async def scripts(self) -> tuple[str, ...]:
        """Name every Worker of the account (Workers API, "List Workers": all on one page)."""
        return tuple(item.text("id") for item in (await self._get(f"{self._account}/workers/scripts")).any("result"))

    async def copy_worker(self, script: str, version: str, name: str, change: Rebinding) -> tuple[str, ...]:
        """Make a Worker of a version of another one: its modules as they are, and of its bindings the harmless ones.

        An upload by PUT is live at once (Workers API, "Upload Worker Module"). Its address is then switched on, as
        wrangler does.
        """
        described = await self._version(script, version)
        content = await self._api.send("GET", f"{self._script(script)}/content/v2", params={"version": version})
        metadata, parts, left_out = copied_worker(described, content, change)
        files = [("metadata", (None, json.dumps(metadata).encode(), "application/json")), *parts]
        await self._api.send("PUT", self._script(name), files=files)
        await self._api.send("POST", f"{self._script(name)}/subdomain", json={"enabled": True})
        return left_out

    async def worker_address(self, script: str) -> str:
        """Return the address on workers.dev (Workers documentation, workers.dev)."""
        body = (await self._get(f"{self._account}/workers/subdomain")).part("result")
        return f"https://{script}.{body.text('subdomain')}.workers.dev"

    async def delete_worker(self, script: str) -> None:
        """Delete a Worker with all its versions."""
        try:
            await self._api.send("DELETE", self._script(script), params={"force": True})
        except ProviderError as error:
            if error.status != 404:
                raise

    async def deploy(self, script: str, shares: Sequence[tuple[str, int]], message: str) -> None:
        """Deploy versions with their percentages. There is no precondition: the caller reads back who won."""
        body = {
            "strategy": "percentage",
            "versions": [{"version_id": version, "percentage": share} for version, share in shares],
            "annotations": {"workers/message": message},
        }
        await self._api.send("POST", f"{self._script(script)}/deployments", json=body)

    async def _version(self, script: str, version: str) -> Told:
        return (await self._get(f"{self._script(script)}/versions/{version}")).part("result")

    async def _get(self, path: str, **query: str | int | bool) -> Told:
        return told("Cloudflare", await self._api.get(path, **query))

    def _script(self, name: str) -> str:
        # The name is whatever a wrangler.jsonc says, and must not lead to another path.
        return f"{self._account}/workers/scripts/{quote(name, safe='')}"


def explain(body: Any) -> tuple[str, str]:
    """Find code and message of the first error in Cloudflare's envelope."""
    first = body["errors"][0]
    return str(first["code"]), str(first["message"])


def _bindings(version: Told) -> list[Told]:
    resources = version.maybe("resources")
    return resources.any("bindings") if resources else []


def _hyperdrive_id(version: Told, binding: str) -> str | None:
    ours = (
        each for each in _bindings(version) if each.text("type") == "hyperdrive" and each.maybe_text("name") == binding
    )
    return next((each.id("id") for each in ours), None)


def _metadata(described: Told, settings: dict[str, Any], version: str, change: Rebinding) -> dict[str, Any]:
    nothing = told("Cloudflare", {})
    resources = described.maybe("resources") or nothing
    runtime = (resources.maybe("script_runtime") or nothing).value
    smart = (resources.maybe("script") or nothing).maybe_text("placement_mode") == "smart"
    optional = {
        "compatibility_date": runtime.get("compatibility_date"),
        "compatibility_flags": runtime.get("compatibility_flags"),
        "placement": {"mode": "smart"} if smart else None,
        "limits": runtime.get("limits") or None,
        "logpush": settings.get("logpush"),
        "tail_consumers": settings.get("tail_consumers"),
        "observability": settings.get("observability"),
    }
    return {
        "bindings": list(_rebound(_bindings(described), version, change)),
        "keep_assets": True,
        "annotations": {"workers/message": change.label, "workers/tag": change.tag},
        **{key: value for key, value in optional.items() if value is not None},
    }


def _rebound(bindings: list[Told], version: str, change: Rebinding) -> Iterable[dict[str, Any]]:
    for binding in bindings:
        name = binding.text("name")
        if name != change.binding:
            yield {"name": name, "type": "inherit", "version_id": version}
    yield {"name": change.binding, "type": "hyperdrive", "id": change.hyperdrive_id}
