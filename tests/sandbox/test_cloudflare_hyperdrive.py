"""Hyperdrive configs behave as the API describes, and creating one needs a database that answers."""

import copy
import json
import socket
import tempfile
from pathlib import Path

import pytest

from tests.sandbox.cloudflare_client import ACCOUNT, CONFIGS, serving
from tests.support.plain_postgres import PASSWORD, plain_server

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore::aiohttp.web.NotAppKeyWarning")]


@pytest.fixture
async def api():
    async with serving() as api:
        yield api


@pytest.fixture(scope="module")
def origin():
    """A PostgreSQL that asks for a password, as an origin."""
    with tempfile.TemporaryDirectory(prefix="origin-") as directory:
        place = Path(directory)
        place.chmod(0o755)
        with plain_server(place) as server:
            login = {"database": "postgres", "user": "postgres", "password": PASSWORD}
            yield {"scheme": "postgres", "host": "127.0.0.1", "port": server.port, **login}


async def create(api, origin, name="one", **fields):
    return await api.call("POST", CONFIGS, json={"name": name, "origin": origin, **fields})


async def path_of_new(api, origin, **fields):
    return f"{CONFIGS}/{(await create(api, origin, **fields))['id']}"


class TestCreating:
    async def test_a_config_has_no_secrets_and_no_defaults(self, api, origin):
        config = await create(api, origin, caching={"disabled": False, "max_age": 60})
        assert {
            "name": "one",
            "origin": {key: value for key, value in origin.items() if key != "password"},
            "caching": {"disabled": False},
            "mtls": {},
            "origin_connection_limit": 60,
        } == {key: value for key, value in config.items() if key not in {"id", "created_on", "modified_on"}}
        assert (32, config["created_on"]) == (len(config["id"]), config["modified_on"])
        assert config == await api.call("GET", f"{CONFIGS}/{config['id']}")

    async def test_the_body_may_be_plain_text(self, api, origin):
        headers = {"Content-Type": "text/plain;charset=UTF-8"}
        content = json.dumps({"name": "one", "origin": origin})
        assert "one" == (await api.call("POST", CONFIGS, content=content, headers=headers))["name"]

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"password": "wrong"}, 2013),
            ({"user": "nobody_here"}, 2013),
            ({"database": "missing"}, 2014),
            ({"port": 1}, 2011),
            ({"host": "10.1.2.3"}, 2009),
            ({"host": "169.254.1.1"}, 2009),
            ({"host": "does-not-exist.invalid"}, 2008),
            ({"scheme": "mysql"}, 2015),
        ],
    )
    async def test_an_unusable_origin_is_refused_with_its_code(self, api, origin, change, code):
        assert (400, code) == await api.refused("POST", CONFIGS, json={"name": "one", "origin": origin | change})
        assert [] == await api.call("GET", CONFIGS)

    async def test_a_silent_origin_is_unreachable(self, api, origin):
        api.switches.connection_timeout_s = 0.2
        with socket.create_server(("127.0.0.1", 0)) as silent:
            body = {"name": "one", "origin": origin | {"port": silent.getsockname()[1]}}
            assert (400, 2010) == await api.refused("POST", CONFIGS, json=body)

    async def test_names_below_localhost_are_loopback(self, api, origin):
        assert await create(api, origin | {"host": "ep-one.localhost"})

    @pytest.mark.parametrize(
        "change",
        [
            {"name": ""},
            {"name": None},
            {"origin": None},
            {"origin": {"password": ""}},
            {"origin": {"port": 0}},
            {"origin": {"port": "5432"}},
            {"origin": {"scheme": "http"}},
            {"origin": {"service_id": "x"}},
            {"caching": {"max_age": 0}},
            {"caching": {"disabled": "no"}},
            {"caching": []},
            {"origin_connection_limit": 4},
            {"origin_connection_limit": True},
        ],
    )
    async def test_an_invalid_config_is_refused_without_connecting(self, api, origin, change):
        private = origin | {"host": "10.1.2.3"}
        body = {"name": "one", "origin": private} | change
        if change.get("origin"):
            body["origin"] = private | change["origin"]
        assert (400, 2007) == await api.refused("POST", CONFIGS, json=body)

    @pytest.mark.parametrize("status", [409, 400])
    async def test_names_are_unique(self, api, origin, status):
        await create(api, origin)
        api.switches.name_taken_status = status
        assert (status, 2017) == await api.refused("POST", CONFIGS, json={"name": "one", "origin": origin})
        path = await path_of_new(api, origin, name="two")
        assert (status, 2017) == await api.refused("PATCH", path, json={"name": "one"})

    async def test_the_number_of_configs_is_limited(self, api, origin):
        api.switches.config_limit = 1
        await create(api, origin)
        assert "limit of 1 " in await api.refused_with("POST", CONFIGS, json={"name": "two", "origin": origin})

    async def test_an_origin_behind_access_is_not_tested(self, api, origin):
        database = {key: origin[key] for key in ("scheme", "database", "user", "password")}
        access = {"host": "db.example.com", "access_client_id": "id", "access_client_secret": "canary-of-access"}
        assert "access_client_secret" not in (await create(api, database | access))["origin"]
        body = {"name": "two", "origin": database | {"service_id": "s"}, "mtls": {"sslmode": "require"}}
        assert "mtls cannot be used" in await api.refused_with("POST", CONFIGS, json=body)


class TestChanging:
    async def test_a_patched_network_part_must_be_whole(self, api, origin):
        config = await create(api, origin)
        path = f"{CONFIGS}/{config['id']}"
        for part in ({"host": "127.0.0.1"}, {"port": origin["port"]}):
            assert (400, 2007) == await api.refused("PATCH", path, json={"origin": part})
        patched = await api.call("PATCH", path, json={"origin": {"host": "localhost", "port": origin["port"]}})
        assert "localhost" == patched["origin"]["host"]
        assert patched["modified_on"] > config["modified_on"]
        assert PASSWORD == api.state.configs[config["id"]].origin["password"]

    async def test_a_patch_that_breaks_the_connection_changes_nothing(self, api, origin):
        config = await create(api, origin)
        path = f"{CONFIGS}/{config['id']}"
        assert (400, 2013) == await api.refused("PATCH", path, json={"origin": {"password": "x"}})
        assert (config, origin) == (await api.call("GET", path), api.state.configs[config["id"]].origin)

    async def test_disabling_the_cache_forgets_its_values(self, api, origin):
        config = await create(api, origin, caching={"max_age": 30, "stale_while_revalidate": 0})
        assert {"disabled": False, "max_age": 30, "stale_while_revalidate": 0} == config["caching"]
        for disabled in (True, False):
            body = {"caching": {"disabled": disabled}}
            assert {"disabled": disabled} == (await api.call("PATCH", f"{CONFIGS}/{config['id']}", json=body))[
                "caching"
            ]

    async def test_verifying_a_certificate_needs_an_authority(self, api, origin):
        path = await path_of_new(api, origin)
        for mtls in ({"sslmode": "verify-ca"}, {"sslmode": "require", "ca_certificate_id": "ca"}):
            assert (400, 2007) == await api.refused("PATCH", path, json={"mtls": mtls})
        right = {"sslmode": "verify-full", "ca_certificate_id": "ca"}
        assert right == (await api.call("PATCH", path, json={"mtls": right}))["mtls"]

    async def test_a_put_replaces_all_and_needs_the_password(self, api, origin):
        path = await path_of_new(api, origin, caching={"max_age": 30}, origin_connection_limit=7)
        bare = {key: value for key, value in origin.items() if key != "password"}
        assert (400, 2007) == await api.refused("PUT", path, json={"name": "two", "origin": bare})
        replaced = await api.call("PUT", path, json={"name": "two", "origin": origin})
        assert ("two", {"disabled": False}, 60) == tuple(
            replaced[name] for name in ("name", "caching", "origin_connection_limit")
        )

    async def test_a_restart_is_in_the_config(self, api, origin):
        config = await create(api, origin)
        restarted = await api.call("POST", f"{CONFIGS}/{config['id']}/restart")
        assert config | {"restarted_on": restarted["restarted_on"]} == restarted

    async def test_a_deleted_config_is_gone(self, api, origin):
        path = await path_of_new(api, origin)
        assert None is await api.call("DELETE", path)
        assert (404, 2006) == await api.refused("GET", path)

    @pytest.mark.parametrize(
        ("method", "end"), [("GET", ""), ("PUT", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/restart")]
    )
    async def test_an_unknown_config_is_refused_before_its_body(self, api, method, end):
        path = f"{CONFIGS}/{'0' * 32}{end}"
        assert (404, 2006) == await api.refused(method, path, content=b"{")


class TestTheEnvelope:
    async def test_lists_have_pages(self, api):
        api.cloudflare.seed_example("127.0.0.1", 5432, "postgres", "app", "right")
        (seeded,) = api.state.configs.values()
        for number in range(24):
            clone = copy.deepcopy(seeded)
            clone.id, clone.name = f"{number:032x}", f"config {number}"
            api.state.configs[clone.id] = clone
        first = (await api.http.get(CONFIGS)).json()
        last = (await api.http.get(CONFIGS, params={"page": 3, "per_page": 10})).json()
        assert 20 == len(first["result"])
        assert {"page": 1, "per_page": 20, "count": 20, "total_count": 25, "total_pages": 2} == first["result_info"]
        assert [f"config {n}" for n in range(19, 24)] == [config["name"] for config in last["result"]]
        assert 5 == last["result_info"]["count"]

    @pytest.mark.parametrize("authorization", ["", "Bearer other"])
    async def test_a_wrong_or_missing_token_is_refused(self, api, authorization):
        assert (403, 10000) == await api.refused("GET", CONFIGS, headers={"Authorization": authorization})

    @pytest.mark.parametrize(
        ("path", "refusal"),
        [
            (CONFIGS.replace(ACCOUNT, "f" * 32), (403, 10000)),
            (CONFIGS.replace(ACCOUNT, "me"), (404, 7003)),
            (f"/accounts/{ACCOUNT}/queues", (404, 7003)),
        ],
        ids=["foreign account", "malformed account", "unknown path"],
    )
    async def test_a_wrong_path_is_refused(self, api, path, refusal):
        assert refusal == await api.refused("GET", path)

    @pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff"])
    async def test_a_body_that_is_no_object_is_refused(self, api, content):
        assert 400 == (await api.refused("POST", CONFIGS, content=content))[0]
