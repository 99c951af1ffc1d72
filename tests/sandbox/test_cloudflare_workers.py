"""Workers: uploads, versions, bindings and deployments behave as the API and wrangler expect."""

import copy
import json
from datetime import timedelta
from email import message_from_bytes

import pytest

from reconciler.sandbox.cloudflare.api import EXAMPLE_CONFIG_ID
from tests.sandbox.cloudflare_client import WORKERS, serving

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore::aiohttp.web.NotAppKeyWarning")]

SCRIPT = f"{WORKERS}/scripts/tech961-api"
HYPERDRIVE = {"type": "hyperdrive", "name": "HYPERDRIVE", "id": EXAMPLE_CONFIG_ID}
INHERIT = {"type": "inherit", "name": "PARTNER_API_KEY"}


@pytest.fixture
async def api():
    async with serving() as api:
        api.cloudflare.seed_example("127.0.0.1", 5432, "tech961", "app", "canary-of-the-origin")
        yield api


def upload(bindings=(), **metadata):
    metadata = {"main_module": "index.js", "compatibility_date": "2025-09-01", "bindings": list(bindings), **metadata}
    return {
        "metadata": (None, json.dumps(metadata)),
        "index.js": ("index.js", b"export default {}\r\n--not-the-boundary\0\xff", "application/javascript+module"),
        "lib/data.bin": ("lib/data.bin", bytes(range(256)), "application/octet-stream"),
    }


async def new_version(api, bindings=(HYPERDRIVE,), path=SCRIPT, **metadata):
    return await api.call("POST", f"{path}/versions?bindings_inherit=strict", files=upload(bindings, **metadata))


async def deploy(api, *split, path=SCRIPT, query="", **body):
    versions = [{"version_id": version, "percentage": share} for version, share in split]
    body = {"strategy": "percentage", "versions": versions, **body}
    return await api.http.post(f"{path}/deployments{query}", json=body)


def code_of(answer):
    return answer.status_code, answer.json()["errors"][0]["code"]


async def live(api):
    return (await api.call("GET", f"{SCRIPT}/deployments"))["deployments"][0]


async def bindings_of(api, version_id):
    version = await api.call("GET", f"{SCRIPT}/versions/{version_id}")
    return {binding["name"]: binding for binding in version["resources"]["bindings"]}


class TestTheExample:
    async def test_it_is_live_at_100_percent_and_bound_to_its_config(self, api):
        deployment = await live(api)
        ((version_id, share),) = [(v["version_id"], v["percentage"]) for v in deployment["versions"]]
        assert share == 100
        assert await bindings_of(api, version_id) == {
            "HYPERDRIVE": HYPERDRIVE,
            "VERSION": {"type": "version_metadata", "name": "VERSION"},
            "PARTNER_API_KEY": {"type": "secret_text", "name": "PARTNER_API_KEY"},
        }

    async def test_its_state_can_be_copied(self, api):
        before = copy.deepcopy(api.cloudflare.state)
        await new_version(api)
        assert len(before.scripts["tech961-api"].versions) == 1
        assert before.scripts["tech961-api"].live.bindings[2]["text"]


class TestTheFirstUpload:
    async def test_a_put_makes_a_version_and_deploys_it(self, api):
        path = f"{WORKERS}/scripts/new"
        result = await api.call("PUT", f"{path}?excludeScript=true&bindings_inherit=strict", files=upload())
        deployments = (await api.call("GET", f"{path}/deployments"))["deployments"]
        ((version,),) = [deployment["versions"] for deployment in deployments]
        assert result["deployment_id"] == version["version_id"].replace("-", "")
        assert (result["id"], result["tags"], version["percentage"]) == ("new", None, 100)

    async def test_a_version_of_an_unknown_worker_is_refused(self, api):
        path = f"{WORKERS}/scripts/new"
        assert (await api.refused("POST", f"{path}/versions", files=upload()))[:2] == (404, 10007)

    async def test_a_refused_upload_leaves_nothing_behind(self, api):
        path = f"{WORKERS}/scripts/new"
        broken = upload([HYPERDRIVE | {"id": "0" * 32}])
        assert (await api.refused("PUT", path, files=broken))[:2] == (400, 10157)
        assert (await api.refused("GET", f"{path}/settings"))[:2] == (404, 10007)

    async def test_a_deleted_worker_is_gone(self, api):
        assert await api.call("DELETE", SCRIPT) is None
        assert (await api.refused("DELETE", SCRIPT))[:2] == (404, 10007)


class TestVersions:
    async def test_a_version_is_not_deployed_by_its_upload(self, api):
        before = await live(api)
        version = await new_version(api, annotations={"workers/tag": "abc", "workers/message": ""})
        assert await live(api) == before
        assert version["number"] == 2
        assert version["annotations"] == {"workers/tag": "abc", "workers/triggered_by": "upload"}
        assert version["metadata"]["has_preview"] is True
        assert await api.call("GET", f"{SCRIPT}/versions/{version['id']}") == version

    async def test_lists_are_newest_first_in_pages_of_ten_with_null_errors(self, api):
        made = [(await new_version(api))["id"] for _ in range(11)]
        body = (await api.http.get(f"{SCRIPT}/versions")).json()
        assert [item["id"] for item in body["result"]["items"]] == made[:0:-1]
        assert (body["errors"], body["messages"]) == (None, None)
        assert body["result_info"]["total_count"] == 12
        assert "resources" not in body["result"]["items"][0]
        second = await api.call("GET", f"{SCRIPT}/versions?page=2")
        assert [item["number"] for item in second["items"]] == [2, 1]

    async def test_the_content_comes_back_as_it_was_uploaded(self, api):
        version = await new_version(api)
        answer = await api.http.get(f"{SCRIPT}/content/v2", params={"version": version["id"]})
        head = f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode()
        parts = message_from_bytes(head + answer.content).get_payload()
        assert answer.headers["cf-entrypoint"] == "index.js"
        assert [part.get_param("name", header="content-disposition") for part in parts] == ["index.js", "lib/data.bin"]
        sent = upload()
        for part, (_, content, content_type) in zip(parts, [sent["index.js"], sent["lib/data.bin"]], strict=True):
            assert part.get_content_type() == content_type
            assert content in answer.content

    async def test_without_a_version_the_content_is_the_live_one(self, api):
        assert b"hyperdrive.connect()" in (await api.http.get(f"{SCRIPT}/content/v2")).content

    @pytest.mark.parametrize(
        ("files", "hint"),
        [
            ({"index.js": ("index.js", b"")}, "metadata"),
            ({"metadata": (None, "[]"), "index.js": ("index.js", b"")}, "metadata"),
            (upload(main_module="other.js"), "other.js"),
            (upload([{"name": "A"}]), "name and a type"),
            (upload([HYPERDRIVE, HYPERDRIVE]), "twice"),
        ],
    )
    async def test_a_malformed_upload_is_refused(self, api, files, hint):
        status, _, message = await api.refused("POST", f"{SCRIPT}/versions", files=files)
        assert (status, hint in message) == (400, True)

    async def test_an_upload_that_is_not_multipart_is_refused(self, api):
        assert (await api.refused("POST", f"{SCRIPT}/versions", json={}))[0] == 400

    async def test_an_unknown_version_is_not_found(self, api):
        api.switches.version_not_found = (404, 10222)
        assert (await api.refused("GET", f"{SCRIPT}/versions/none"))[:2] == (404, 10222)


class TestBindings:
    async def test_secrets_are_kept_and_never_shown(self, api):
        version = await new_version(api, [HYPERDRIVE], keep_bindings=["secret_text", "secret_key"])
        assert await bindings_of(api, version["id"]) == {
            "HYPERDRIVE": HYPERDRIVE,
            "PARTNER_API_KEY": {"type": "secret_text", "name": "PARTNER_API_KEY"},
        }
        stored = api.cloudflare.state.scripts["tech961-api"].versions[-1]
        assert stored.bindings[-1]["text"] == "a secret of the sandbox"
        assert await api.call("GET", f"{SCRIPT}/secrets") == [{"type": "secret_text", "name": "PARTNER_API_KEY"}]

    async def test_plain_text_is_shown(self, api):
        variable = {"type": "plain_text", "name": "MODE", "text": "live"}
        version = await new_version(api, [variable])
        assert await bindings_of(api, version["id"]) == {"MODE": variable}

    async def test_inherit_takes_the_binding_of_the_latest_version_or_of_the_one_it_names(self, api):
        (first,) = [v["version_id"] for v in (await live(api))["versions"]]
        second = await new_version(api, [{"type": "secret_text", "name": "PARTNER_API_KEY", "text": "second"}])
        stored = api.cloudflare.state.scripts["tech961-api"]
        for asked, text in [
            (INHERIT, "second"),
            (INHERIT | {"version_id": "latest"}, "second"),
            (INHERIT | {"version_id": second["id"]}, "second"),
            (INHERIT | {"version_id": first}, "a secret of the sandbox"),
            (INHERIT | {"name": "KEY", "old_name": "PARTNER_API_KEY"}, "second"),
        ]:
            await new_version(api, [asked])
            assert stored.versions[-1].bindings == [{"type": "secret_text", "name": asked["name"], "text": text}]
            stored.versions.pop()

    @pytest.mark.parametrize("unknown", [{"name": "NONE"}, {"version_id": "none"}, {"old_name": "NONE"}])
    async def test_an_inherit_that_finds_nothing_is_refused(self, api, unknown):
        files = upload([INHERIT | unknown])
        assert (await api.refused("POST", f"{SCRIPT}/versions", files=files))[0] == 400
        assert (await api.refused("POST", f"{SCRIPT}/versions?bindings_inherit=strict", files=files))[0] == 400

    async def test_an_inherit_that_finds_nothing_may_be_dropped_unless_strict(self, api):
        api.switches.unknown_inherit_is_dropped = True
        files = upload([INHERIT | {"name": "NONE"}])
        assert (await api.call("POST", f"{SCRIPT}/versions", files=files))["resources"]["bindings"] == []
        assert (await api.refused("POST", f"{SCRIPT}/versions?bindings_inherit=strict", files=files))[0] == 400

    async def test_an_unknown_hyperdrive_config_is_refused_by_name(self, api):
        files = upload([HYPERDRIVE | {"id": "0" * 32}])
        _, code, message = await api.refused("POST", f"{SCRIPT}/versions", files=files)
        assert code == 10157
        assert "'HYPERDRIVE' references config '" + "0" * 32 in message

    async def test_a_fresh_config_can_be_unknown_for_a_while(self, api):
        api.switches.fresh_config_unknown_s = 15
        assert (await api.refused("POST", f"{SCRIPT}/versions", files=upload([HYPERDRIVE])))[:2] == (400, 10157)
        api.cloudflare.state.configs[EXAMPLE_CONFIG_ID].created_on -= timedelta(seconds=16)
        assert await new_version(api)


class TestDeployments:
    async def test_0_percent_is_accepted_and_the_newest_deployment_is_first(self, api):
        (old,) = [v["version_id"] for v in (await live(api))["versions"]]
        new = (await new_version(api, [HYPERDRIVE, INHERIT]))["id"]
        answer = await deploy(api, (new, 0), (old, 100), annotations={"workers/message": "probe"})
        assert answer.status_code == 200
        deployment = await live(api)
        assert deployment == answer.json()["result"]
        assert [(v["version_id"], v["percentage"]) for v in deployment["versions"]] == [(new, 0), (old, 100)]
        assert deployment["annotations"] == {"workers/message": "probe", "workers/triggered_by": "deployment"}
        assert await api.call("GET", f"{SCRIPT}/deployments/{deployment['id']}") == deployment

    async def test_0_percent_can_be_refused(self, api):
        (old,) = [v["version_id"] for v in (await live(api))["versions"]]
        new = (await new_version(api, [HYPERDRIVE, INHERIT]))["id"]
        api.switches.zero_percentage_accepted = False
        assert code_of(await deploy(api, (new, 0), (old, 100))) == (400, 10207)

    @pytest.mark.parametrize("shares", [(50, 49), (100, 100), (-1, 101), (None, 100), (True, 99), ("0", 100)])
    async def test_percentages_must_total_100(self, api, shares):
        (old,) = [v["version_id"] for v in (await live(api))["versions"]]
        new = (await new_version(api))["id"]
        before = await live(api)
        assert code_of(await deploy(api, (new, shares[0]), (old, shares[1]))) == (400, 10207)
        assert await live(api) == before

    async def test_one_or_two_different_versions_and_the_strategy_are_needed(self, api):
        (old,) = [v["version_id"] for v in (await live(api))["versions"]]
        assert code_of(await deploy(api)) == (400, 10207)
        assert code_of(await deploy(api, (old, 50), (old, 50))) == (400, 10207)
        assert code_of(await deploy(api, (old, 100), strategy="all")) == (400, 10207)

    async def test_an_unknown_version_is_refused(self, api):
        assert code_of(await deploy(api, ("none", 100))) == (404, 10216)

    async def test_a_version_whose_config_is_gone_is_refused_unless_the_switch_says_otherwise(self, api):
        (old,) = [v["version_id"] for v in (await live(api))["versions"]]
        del api.cloudflare.state.configs[EXAMPLE_CONFIG_ID]
        assert code_of(await deploy(api, (old, 100))) == (400, 10157)
        api.switches.promote_without_config = True
        assert (await deploy(api, (old, 100))).status_code == 200

    async def test_going_back_over_changed_secrets_needs_force(self, api):
        (old,) = [v["version_id"] for v in (await live(api))["versions"]]
        changed = {"type": "secret_text", "name": "PARTNER_API_KEY", "text": "changed"}
        new = (await new_version(api, [HYPERDRIVE, changed]))["id"]
        assert (await deploy(api, (new, 100))).status_code == 200
        refused = await deploy(api, (old, 100))
        assert code_of(refused) == (400, 10220)
        assert refused.json()["errors"][0]["message"] == "The following secrets have changed: PARTNER_API_KEY"
        assert (await deploy(api, (old, 100), query="?force=true")).status_code == 200

    async def test_only_the_newest_versions_can_be_deployed(self, api):
        (old,) = [v["version_id"] for v in (await live(api))["versions"]]
        new = (await new_version(api))["id"]
        api.switches.deployable_versions = 1
        assert code_of(await deploy(api, (old, 100))) == (404, 10216)
        listed = await api.call("GET", f"{SCRIPT}/versions?deployable=true")
        assert [item["id"] for item in listed["items"]] == [new]


class TestWhatWranglerAsks:
    async def test_both_generations_of_paths_answer(self, api):
        service = await api.call("GET", f"{WORKERS}/services/tech961-api")
        worker = await api.call("GET", f"{WORKERS}/workers/tech961-api")
        assert service["default_environment"]["script"]["tag"] == worker["id"]
        assert worker["subdomain"] == await api.call("GET", f"{SCRIPT}/subdomain")
        await api.call("POST", f"{SCRIPT}/subdomain", json={"enabled": False})
        assert (await api.call("GET", f"{WORKERS}/workers/tech961-api"))["subdomain"]["enabled"] is False

    async def test_an_unknown_worker_has_the_codes_that_wrangler_takes_for_new(self, api):
        assert (await api.refused("GET", f"{WORKERS}/services/new"))[:2] == (404, 10090)
        for path in ("workers/new", "scripts/new/deployments", "scripts/new/settings", "scripts/new/subdomain"):
            assert (await api.refused("GET", f"{WORKERS}/{path}"))[:2] == (404, 10007)

    async def test_an_upload_by_something_else_is_seen(self, api):
        await new_version(api)
        service = await api.call("GET", f"{WORKERS}/services/tech961-api")
        assert service["default_environment"]["script"]["last_deployed_from"] == "api"

    async def test_settings_are_those_of_the_first_live_version_and_of_the_worker(self, api):
        await api.call(
            "PATCH", f"{SCRIPT}/script-settings", json={"tags": ["team"], "observability": {"enabled": True}}
        )
        settings = await api.call("GET", f"{SCRIPT}/settings")
        assert (settings["tags"], settings["bindings"][0]) == (["team"], HYPERDRIVE)
        script_settings = await api.call("GET", f"{SCRIPT}/script-settings")
        assert script_settings == {
            "tags": ["team"],
            "observability": {"enabled": True},
            "logpush": False,
            "tail_consumers": None,
        }

    async def test_the_account_answers(self, api):
        assert [script["id"] for script in await api.call("GET", f"{WORKERS}/scripts")] == ["tech961-api"]
        assert (await api.call("GET", "/user/tokens/verify"))["status"] == "active"
        assert (await api.call("GET", "/user"))["email"]
        (account,) = await api.call("GET", "/accounts")
        (membership,) = await api.call("GET", "/memberships?page=1")
        assert account["id"] == membership["account"]["id"]
        assert await api.call("GET", f"{WORKERS}/subdomain") == {"subdomain": "sandbox"}
        assert await api.call("GET", f"{SCRIPT}/schedules") == {"schedules": []}
        bucket = WORKERS.replace("workers", "r2/buckets/photos")
        assert (await api.call("GET", bucket))["name"] == "photos"
