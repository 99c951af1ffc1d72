"""Requests to one Cloudflare account."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

from reconciler.errors import ProviderError
from reconciler.ports import Clock
from reconciler.providers.http.client import Api
from reconciler.providers.http.response import ResponseReader, read_object

_NO_WORKER = frozenset({"10007", "10090"})


class CloudflareClient:
    """What the parts of the port `Cloudflare` share."""

    def __init__(self, api: Api, account: str, clock: Clock) -> None:
        self._api = api
        self._account = f"/accounts/{quote(account, safe='')}"
        self._clock = clock
        self._bound: dict[str, tuple[str, ...]] = {}
        self._newest: dict[str, ResponseReader] = {}

    async def scripts(self) -> tuple[str, ...]:
        """Return the names of all Workers (Workers API, "List Workers": all on one page)."""
        listed = (await self._get(f"{self._account}/workers/scripts")).any("result")
        return tuple(item.text("id") for item in listed)

    async def _version(self, script: str, version: str) -> ResponseReader:
        return (await self._get(f"{self._script(script)}/versions/{version}")).part("result")

    async def _result(self, script: str, path: str) -> ResponseReader:
        """Read something of a Worker, which is empty where there is no such Worker."""
        try:
            return (await self._get(f"{self._script(script)}/{path}")).section("result")
        except ProviderError as error:
            if error.code in _NO_WORKER:
                return read_object("Cloudflare", {})
            raise

    async def _get(self, path: str, **query: str | int | bool) -> ResponseReader:
        return read_object("Cloudflare", await self._api.get(path, **query))

    def _script(self, name: str) -> str:
        # The name comes from a wrangler.jsonc, and must not point to another path.
        return f"{self._account}/workers/scripts/{quote(name, safe='')}"


@contextmanager
def ignoring_absence() -> Iterator[None]:
    """Ignore that what is to be deleted does not exist."""
    try:
        yield
    except ProviderError as error:
        if error.status != 404:
            raise
