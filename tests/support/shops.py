"""Neon projects with a history: few rows, then more, then an accident. Made ahead, as a moment needs some age."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from tests.support import database
from tests.support.waiting import eventually

ROLE, DATABASE, PRIMARY = "app", "tech961", "main"
# By the time that so many are made, the first is old enough.
_BATCH, _THREADS = 10, 4


@dataclass(frozen=True)
class Shop:
    """A Neon project. `early` is the moment of `database.EARLY`, `good` that of `database.GOOD`."""

    project: str
    early: datetime
    good: datetime


class Shops:
    """Gives out shops that nobody else has."""

    def __init__(self, sandbox):
        self._sandbox = sandbox
        self._ready = []

    def take(self):
        """Return a shop whose moments are old enough to be asked for."""
        if not self._ready:
            with ThreadPoolExecutor(_THREADS) as threads:
                self._ready = list(threads.map(lambda _: self._make(), range(_BATCH)))
        shop = self._ready.pop(0)
        database.settle(shop.good)
        return shop

    def _make(self):
        wanted = {"name": "shop", "branch": {"role_name": ROLE, "database_name": DATABASE}}
        made = self._sandbox.neon("POST", "/projects", json={"project": wanted})
        project = made["project"]["id"]
        eventually(lambda: self._sandbox.is_idle(project), f"project {project}", pause=0.05)
        uri = made["connection_uris"][0]["connection_uri"]
        database.fill(uri)
        early = database.moment(uri)
        database.add_listings(uri, database.GOOD.listings - database.EARLY.listings)
        database.add_clicks(uri, database.GOOD.clicks - database.EARLY.clicks)
        good = database.moment(uri)
        database.damage(uri)
        return Shop(project, early, good)
