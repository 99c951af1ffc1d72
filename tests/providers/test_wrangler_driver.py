"""The wrangler driver, with the real wrangler: what it deploys, and what a hostile checkout cannot make it do.

RECONCILER_TEST_WRANGLER says how wrangler is started, such as "npx wrangler" or the path of node_modules/.bin/wrangler.
"""

import json
import os

import pytest

from tests.support.database import DAMAGED, GOOD
from tests.support.production import BINDING

WRANGLER = os.environ.get("RECONCILER_TEST_WRANGLER", "")
_MODULE = "export default { async fetch() { return new Response('code of this checkout') } }\n"


@pytest.fixture
def deployed_by_wrangler(make_production):
    """A production whose Worker is deployed with the code of its checkout."""
    if not WRANGLER:
        message = "THE REAL WRANGLER WAS NOT TESTED: set RECONCILER_TEST_WRANGLER to how it is started"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    production = make_production()
    production.environment["RECONCILER_WRANGLER"] = WRANGLER
    production.desired["worker"]["deploy"] = "wrangler"
    (production.root / "src").mkdir()
    (production.root / "src" / "index.js").write_text(_MODULE)
    production.ask(production.shop.good)
    production.sandbox.forget_requests()
    return production


def test_code_is_deployed_with_its_commit(deployed_by_wrangler, command):
    production = deployed_by_wrangler
    said = command(production, "apply")
    assert said.status == 0, said.stderr
    production.check_live(GOOD)
    (script,) = production.scripts
    version = production.serving(script)
    assert version["annotations"]["workers/tag"] == production.git("rev-parse", "HEAD")
    assert "code of this checkout" in _code(production, script, version)
    assert _puts(production) == [], "wrangler deployed by itself"
    again = command(production, "apply")
    assert (again.status, again.stderr) == (0, "")


def test_variables_of_a_hostile_checkout_have_no_effect(deployed_by_wrangler, command, web):
    """They would send the token elsewhere, and deploy to a Worker of another name."""
    production = deployed_by_wrangler
    lines = [
        f"CLOUDFLARE_API_BASE_URL={web.url}",
        "CLOUDFLARE_ACCOUNT_ID=ffffffffffffffffffffffffffffffff",
        "CLOUDFLARE_API_TOKEN=stolen",
        "WRANGLER_CI_OVERRIDE_NAME=stolen",
        f"HTTPS_PROXY={web.url}",
        f"HTTP_PROXY={web.url}",
    ]
    for name in (".env", ".env.local", ".env.production", ".dev.vars"):
        (production.root / name).write_text("\n".join(lines) + "\n")
    production.commit("hostile")
    said = command(production, "apply")
    assert said.status == 0, said.stderr
    production.check_live(GOOD)
    assert web.asked == []
    scripts = production.sandbox.cloudflare("GET", "/workers/scripts")
    assert "stolen" not in [each["id"] for each in scripts]


def test_only_the_named_environment_is_deployed(deployed_by_wrangler, command):
    production = deployed_by_wrangler
    (script,) = production.scripts
    config, path = production.config(production.name)["id"], production.wrangler_path(script)
    staging = f"{script}-staging"
    production.put_script(staging, config, production.upload)
    top = production.serving(script)["id"]
    file = json.loads(_without_comments(path.read_text()))
    file["env"] = {"staging": {"hyperdrive": [{"binding": BINDING, "id": config}], "vars": {"STAGE": "staging"}}}
    path.write_text(json.dumps(file, indent=2))
    production.desired["worker"]["environment"] = "staging"
    production.write()
    production.scripts.append(staging)

    said = command(production, "apply")
    assert said.status == 0, said.stderr
    version = production.serving(staging)
    new = production.config(production.config_name())["id"]
    assert production.bound_to(version) == new
    assert {"name": "STAGE", "type": "plain_text", "text": "staging"} in version["resources"]["bindings"]
    assert production.serving(script)["id"] == top
    after = json.loads(path.read_text())
    assert after["env"]["staging"]["hyperdrive"][0]["id"] == new
    assert after["hyperdrive"][0]["id"] == config


def test_a_build_does_not_see_the_neon_key(deployed_by_wrangler, command):
    production = deployed_by_wrangler
    _add_build(production, "env > seen-by-the-build")
    said = command(production, "apply", SOME_OTHER_SECRET="canary-of-the-environment")
    assert said.status == 0, said.stderr
    seen = (production.root / "seen-by-the-build").read_text()
    assert "CLOUDFLARE_API_TOKEN=" in seen, "this is not the environment that wrangler had"
    assert "NEON" not in seen
    assert production.environment["NEON_API_KEY"] not in seen
    assert "canary-of-the-environment" not in seen
    for secret in production.secrets():
        assert secret not in seen


def test_a_failed_build_switches_nothing(deployed_by_wrangler, command):
    production = deployed_by_wrangler
    (script,) = production.scripts
    before = production.deployments(script)
    # A build that prints the token must not have it printed.
    _add_build(production, "echo the token is $CLOUDFLARE_API_TOKEN; echo the reason of the failure; exit 1")
    said = command(production, "apply")
    assert (said.status, said.stdout) == (1, "")
    assert "wrangler versions upload ended with status 1" in said.stderr
    assert "the reason of the failure" in said.stderr
    assert production.deployments(script) == before
    assert production.rows() == DAMAGED

    _add_build(production, "true")
    assert command(production, "apply").status == 0
    production.check_one_of_each()
    assert production.rows() == GOOD


def test_a_missing_wrangler_says_how_to_install(deployed_by_wrangler, command):
    production = deployed_by_wrangler
    said = command(production, "apply", RECONCILER_WRANGLER="/nowhere/wrangler")
    assert said.status == 1
    assert "npm install wrangler" in said.stderr
    assert production.rows() == DAMAGED


def _add_build(production, shell):
    path = production.wrangler_path(production.scripts[0])
    file = json.loads(_without_comments(path.read_text()))
    file["build"] = {"command": shell}
    path.write_text(json.dumps(file, indent=2))
    production.commit("a build")


def _without_comments(text):
    lines = [line for line in text.splitlines() if not line.strip().startswith("//")]
    return "\n".join(lines).replace(" /* keep */", "").replace("],\n}", "]\n}")


def _code(production, script, version):
    path = f"/workers/scripts/{script}/content/v2?version={version['id']}"
    return production.sandbox.cloudflare_content(path).text


def _puts(production):
    return [each for each in production.sandbox.writes() if each.method == "PUT"]
