"""Workers: uploads, versions, bindings and deployments behave as the API and wrangler expect."""

import copy
import json
from datetime import timedelta
from email import message_from_bytes

import pytest

from reconciler.sandbox.cloudflare.api import EXAMPLE_CONFIG_ID
from tests.sandbox.cloudflare_client import WORKERS, refusal, serving

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore::aiohttp.web.NotAppKeyWarning")]

SCRIPT, NEW = f"{WORKERS}/scripts/tech961-api", f"{WORKERS}/scripts/new"
HYPERDRIVE = {"type": "hyperdrive", "name": "HYPERDRIVE", "id": EXAMPLE_CONFIG_ID}
UNKNOWN_CONFIG = HYPERDRIVE | {"id": "0" * 32}
SECRET = {"type": "secret_text", "name": "PARTNER_API_KEY"}
INHERIT = {"type": "inherit", "name": "PARTNER_API_KEY"}
STRICT = "?bindings_inherit=strict"


@pytest.fixture
async def api():
    async with serving() as api:
        api.cloudflare.seed_example("127.0.0.1", 5432, "tech961", "app", "canary-of-the-origin")
        yield api


@pytest.fixture
async def old(api):
    """The id of the version that is live."""
    return (await live(api))["versions"][0]["version_id"]


def upload(bindings=(), **metadata):
    metadata = {"main_module": "index.js", "compatibility_date": "2025-09-01", "bindings": list(bindings), **metadata}
    return {
        "metadata": (None, json.dumps(metadata)),
        "index.js": ("index.js", b"export default {}\r\n--not-the-boundary\0\xff", "application/javascript+module"),
        "lib/data.bin": ("lib/data.bin", bytes(range(256)), "application/octet-stream"),
    }


async def new_version(api, bindings=(HYPERDRIVE,), **metadata):
    return await api.call("POST", f"{SCRIPT}/versions{STRICT}", files=upload(bindings, **metadata))


async def new_id(api, bindings=(HYPERDRIVE, INHERIT)):
    return (await new_version(api, bindings))["id"]


async def deploy(api, *split, query="", **body):
    versions = [{"version_id": version, "percentage": share} for version, share in split]
    return await api.http.post(
        f"{SCRIPT}/deployments{query}", json={"strategy": "percentage", "versions": versions, **body}
    )


async def live(api):
    return (await api.call("GET", f"{SCRIPT}/deployments"))["deployments"][0]


def split_of(deployment):
    return [(each["version_id"], each["percentage"]) for each in deployment["versions"]]


async def bindings_of(api, version_id):
    version = await api.call("GET", f"{SCRIPT}/versions/{version_id}")
    return {binding["name"]: binding for binding in version["resources"]["bindings"]}


def stored(api):
    return api.state.scripts["tech961-api"]


class TestTheExample:
    async def test_it_is_live_and_bound_to_its_config(self, api, old):
        assert [(old, 100)] == split_of(await live(api))
        version = {"type": "version_metadata", "name": "VERSION"}
        assert {"HYPERDRIVE": HYPERDRIVE, "VERSION": version, "PARTNER_API_KEY": SECRET} == await bindings_of(api, old)

    async def test_its_state_can_be_copied(self, api):
        before = copy.deepcopy(api.state)
        await new_version(api)
        assert 1 == len(before.scripts["tech961-api"].versions)
        assert before.scripts["tech961-api"].live.bindings[2]["text"]


class TestUploads:
    async def test_a_put_makes_a_version_and_deploys_it(self, api):
        result = await api.call("PUT", f"{NEW}{STRICT}&excludeScript=true", files=upload())
        (deployment,) = (await api.call("GET", f"{NEW}/deployments"))["deployments"]
        ((version, share),) = split_of(deployment)
        assert ("new", None, version.replace("-", ""), 100) == (
            result["id"], result["tags"], result["deployment_id"], share
        )  # fmt: skip

    async def test_a_version_of_an_unknown_worker_is_refused(self, api):
        assert (404, 10007) == await api.refused("POST", f"{NEW}/versions", files=upload())

    async def test_a_refused_upload_leaves_nothing(self, api):
        assert (400, 10157) == await api.refused("PUT", NEW, files=upload([UNKNOWN_CONFIG]))
        assert (404, 10007) == await api.refused("GET", f"{NEW}/settings")

    async def test_a_deleted_worker_is_gone(self, api):
        assert None is await api.call("DELETE", SCRIPT)
        assert (404, 10007) == await api.refused("DELETE", SCRIPT)

    @pytest.mark.parametrize(
        ("files", "hint"),
        [
            ({"index.js": ("index.js", b"")}, "metadata"),
            ({"metadata": (None, "[]"), "index.js": ("index.js", b"")}, "metadata"),
            (upload(main_module="other.js"), "other.js"),
            (upload([{"name": "A"}]), "name and a type"),
            (upload([HYPERDRIVE, HYPERDRIVE]), "twice"),
            (None, "multipart"),
        ],
    )
    async def test_a_malformed_upload_is_refused(self, api, files, hint):
        assert hint in await api.refused_with("POST", f"{SCRIPT}/versions", files=files)


class TestVersions:
    async def test_an_upload_is_not_a_deployment(self, api):
        before = await live(api)
        version = await new_version(api, annotations={"workers/tag": "abc", "workers/message": ""})
        assert before == await live(api)
        assert {"workers/tag": "abc", "workers/triggered_by": "upload"} == version["annotations"]
        assert (2, True) == (version["number"], version["metadata"]["has_preview"])
        assert version == await api.call("GET", f"{SCRIPT}/versions/{version['id']}")

    async def test_lists_are_newest_first_with_null_errors(self, api):
        made = [await new_id(api) for _ in range(11)]
        body = (await api.http.get(f"{SCRIPT}/versions")).json()
        assert made[:0:-1] == [item["id"] for item in body["result"]["items"]]
        assert (None, None, 12) == (body["errors"], body["messages"], body["result_info"]["total_count"])
        assert "resources" not in body["result"]["items"][0]
        second = await api.call("GET", f"{SCRIPT}/versions?page=2")
        assert [2, 1] == [item["number"] for item in second["items"]]

    async def test_the_content_is_as_it_was_uploaded(self, api):
        answer = await api.http.get(f"{SCRIPT}/content/v2", params={"version": await new_id(api)})
        head = f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode()
        parts = message_from_bytes(head + answer.content).get_payload()
        assert "index.js" == answer.headers["cf-entrypoint"]
        sent = {name: part for name, part in upload().items() if name != "metadata"}
        assert list(sent) == [part.get_param("name", header="content-disposition") for part in parts]
        for part, (_, content, content_type) in zip(parts, sent.values(), strict=True):
            assert (content_type, True) == (part.get_content_type(), content in answer.content)

    async def test_the_content_is_the_live_one_by_default(self, api):
        assert b"hyperdrive.connect()" in (await api.http.get(f"{SCRIPT}/content/v2")).content


class TestBindings:
    async def test_secrets_are_kept_and_never_shown(self, api):
        text = {"type": "plain_text", "name": "MODE", "text": "live"}
        version = await new_version(api, [HYPERDRIVE, text], keep_bindings=["secret_text", "secret_key"])
        shown = {"HYPERDRIVE": HYPERDRIVE, "MODE": text, "PARTNER_API_KEY": SECRET}
        assert shown == await bindings_of(api, version["id"])
        assert "a secret of the sandbox" == stored(api).versions[-1].bindings[-1]["text"]
        assert [SECRET] == await api.call("GET", f"{SCRIPT}/secrets")

    async def test_inherit_takes_a_binding_of_an_earlier_version(self, api, old):
        second = await new_id(api, [SECRET | {"text": "second"}])
        for wanted, text in [
            (INHERIT, "second"),
            (INHERIT | {"version_id": "latest"}, "second"),
            (INHERIT | {"version_id": second}, "second"),
            (INHERIT | {"version_id": old}, "a secret of the sandbox"),
            (INHERIT | {"name": "KEY", "old_name": "PARTNER_API_KEY"}, "second"),
        ]:
            await new_version(api, [wanted])
            assert [SECRET | {"name": wanted["name"], "text": text}] == stored(api).versions.pop().bindings

    @pytest.mark.parametrize("unknown", [{"name": "NONE"}, {"version_id": "none"}, {"old_name": "NONE"}])
    @pytest.mark.parametrize("query", ["", STRICT])
    async def test_inheriting_nothing_is_refused(self, api, unknown, query):
        files = upload([INHERIT | unknown])
        assert 400 == (await api.refused("POST", f"{SCRIPT}/versions{query}", files=files))[0]

    async def test_inheriting_nothing_may_be_allowed_unless_strict(self, api):
        api.switches.unknown_inherit_is_dropped = True
        files = upload([INHERIT | {"name": "NONE"}])
        assert [] == (await api.call("POST", f"{SCRIPT}/versions", files=files))["resources"]["bindings"]
        assert 400 == (await api.refused("POST", f"{SCRIPT}/versions{STRICT}", files=files))[0]

    async def test_an_unknown_config_is_refused_by_name(self, api):
        message = await api.refused_with("POST", f"{SCRIPT}/versions", files=upload([UNKNOWN_CONFIG]))
        assert "'HYPERDRIVE' references config '" + "0" * 32 in message

    async def test_a_new_config_is_unknown_for_a_while(self, api):
        api.switches.fresh_config_unknown_s = 15
        assert (400, 10157) == await api.refused("POST", f"{SCRIPT}/versions", files=upload([HYPERDRIVE]))
        api.state.configs[EXAMPLE_CONFIG_ID].created_on -= timedelta(seconds=16)
        assert await new_version(api)


class TestDeployments:
    async def test_a_version_may_have_0_percent(self, api, old):
        new = await new_id(api)
        answer = await deploy(api, (new, 0), (old, 100), annotations={"workers/message": "probe"})
        deployment = await live(api)
        assert (200, answer.json()["result"]) == (answer.status_code, deployment)
        assert [(new, 0), (old, 100)] == split_of(deployment)
        assert {"workers/message": "probe", "workers/triggered_by": "deployment"} == deployment["annotations"]
        assert deployment == await api.call("GET", f"{SCRIPT}/deployments/{deployment['id']}")
        api.switches.zero_percentage_accepted = False
        assert (400, 10207) == refusal(await deploy(api, (new, 0), (old, 100)))

    @pytest.mark.parametrize("shares", [(50, 49), (100, 100), (-1, 101), (None, 100), (True, 99), ("0", 100)])
    async def test_percentages_must_total_100(self, api, old, shares):
        before = await live(api)
        assert (400, 10207) == refusal(await deploy(api, (await new_id(api), shares[0]), (old, shares[1])))
        assert before == await live(api)

    @pytest.mark.parametrize(
        ("shares", "body"), [([], {}), ([50, 50], {}), ([100], {"strategy": "all"})], ids=["none", "same", "strategy"]
    )
    async def test_a_deployment_has_different_versions_and_a_strategy(self, api, old, shares, body):
        assert (400, 10207) == refusal(await deploy(api, *((old, share) for share in shares), **body))

    async def test_an_unknown_version_is_refused(self, api):
        assert (404, 10216) == refusal(await deploy(api, ("none", 100)))
        api.switches.version_not_found = (404, 10222)
        assert (404, 10222) == await api.refused("GET", f"{SCRIPT}/versions/none")

    async def test_a_version_without_its_config_is_refused(self, api, old):
        del api.state.configs[EXAMPLE_CONFIG_ID]
        assert (400, 10157) == refusal(await deploy(api, (old, 100)))
        api.switches.promote_without_config = True
        assert 200 == (await deploy(api, (old, 100))).status_code

    async def test_going_back_over_changed_secrets_needs_force(self, api, old):
        new = await new_id(api, [HYPERDRIVE, SECRET | {"text": "changed"}])
        assert 200 == (await deploy(api, (new, 100))).status_code
        refused = await deploy(api, (old, 100))
        assert (400, 10220) == refusal(refused)
        assert "The following secrets have changed: PARTNER_API_KEY" == refused.json()["errors"][0]["message"]
        assert 200 == (await deploy(api, (old, 100), query="?force=true")).status_code

    async def test_only_the_newest_versions_can_be_deployed(self, api, old):
        new = await new_id(api)
        api.switches.deployable_versions = 1
        assert (404, 10216) == refusal(await deploy(api, (old, 100)))
        listed = await api.call("GET", f"{SCRIPT}/versions?deployable=true")
        assert [new] == [item["id"] for item in listed["items"]]


class TestWhatWranglerAsks:
    async def test_both_generations_of_paths_answer(self, api):
        service = await api.call("GET", f"{WORKERS}/services/tech961-api")
        worker = await api.call("GET", f"{WORKERS}/workers/tech961-api")
        assert worker["id"] == service["default_environment"]["script"]["tag"]
        assert worker["subdomain"] == await api.call("GET", f"{SCRIPT}/subdomain")
        await api.call("POST", f"{SCRIPT}/subdomain", json={"enabled": False})
        assert False is (await api.call("GET", f"{WORKERS}/workers/tech961-api"))["subdomain"]["enabled"]

    @pytest.mark.parametrize(
        ("path", "code"),
        [
            ("services/new", 10090),
            ("workers/new", 10007),
            ("scripts/new/deployments", 10007),
            ("scripts/new/settings", 10007),
            ("scripts/new/subdomain", 10007),
        ],
    )
    async def test_an_unknown_worker_has_its_code(self, api, path, code):
        assert (404, code) == await api.refused("GET", f"{WORKERS}/{path}")

    async def test_an_upload_shows_which_client_made_it(self, api):
        await new_version(api)
        service = await api.call("GET", f"{WORKERS}/services/tech961-api")
        assert "api" == service["default_environment"]["script"]["last_deployed_from"]

    async def test_settings_are_of_the_live_version_and_the_worker(self, api):
        changed = {"tags": ["team"], "observability": {"enabled": True}}
        await api.call("PATCH", f"{SCRIPT}/script-settings", json=changed)
        settings = await api.call("GET", f"{SCRIPT}/settings")
        assert (["team"], HYPERDRIVE) == (settings["tags"], settings["bindings"][0])
        script_settings = await api.call("GET", f"{SCRIPT}/script-settings")
        assert changed | {"logpush": False, "tail_consumers": None} == script_settings

    async def test_the_account_answers(self, api):
        assert ["tech961-api"] == [script["id"] for script in await api.call("GET", f"{WORKERS}/scripts")]
        assert "active" == (await api.call("GET", "/user/tokens/verify"))["status"]
        assert (await api.call("GET", "/user"))["email"]
        (account,), (membership,) = await api.call("GET", "/accounts"), await api.call("GET", "/memberships?page=1")
        assert membership["account"]["id"] == account["id"]
        assert {"subdomain": "sandbox"} == await api.call("GET", f"{WORKERS}/subdomain")
        assert {"schedules": []} == await api.call("GET", f"{SCRIPT}/schedules")
        assert "photos" == (await api.call("GET", WORKERS.replace("workers", "r2/buckets/photos")))["name"]
