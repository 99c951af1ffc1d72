"""The Workers of a Cloudflare account: versions and deployments.

What is live is the first deployment of the list, read version by version (`S/settings` is ambiguous while traffic is
split). A version pins the id of its Hyperdrive config, so a switch and its undo are one deployment each.
"""

from collections.abc import Sequence

from reconciler.core.model.observed import DeployedVersion, UploadedVersion
from reconciler.errors import ProviderError
from reconciler.ports import Rebinding
from reconciler.providers.cloudflare import uploads, wire
from reconciler.providers.cloudflare.client import CloudflareClient, ignoring_absence
from reconciler.providers.http.response import ResponseReader

_CONFIG_UNKNOWN = "10157"
# A deployment has one version or two, and only the newest hundred versions can be deployed.
_MOST_VERSIONS = 10
_MOST_UPLOADS = 100
# A new config may be unknown to uploads for some seconds.
_FRESH_TRIES = 10
_FRESH_PAUSE_SECONDS = 2.0
# How long a response may be older than an earlier one before it is an error. Neon's lists lag for as long.
_LAGGING_SECONDS = 30.0


class Workers(CloudflareClient):
    """The port `Workers`."""

    async def deployed(self, script: str, binding: str) -> tuple[DeployedVersion, ...]:
        """Read the live deployment; empty where the Worker does not exist or was never deployed.

        An outdated response could look as if users had been switched back. So a response that is older than an
        earlier one is read again, and raises ProviderError if it stays so.
        """
        begun, pause = self._clock.elapsed(), 0.2
        deployments = await self._deployments(script)
        while self._is_outdated(script, deployments):
            if self._clock.elapsed() - begun > _LAGGING_SECONDS:
                raise ProviderError(
                    f"Cloudflare: has shown an older deployment of {script} than before for {_LAGGING_SECONDS:.0f} s, "
                    "so it is unknown what users reach",
                    hint="run the same command again: it continues from what it finds",
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

    async def _deployments(self, script: str) -> list[ResponseReader]:
        """Return the deployments, newest first, ten at most."""
        return (await self._result(script, "deployments")).any("deployments")

    def _is_outdated(self, script: str, deployments: list[ResponseReader]) -> bool:
        """Whether the newest known deployment is missing, and no newer one is there instead."""
        newest = self._newest.get(script)
        if newest is None or not deployments:
            return False
        before, now = newest.maybe_moment("created_on"), deployments[0].maybe_moment("created_on")
        is_newer = before is not None and now is not None and now > before
        return not is_newer and newest.maybe_text("id") not in [each.maybe_text("id") for each in deployments]

    async def _deployed_version(self, script: str, item: ResponseReader, binding: str) -> DeployedVersion:
        identity = item.id("version_id")
        version = await self._version(script, identity)
        return DeployedVersion(identity, item.share("percentage"), wire.hyperdrive_id(version, binding))

    async def uploaded(self, script: str, binding: str, purpose: str) -> tuple[UploadedVersion, ...]:
        """Read the recent versions whose label begins with `purpose`, newest first."""
        result = (await self._get(f"{self._script(script)}/versions")).section("result")
        found = []
        for item in result.any("items")[:_MOST_UPLOADS]:
            label = item.section("annotations").maybe_text("workers/message")
            if label.startswith(purpose):
                version = await self._version(script, item.id("id"))
                found.append(UploadedVersion(item.id("id"), label, wire.hyperdrive_id(version, binding)))
        return tuple(found)

    async def copy_version(self, script: str, version: str, change: Rebinding) -> None:
        """Upload a version again with one binding changed. Modules stay as they are, other bindings are inherited.

        The official command `wrangler versions secret put` copies versions in the same way. Bindings are inherited
        from that very version: "latest" could be one that never served.
        """
        described, content = await self._content(script, version)
        settings = (await self._get(f"{self._script(script)}/script-settings")).section("result")
        parts = uploads.parts(content, uploads.rebound(described, settings.value, version, change))
        for tries in range(1, _FRESH_TRIES + 1):
            try:
                path, inherit = f"{self._script(script)}/versions", {"bindings_inherit": "strict"}
                await self._api.send("POST", path, files=parts, params=inherit)
            except ProviderError as error:
                if error.code != _CONFIG_UNKNOWN or tries == _FRESH_TRIES:
                    raise
                await self._clock.sleep(_FRESH_PAUSE_SECONDS)
            else:
                return

    async def deploy(self, script: str, shares: Sequence[tuple[str, int]], message: str) -> None:
        """Deploy versions with their percentages. There is no precondition: the caller reads back which one won."""
        body = {
            "strategy": "percentage",
            "versions": [{"version_id": version, "percentage": share} for version, share in shares],
            "annotations": {"workers/message": message},
        }
        await self._api.send("POST", f"{self._script(script)}/deployments", json=body)

    async def copy_worker(self, script: str, version: str, name: str, change: Rebinding) -> tuple[str, ...]:
        """Create a Worker from a version of another: its modules, and only bindings that can't reach production.

        An upload by PUT is live at once (Workers API, "Upload Worker Module"). Then its address on workers.dev is
        enabled, as wrangler does.
        """
        described, content = await self._content(script, version)
        metadata, left_out = uploads.isolated(described, change)
        await self._api.send("PUT", self._script(name), files=uploads.parts(content, metadata))
        await self._api.send("POST", f"{self._script(name)}/subdomain", json={"enabled": True})
        return left_out

    async def _content(self, script: str, version: str) -> tuple[ResponseReader, uploads.Content]:
        described = await self._version(script, version)
        answer = await self._api.send("GET", f"{self._script(script)}/content/v2", params={"version": version})
        return described, uploads.content_of(answer, f"version {version} of {script}")

    async def worker_address(self, script: str) -> str:
        """Return the address on workers.dev (Workers documentation, workers.dev)."""
        body = (await self._get(f"{self._account}/workers/subdomain")).part("result")
        return f"https://{script}.{body.text('subdomain')}.workers.dev"

    async def delete_worker(self, script: str) -> None:
        """Delete a Worker with all its versions."""
        with ignoring_absence():
            await self._api.send("DELETE", self._script(script), params={"force": True})
