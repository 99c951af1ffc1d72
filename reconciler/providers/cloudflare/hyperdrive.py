"""The Hyperdrive configs of a Cloudflare account, and which Workers use them."""

from typing import Any

from reconciler.core.model.hyperdrive import NOTHING, Settings
from reconciler.core.model.observed import HyperdriveConfig, Use
from reconciler.errors import AnswerLost, ProviderError
from reconciler.ports import Origin
from reconciler.providers.cloudflare import wire
from reconciler.providers.cloudflare.client import CloudflareClient, ignoring_absence

_NAME_TAKEN = "2017"
_CANNOT_CONNECT = "2015"
_CANNOT_CONNECT_SECONDS = 45.0
_PAGE = 50
# Workers Paid has 500 (Workers documentation, Limits). Each takes one request, of 1,200 in five minutes.
_MOST_SCRIPTS = 500


class HyperdriveConfigs(CloudflareClient):
    """The port `HyperdriveConfigs`."""

    async def configs(self) -> tuple[HyperdriveConfig, ...]:
        """Read every Hyperdrive config of the account, page by page."""
        found: dict[str, HyperdriveConfig] = {}
        page = 1
        while True:
            body = await self._get(self._config(""), page=page, per_page=_PAGE)
            known, items = len(found), body.any("result")
            found |= {item.id("id"): wire.config(item) for item in items}
            total = body.section("result_info").maybe_number("total_count")
            # Without a total, the list ends with a page that has nothing new.
            if not items or (len(found) >= total if total is not None else len(found) == known):
                return tuple(found.values())
            if len(found) == known:
                raise ProviderError("Cloudflare: the list of the Hyperdrive configs does not end")
            page += 1

    async def create_config(self, name: str, origin: Origin, settings: Settings = NOTHING) -> None:
        """Create a config. Cloudflare logs in to the origin before it saves, which wakes a suspended compute."""
        body = {"name": name, "origin": wire.origin_body(origin), **wire.settings_body(settings)}
        await self._save("POST", "", body)

    async def repoint_config(self, config: str, origin: Origin) -> None:
        """Point a config to another origin. Cloudflare logs in there before it saves, and keeps open connections.

        A PATCH does not merge the network part of an origin. It keeps what is not given, such as the cache's settings.
        """
        await self._save("PATCH", f"/{config}", {"origin": wire.origin_body(origin)})

    async def update_config(self, config: str, settings: Settings) -> None:
        """Change the given settings, each as a whole: a PATCH keeps the others."""
        await self._save("PATCH", f"/{config}", wire.settings_body(settings))

    async def restart_pool(self, config: str) -> None:
        """Restart the pool (Hyperdrive API, "Restart"): connections are drained, and queries in flight may fail."""
        await self._api.send("POST", self._config(f"/{config}/restart"))

    async def delete_config(self, config: str) -> None:
        """Delete a config. Cloudflare does so even while a Worker is bound to it: the caller has checked before."""
        with ignoring_absence():
            await self._api.send("DELETE", self._config(f"/{config}"))

    async def bound(self, config: str) -> tuple[str, ...]:
        """Return the Workers whose live version is bound to a config, of all Workers of the account.

        While traffic is split, `S/settings` shows the bindings of one version, which is enough to name the Worker.
        """
        if config not in self._bound:
            scripts = await self.scripts()
            if len(scripts) > _MOST_SCRIPTS:
                raise ProviderError(
                    f"Cloudflare: the account has {len(scripts):,} Workers, and what more than {_MOST_SCRIPTS} of them "
                    "are bound to is not read",
                    hint='set hyperdrive.strategy to "rebind", which moves no other Worker',
                )
            found = [name for name in scripts if config in await self._hyperdrives(name)]
            self._bound[config] = tuple(sorted(found))
        return self._bound[config]

    async def _hyperdrives(self, script: str) -> list[str]:
        """Return the ids of the configs that a Worker is bound to; none where it no longer exists."""
        bindings = (await self._result(script, "settings")).any("bindings")
        return [each.maybe_text("id") for each in bindings if each.maybe_text("type") == "hyperdrive"]

    async def uses(self) -> tuple[Use, ...]:
        """Read the bindings of every Worker of the account, in each version of its live deployment.

        A Worker that is listed and then not found raises ProviderError: it may be deployed.
        """
        found: list[Use] = []
        for script in await self.scripts():
            result = (await self._get(f"{self._script(script)}/deployments")).section("result")
            for deployment in result.any("deployments")[:1]:
                for item in deployment.each("versions"):
                    version = await self._version(script, item.id("version_id"))
                    found += [Use(script, each.id("id")) for each in wire.hyperdrive_bindings(version)]
        return tuple(dict.fromkeys(found))

    async def _save(self, method: str, path: str, body: dict[str, Any]) -> None:
        """Save a config. Retry once where Cloudflare could not connect to the origin.

        That was seen once right after a change of infrastructure, and was gone 45 s later.
        """
        for is_last in (False, True):
            try:
                await self._api.send(method, self._config(path), json=body)
            except ProviderError as error:
                if error.code == _NAME_TAKEN:
                    hint = "a config of that name exists: look"
                    raise AnswerLost(error.message, code=error.code, hint=hint) from error
                if error.code != _CANNOT_CONNECT or is_last:
                    raise
                await self._clock.sleep(_CANNOT_CONNECT_SECONDS)
            else:
                return

    def _config(self, path: str) -> str:
        return f"{self._account}/hyperdrive/configs{path}"
