"""Hyperdrive configs behave as the API describes, and creating one needs a database that answers."""

import copy
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

from reconciler.sandbox.postgres.installation import environment, find_installation
from tests.sandbox.cloudflare_client import ACCOUNT, CONFIGS, serving

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore::aiohttp.web.NotAppKeyWarning")]


@pytest.fixture
async def api():
    async with serving() as api:
        yield api


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def origin():
    """A PostgreSQL that asks for a password, as an origin."""
    with tempfile.TemporaryDirectory(prefix="origin-") as place:
        directory = Path(place)
        installation = find_installation(directory)
        password = directory / "password"
        password.write_text("right")
        directory.chmod(0o755)
        password.chmod(0o644)
        cluster = directory / "cluster"
        cluster.mkdir()
        installation.hand_over(cluster)
        options = {"cwd": "/", "env": environment(), **installation.identity()}
        initdb = [installation.program("initdb"), "-D", str(cluster), "-U", "app", "-A", "scram-sha-256"]
        subprocess.run([*initdb, "--locale=C", f"--pwfile={password}"], check=True, capture_output=True, **options)
        port = free_port()
        postgres = [installation.program("postgres"), "-D", str(cluster), "-p", str(port), "-c", "fsync=off"]
        places = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
        server = subprocess.Popen([*postgres, *places], stderr=subprocess.PIPE, text=True, **options)
        try:
            assert any("ready to accept connections" in line for line in server.stderr)
            yield {
                "scheme": "postgres",
                "host": "127.0.0.1",
                "port": port,
                "database": "postgres",
                "user": "app",
                "password": "right",
            }
        finally:
            server.terminate()
            server.communicate(timeout=20)


async def create(api, origin, name="one", **fields):
    return await api.call("POST", CONFIGS, json={"name": name, "origin": origin, **fields})


class TestCreating:
    async def test_a_config_comes_back_without_secrets_and_default_caching_values(self, api, origin):
        config = await create(api, origin, caching={"disabled": False, "max_age": 60})
        assert config["origin"] == {key: value for key, value in origin.items() if key != "password"}
        assert config["caching"] == {"disabled": False}
        assert config["mtls"] == {}
        assert config["origin_connection_limit"] == 60
        assert config["created_on"] == config["modified_on"]
        assert "restarted_on" not in config
        assert len(config["id"]) == 32
        assert await api.call("GET", f"{CONFIGS}/{config['id']}") == config

    async def test_the_body_may_come_as_plain_text(self, api, origin):
        content = '{"name": "one", "origin": ' + str(origin).replace("'", '"') + "}"
        headers = {"Content-Type": "text/plain;charset=UTF-8"}
        assert (await api.call("POST", CONFIGS, content=content, headers=headers))["name"] == "one"

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
    async def test_an_origin_that_cannot_be_used_is_refused_with_its_code(self, api, origin, change, code):
        body = {"name": "one", "origin": origin | change}
        assert (await api.refused("POST", CONFIGS, json=body))[:2] == (400, code)
        assert await api.call("GET", CONFIGS) == []

    async def test_an_origin_that_never_answers_is_unreachable(self, api, origin):
        api.switches.connection_timeout_s = 0.2
        with socket.create_server(("127.0.0.1", 0)) as silent:
            body = {"name": "one", "origin": origin | {"port": silent.getsockname()[1]}}
            assert (await api.refused("POST", CONFIGS, json=body))[:2] == (400, 2010)

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
    async def test_an_invalid_config_is_refused_before_any_connection(self, api, origin, change):
        private = origin | {"host": "10.1.2.3"}
        body = {"name": "one", "origin": private} | change
        if change.get("origin"):
            body["origin"] = private | change["origin"]
        assert (await api.refused("POST", CONFIGS, json=body))[:2] == (400, 2007)

    async def test_a_name_is_unique(self, api, origin):
        await create(api, origin)
        body = {"name": "one", "origin": origin}
        assert (await api.refused("POST", CONFIGS, json=body))[:2] == (409, 2017)
        api.switches.name_taken_status = 400
        assert (await api.refused("POST", CONFIGS, json=body))[:2] == (400, 2017)

    async def test_an_account_holds_so_many_configs_and_no_more(self, api, origin):
        api.switches.config_limit = 1
        await create(api, origin)
        status, _, message = await api.refused("POST", CONFIGS, json={"name": "two", "origin": origin})
        assert (status, "limit of 1 " in message) == (400, True)

    async def test_an_origin_behind_access_or_in_a_vpc_is_not_tested(self, api, origin):
        database = {key: origin[key] for key in ("scheme", "database", "user", "password")}
        access = {"host": "db.example.com", "access_client_id": "id", "access_client_secret": "canary-of-access"}
        config = await create(api, database | access)
        assert "access_client_secret" not in config["origin"]
        body = {"name": "two", "origin": database | {"service_id": "s"}, "mtls": {"sslmode": "require"}}
        assert "mtls cannot be used" in (await api.refused("POST", CONFIGS, json=body))[2]


class TestChanging:
    async def test_a_patch_of_the_network_part_must_be_whole_and_keeps_the_password(self, api, origin):
        config = await create(api, origin)
        path = f"{CONFIGS}/{config['id']}"
        for part in ({"host": "127.0.0.1"}, {"port": origin["port"]}):
            assert (await api.refused("PATCH", path, json={"origin": part}))[:2] == (400, 2007)
        whole = {"host": "localhost", "port": origin["port"]}
        patched = await api.call("PATCH", path, json={"origin": whole})
        assert patched["origin"]["host"] == "localhost"
        assert patched["modified_on"] > config["modified_on"]
        assert api.cloudflare.state.configs[config["id"]].origin["password"] == "right"

    async def test_a_patch_that_breaks_the_connection_changes_nothing(self, api, origin):
        config = await create(api, origin)
        path = f"{CONFIGS}/{config['id']}"
        assert (await api.refused("PATCH", path, json={"origin": {"password": "x"}}))[:2] == (400, 2013)
        assert await api.call("GET", path) == config
        assert api.cloudflare.state.configs[config["id"]].origin == origin

    async def test_disabling_the_cache_forgets_its_custom_values(self, api, origin):
        config = await create(api, origin, caching={"max_age": 30, "stale_while_revalidate": 0})
        path = f"{CONFIGS}/{config['id']}"
        assert config["caching"] == {"disabled": False, "max_age": 30, "stale_while_revalidate": 0}
        assert (await api.call("PATCH", path, json={"caching": {"disabled": True}}))["caching"] == {"disabled": True}
        assert (await api.call("PATCH", path, json={"caching": {"disabled": False}}))["caching"] == {"disabled": False}

    async def test_certificates_are_checked_only_with_a_ca_to_check_them_with(self, api, origin):
        path = f"{CONFIGS}/{(await create(api, origin))['id']}"
        for mtls in ({"sslmode": "verify-ca"}, {"sslmode": "require", "ca_certificate_id": "ca"}):
            assert (await api.refused("PATCH", path, json={"mtls": mtls}))[:2] == (400, 2007)
        right = {"sslmode": "verify-full", "ca_certificate_id": "ca"}
        assert (await api.call("PATCH", path, json={"mtls": right}))["mtls"] == right

    async def test_a_put_replaces_and_needs_the_password(self, api, origin):
        config = await create(api, origin, caching={"max_age": 30}, origin_connection_limit=7)
        path = f"{CONFIGS}/{config['id']}"
        bare = {key: value for key, value in origin.items() if key != "password"}
        assert (await api.refused("PUT", path, json={"name": "two", "origin": bare}))[:2] == (400, 2007)
        replaced = await api.call("PUT", path, json={"name": "two", "origin": origin})
        assert (replaced["name"], replaced["caching"]) == ("two", {"disabled": False})
        assert replaced["origin_connection_limit"] == 60

    async def test_a_rename_to_a_taken_name_is_refused(self, api, origin):
        await create(api, origin)
        other = await create(api, origin, "two")
        path = f"{CONFIGS}/{other['id']}"
        assert (await api.refused("PATCH", path, json={"name": "one"}))[:2] == (409, 2017)

    async def test_a_restart_is_seen_in_the_config(self, api, origin):
        config = await create(api, origin)
        restarted = await api.call("POST", f"{CONFIGS}/{config['id']}/restart")
        assert restarted == config | {"restarted_on": restarted["restarted_on"]}

    async def test_a_deleted_config_is_gone(self, api, origin):
        path = f"{CONFIGS}/{(await create(api, origin))['id']}"
        assert await api.call("DELETE", path) is None
        assert (await api.refused("GET", path))[:2] == (404, 2006)

    @pytest.mark.parametrize(
        ("method", "end"), [("GET", ""), ("PUT", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/restart")]
    )
    async def test_an_unknown_config_is_refused_before_its_body_is_read(self, api, method, end):
        status, code, message = await api.refused(method, f"{CONFIGS}/{'0' * 32}{end}", content=b"{")
        assert (status, code, message) == (404, 2006, "Hyperdrive config not found")


class TestTheEnvelope:
    async def test_lists_come_in_pages(self, api, origin):
        api.cloudflare.seed_example(origin["host"], origin["port"], "postgres", "app", "right")
        (seeded,) = api.cloudflare.state.configs.values()
        for number in range(24):
            clone = copy.deepcopy(seeded)
            clone.id, clone.name = f"{number:032x}", f"config {number}"
            api.cloudflare.state.configs[clone.id] = clone
        first = (await api.http.get(CONFIGS)).json()
        last = (await api.http.get(CONFIGS, params={"page": 3, "per_page": 10})).json()
        assert len(first["result"]) == 20
        assert first["result_info"] == {"page": 1, "per_page": 20, "count": 20, "total_count": 25, "total_pages": 2}
        assert [config["name"] for config in last["result"]] == [f"config {n}" for n in range(19, 24)]
        assert last["result_info"]["count"] == 5

    @pytest.mark.parametrize("headers", [{"Authorization": ""}, {"Authorization": "Bearer other"}])
    async def test_a_wrong_or_missing_token_is_refused(self, api, headers):
        assert (await api.refused("GET", CONFIGS, headers=headers))[:2] == (403, 10000)

    async def test_a_foreign_account_is_forbidden_and_a_malformed_one_is_no_route(self, api):
        assert (await api.refused("GET", CONFIGS.replace(ACCOUNT, "f" * 32)))[:2] == (403, 10000)
        assert (await api.refused("GET", CONFIGS.replace(ACCOUNT, "me")))[:2] == (404, 7003)

    async def test_an_unknown_path_is_no_route(self, api):
        assert (await api.refused("GET", f"/accounts/{ACCOUNT}/queues"))[:2] == (404, 7003)

    async def test_a_body_that_is_not_a_json_object_is_refused(self, api):
        for content in (b"", b"[]", b"{", b"\xff"):
            assert (await api.refused("POST", CONFIGS, content=content))[0] == 400
