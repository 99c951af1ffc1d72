"""Hyperdrive configs on the wire: what is left out has a meaning, and what was not asked for is not sent."""

import pytest

from reconciler.core.model.hyperdrive import CACHING_OFF, CACHING_ON, NO_CERTIFICATES, NOTHING, Caching, Mtls, Settings
from reconciler.core.values.instant import Instant
from reconciler.core.values.secret import Secret
from reconciler.errors import ProviderError
from reconciler.ports import Origin
from reconciler.providers import cloudflare
from reconciler.providers.clock import SystemClock
from reconciler.providers.cloudflare import CloudflareApi
from reconciler.providers.cloudflare import wire as hyperdrive_wire
from reconciler.providers.http.client import Api
from reconciler.providers.http.response import read_object
from tests.support.answers import Answers, Reply

BARE = {"id": "1", "name": "tech961", "origin": {"host": "h", "database": "d", "user": "u", "scheme": "postgres"}}


def read(**fields):
    return hyperdrive_wire.config(read_object("Cloudflare", BARE | fields))


@pytest.mark.parametrize("fields", [{}, {"caching": None, "mtls": None}, {"caching": {"disabled": False}, "mtls": {}}])
def test_absent_null_and_empty_mean_default(fields):
    found = read(**fields)
    assert (CACHING_ON, NO_CERTIFICATES, None) == (found.caching, found.mtls, found.connection_limit)
    assert (None, None) == (found.modified_at, found.restarted_at)


def test_given_values_are_read():
    found = read(
        caching={"disabled": False, "max_age": 5, "stale_while_revalidate": 0},
        mtls={"ca_certificate_id": "ca", "sslmode": "verify-ca"},
        origin_connection_limit=60,
        modified_on="2026-11-21T10:00:00.123456Z",
    )
    assert Settings(Caching(False, 5, 0), 60, Mtls("ca", "", "verify-ca")) == found.settings
    assert Instant.parse_strict("2026-11-21T10:00:00.123Z") == found.modified_at
    assert CACHING_OFF == read(caching={"disabled": True, "max_age": 5}).caching


@pytest.mark.parametrize(
    ("settings", "body"),
    [
        (NOTHING, {}),
        (Settings(CACHING_OFF), {"caching": {"disabled": True}}),
        (
            Settings(Caching(max_age=5)),
            {"caching": {"disabled": False, "max_age": 5, "stale_while_revalidate": 15}},
        ),
        (Settings(connection_limit=5), {"origin_connection_limit": 5}),
        (Settings(mtls=Mtls(sslmode="require")), {"mtls": {"sslmode": "require"}}),
    ],
)
def test_only_what_is_given_is_sent(settings, body):
    assert body == hyperdrive_wire.settings_body(settings)


def test_an_origin_is_sent_whole():
    body = hyperdrive_wire.origin_body(Origin("h", 5432, "d", "r", Secret("p")))
    assert {"host": "h", "port": 5432, "database": "d", "user": "r", "password": "p", "scheme": "postgres"} == body


class _Account:
    """An account whose Workers are bound to so many configs each; `gone` ones are 404."""

    def __init__(self, bindings, gone=()):
        self.bindings, self.gone, self.asked = bindings, gone, []

    def reply(self, _method, path):
        self.asked.append(path)
        if path.endswith("/scripts"):
            return Reply(200, {"result": [{"id": name} for name in (*self.bindings, *self.gone)]})
        name = path.split("/")[-2]
        if name in self.gone:
            return Reply(404, {"errors": [{"code": 10007, "message": "no such Worker"}]})
        if name == "locked":
            return Reply(403, {"errors": [{"code": 9109, "message": "not yours"}]})
        bound = [{"type": "hyperdrive", "name": "DB", "id": each} for each in self.bindings[name]]
        return Reply(200, {"result": {"bindings": [{"type": "plain_text", "name": "X", "text": "c1"}, *bound]}})


@pytest.fixture
async def bound():
    """Ask an account twice who is bound to c1."""
    server = Answers()
    opened = []

    async def ask(account):
        server.reply = account.reply
        opened.append(Api(cloudflare.POLICY, server.url, Secret("canary-of-a-token")))
        api = CloudflareApi(opened[-1], "a1", SystemClock())
        found = await api.bound("c1")
        assert found == await api.bound("c1")
        return found

    yield ask
    for each in opened:
        await each.close()
    server.close()


@pytest.mark.anyio
async def test_every_bound_worker_is_named(bound):
    account = _Account({"web": ["c1", "c2"], "cron": ["c2"], "api": ["c1"], "blog": []}, gone=("old",))
    assert ("api", "web") == await bound(account)
    assert 6 == len(account.asked)


@pytest.mark.anyio
async def test_unreadable_or_too_many_workers_are_unknown(bound, without_waiting):
    with pytest.raises(ProviderError, match="not yours"):
        await bound(_Account({"locked": []}))
    with pytest.raises(ProviderError, match="501 Workers"):
        await bound(_Account({f"w{n}": [] for n in range(501)}))
