"""`import`: the file of what somebody has built already, with which `plan` is in sync at once, or nothing."""

import json

import pytest

from reconciler.core.file import jsonc
from reconciler.providers.neon import client
from tests.support import canned
from tests.support.answers import Answers, Reply
from tests.support.existing_account import ROLE, ExistingAccount
from tests.support.plain_words import run_main
from tests.support.sandbox_process import SandboxProcess

FILE, SCHEMA = "desired-state/production.jsonc", "desired-state/schema.json"


@pytest.fixture(scope="module")
def rowless():
    """A sandbox without PostgreSQL, as no row is looked at here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1")
        process = SandboxProcess("--without-postgres")
        yield process
        process.close()


@pytest.fixture
def make_account(rowless, tmp_path):
    made = []

    def make(place="checkout", **options):
        made.append(ExistingAccount(rowless, tmp_path / place, **options))
        return made[-1]

    yield make
    for account in made:
        account.remove()


@pytest.fixture
def account(make_account):
    """One project, one Worker, one binding."""
    made = make_account()
    made.worker()
    return made


@pytest.fixture
def run(rowless, monkeypatch, capsys):
    """Run a command in the root of an account, in this process: (status, stdout, stderr)."""

    def run(place, *arguments, directory=".", **environment):
        monkeypatch.chdir(place.root / directory)
        for name, value in (rowless.environment | environment).items():
            monkeypatch.setenv(name, value)
        return run_main(monkeypatch, capsys, *arguments)

    return run


def imported(run, account, *options, name="production"):
    """Import, see that plan and validate agree with it at once, and return what the file says and how."""
    account.sandbox.forget_requests()
    status, stdout, stderr = run(account, "import", name, *options)
    assert (status, stdout) == (0, f"desired-state/{name}.jsonc\n{SCHEMA}\n"), stderr
    assert stderr.endswith("plan: in sync\n")
    assert run(account, "plan", name)[0] == 0
    assert run(account, "validate")[0] == 0
    assert account.sandbox.writes() == []
    text = (account.root / "desired-state" / f"{name}.jsonc").read_text()
    return jsonc.read(text).value, text, stderr


def refused(run, account, *arguments, status=1, **environment):
    """Import what does not fit: nothing is written, nowhere. Return what was said."""
    account.sandbox.forget_requests()
    before = sorted(account.root.rglob("*"))
    found, stdout, stderr = run(account, "import", "production", *arguments, **environment)
    assert (found, stdout) == (status, ""), stderr
    assert "hint: " in stderr
    assert sorted(account.root.rglob("*")) == before
    assert account.sandbox.writes() == []
    return stderr


# five projects, each built in another way


def test_the_named_binding_of_several_is_imported(run, make_account):
    account = make_account(databases=("shop", "stats"))
    shop, stats = account.config(), account.config(database="stats")
    account.wrangler(SHOP=shop, STATS=stats)
    account.deploy(f"{account.name}-api", SHOP=shop, STATS=stats)
    said = refused(run, account)
    assert "the top level of wrangler.jsonc has 2 Hyperdrive bindings: SHOP, STATS" in said
    assert "--binding SHOP" in said
    value, text, told = imported(run, account, "--binding", "STATS")
    assert value["hyperdrive"] == {"name": f"{account.name}-stats", "database": "stats", "role": ROLE}
    assert value["worker"] == {"config": "wrangler.jsonc", "binding": "STATS"}
    assert "a restore leaves SHOP as it is" in text
    assert f'binding SHOP points to branch "main" too (config "{account.name}-shop", database shop)' in told


def test_two_workers_of_one_database_are_listed(run, account):
    account.neon("PATCH", f"/branches/{account.branch}", branch={"protected": True})
    config = json.loads((account.root / "wrangler.jsonc").read_text())["hyperdrive"][0]["id"]
    account.wrangler("jobs/wrangler.jsonc", name=f"{account.name}-jobs", DB=config)
    account.deploy(f"{account.name}-jobs", DB=config)
    (account.root / "node_modules" / "x").mkdir(parents=True)
    (account.root / "node_modules" / "x" / "wrangler.jsonc").write_text("not ours")
    value, text, _ = imported(run, account)
    assert value["worker"] == [
        {"config": "wrangler.jsonc", "binding": "HYPERDRIVE"},
        {"config": "jobs/wrangler.jsonc", "binding": "DB"},
    ]
    assert "the default branch, protected, a root" in text


def test_a_root_with_children_is_origin(run, account):
    child = account.add_branch("staging")
    account.config(f"{account.name}-staging", branch=child)
    account.add_branch("main.held.by.somebody")
    value, text, _ = imported(run, account)
    assert list(value) == ["$schema", "primary", "hyperdrive", "worker"]
    assert value["primary"] == {
        "project": account.project, "branch": "main", "restore": None, "method": "branch", "hold": "7d",
    }  # fmt: skip
    assert '"restore": null, // the original timeline: no branch shows a restore' in text
    lines = [line for line in text.splitlines() if line.strip(" {}[],") and not line.startswith("//")]
    assert [line for line in lines if " // " not in line] == ['  "$schema": "./schema.json",', '  "primary": {']


def test_the_wrangler_environment_of_that_name_is_preferred(run, make_account):
    account = make_account()
    child = account.add_branch("staging")
    config, staging = account.config(), account.config(f"{account.name}-staging", branch=child)
    account.wrangler(env={"production": {"DB": config}, "staging": {"DB": staging}, "bare": {}}, DB=staging)
    account.deploy(f"{account.name}-api-production", DB=config)
    value, _, told = imported(run, account)
    assert value["worker"] == {"config": "wrangler.jsonc", "binding": "DB", "environment": "production"}
    assert value["hyperdrive"]["name"] == f"{account.name}-shop"
    assert "env.production, which has this environment's name" in told


def test_import_works_from_a_directory_below(run, make_account):
    account = make_account(branch="production")
    config = account.config()
    account.wrangler("apps/api/wrangler.jsonc", HYPERDRIVE=config)
    account.deploy(f"{account.name}-api", HYPERDRIVE=config)
    status, text, stderr = run(account, "import", "live", "--worker", "wrangler.jsonc", "--print", directory="apps/api")
    assert (status, stderr.splitlines()[-1]) == (0, "plan: in sync")
    value, written, _ = imported(run, account, name="live")
    assert written == text
    assert value["primary"]["branch"] == "production"
    assert value["worker"]["config"] == "apps/api/wrangler.jsonc"


# others that fit


def test_the_project_is_found_on_any_page(run, make_account, monkeypatch):
    others = [make_account(place=f"other{number}") for number in range(2)]
    account = make_account()
    account.worker()
    monkeypatch.setattr(client, "PAGE", 1)
    value, _, _ = imported(run, account)
    assert value["primary"]["project"] == account.project not in [each.project for each in others]


def test_a_project_without_a_worker_is_imported(run, make_account):
    account = make_account()
    assert "--without-worker --project ID" in refused(run, account)
    assert "none is named" in refused(run, account, "--without-worker")
    options = ("--without-worker", "--project", account.project)
    assert 'has no branch "nobody"' in refused(run, account, *options, "--branch", "nobody")
    value, text, _ = imported(run, account, *options, "--branch", "main")
    assert list(value) == ["$schema", "primary"]
    status, printed, _ = run(account, "import", "other", *options, "--print", "--even-if-not-in-sync")
    assert (status, jsonc.read(printed).value) == (0, value)
    assert "as --branch says" in text
    assert "no Worker points to one; the default branch" in printed


def test_a_lost_file_is_imported_with_its_timeline(run, account):
    timeline, config = "r-20261121T095500000Z-inc-42", f"{account.name}-shop"
    marks = {"reconciler.environment": "production", "reconciler.timeline": timeline}
    child = account.add_branch("next", annotation_value=marks)
    account.neon("PATCH", f"/branches/{account.branch}", branch={"name": f"main.held.origin.before.{timeline}"})
    account.neon("PATCH", f"/branches/{child}", branch={"name": "main"})
    account.neon("POST", f"/branches/{child}/set_as_default")
    restored = account.config(f"{config}-{timeline}", branch=child)
    before = (account.root / "wrangler.jsonc").read_text()
    assert "which is no primary: a restore of" in refused(run, account)
    account.wrangler(HYPERDRIVE=restored)
    account.deploy(f"{account.name}-api", HYPERDRIVE=restored)
    assert before != (account.root / "wrangler.jsonc").read_text()
    status, stdout, stderr = run(account, "import", "live")
    assert (status, stdout) == (3, "")
    assert "provenance-unknown" in stderr
    assert "it was restored as production: reconciler import production" in stderr
    value, text, _ = imported(run, account)
    assert value["primary"]["restore"] == {"to": "2026-11-21T09:55:00.000Z", "id": "inc-42"}
    assert value["hyperdrive"]["name"] == config
    assert "from the branch's annotations" in text


# what does not fit: told with the remedy, and nothing is written


def test_an_existing_file_is_never_overwritten(run, account):
    imported(run, account)
    (account.root / FILE).write_text("mine")
    assert "exists already" in refused(run, account)
    assert account.sandbox.requests() == []
    assert run(account, "import", "production", "--print")[0] == 0
    assert (account.root / FILE).read_text() == "mine"


def test_a_worker_on_another_config_is_refused(run, account):
    other = account.config("other")
    account.deploy(f"{account.name}-api", HYPERDRIVE=other)
    said = refused(run, account, status=3)
    assert f'Worker {account.name}-api is deployed with Hyperdrive config "other", and its file names another' in said
    assert "deploy what the file says (wrangler deploy)" in said
    status, stdout, _ = run(account, "import", "production", "--even-if-not-in-sync")
    assert (status, stdout) == (0, f"{FILE}\n{SCHEMA}\n")
    assert run(account, "plan")[0] == 2


def test_a_worker_that_is_not_deployed_is_refused(run, make_account):
    account = make_account()
    account.wrangler(HYPERDRIVE=account.config())
    assert "worker-not-deployed: " in refused(run, account, status=3)


def test_a_primary_must_be_the_default_branch(run, account):
    account.neon("POST", f"/branches/{account.add_branch('dev')}/set_as_default")
    said = refused(run, account, status=3)
    assert 'neon branches set-default "main"' in said
    assert "plan: not in sync, 1 step\n" in said


def test_a_branch_without_the_config_is_refused(run, account):
    account.add_branch("dev")
    assert "hyperdrive-differs: " in refused(run, account, "--branch", "dev", status=3)


def test_what_another_file_claims_is_refused(run, account):
    imported(run, account, name="live")
    said = refused(run, account, status=3)
    assert "branch-claimed-twice: " in said
    assert "worker-claimed-twice: " in said


def test_several_wrangler_environments_are_a_question(run, account):
    account.wrangler(env={"staging": {"DB": "0" * 32}}, DB="1" * 32)
    said = refused(run, account)
    assert 'none of them is named "production": the top level, env.staging' in said
    assert '--wrangler-environment staging, or --wrangler-environment "" for the top level' in said
    said = refused(run, account, "--wrangler-environment", "")
    assert f"names Hyperdrive config {'1' * 32}, and the account has no such one (" in said
    assert "CLOUDFLARE_ACCOUNT_ID" in said
    assert "in env.nobody. wrangler.jsonc: " in refused(run, account, "--wrangler-environment", "nobody")


def test_an_environment_without_a_database_is_not_guessed(run, account):
    account.wrangler(env={"production": None}, DB="1" * 32)
    said = refused(run, account)
    assert (
        "no Hyperdrive binding for production was found. wrangler.jsonc: the top level (DB), env.production (none)"
        in said
    )


def test_workers_on_different_databases_are_a_question(run, account):
    account.wrangler("stats/wrangler.jsonc", name="stats", DB=account.config("stats"))
    said = refused(run, account)
    assert f'wrangler.jsonc (Worker {account.name}-api, HYPERDRIVE: "{account.name}-shop")' in said
    assert 'stats/wrangler.jsonc (Worker stats, DB: "stats")' in said
    imported(run, account, "--worker", "wrangler.jsonc")


def test_a_config_outside_neon_is_refused(run, make_account):
    account = make_account()
    config = account.config(host="localhost")
    account.wrangler(HYPERDRIVE=config)
    said = refused(run, account)
    assert f'"{account.name}-shop" points to localhost, and no compute in the ' in said
    assert "projects that NEON_API_KEY reaches" in said
    assert f"in project {account.project}" in refused(run, account, "--project", account.project)


@pytest.mark.parametrize("name", ["Production!", "a/b", ""])
def test_a_bad_environment_name_is_refused(run, account, name):
    account.sandbox.forget_requests()
    status, stdout, stderr = run(account, "import", name)
    assert (status, stdout) == (1, "")
    assert "cannot be an environment" in stderr
    assert account.sandbox.requests() == []


def test_a_file_that_cannot_be_written_is_an_error(run, account):
    (account.root / "desired-state").write_text("a file")
    status, stdout, stderr = run(account, "import", "production")
    assert (status, stdout) == (1, "")
    assert "can't be written" in stderr


def test_a_worker_outside_of_the_repository_is_refused(run, account):
    (account.root.parent / "wrangler.jsonc").write_text("{}")
    assert "is outside of" in refused(run, account, "--worker", "../wrangler.jsonc")


# what the sandbox does not do


@pytest.fixture
def recorded():
    """Both providers, as they answered once; `change` says what they answer instead."""
    answers = Answers()
    replies = dict(canned.REPLIES)
    replies["GET /projects$"] = {"projects": [{"id": canned.PROJECT}], "pagination": {"cursor": canned.PROJECT}}

    def reply(method, path):
        if method == "GET" and path.startswith("/projects?") and "cursor=" in path:
            return Reply(body=answers.pages())
        if path.startswith(("/projects?", "/users/")):
            return answers.listing(path)
        return Reply(body=replies.get(canned.key_of(method, path), {}))

    answers.listing = lambda _: Reply(body=replies["GET /projects$"])
    answers.replies, answers.reply = replies, reply
    answers.pages = lambda: {"projects": []}
    yield answers
    answers.close()


def at(recorded):
    return {
        "NEON_API_HOST": recorded.url, "CLOUDFLARE_API_BASE_URL": recorded.url, "CLOUDFLARE_ACCOUNT_ID": canned.ACCOUNT,
    }  # fmt: skip


def recorded_worker(account):
    (account.root / "wrangler.jsonc").write_text(
        json.dumps({"name": canned.SCRIPT, "hyperdrive": [{"binding": "HYPERDRIVE", "id": canned.OLD_CONFIG}]})
    )


def test_a_pooled_host_is_refused(run, account, recorded):
    recorded_worker(account)
    key = "GET .*/hyperdrive/configs"
    text = json.dumps(recorded.replies[key]).replace("ep-cool-old.", "ep-cool-old-pooler.")
    recorded.replies[key] = json.loads(text)
    said = refused(run, account, status=3, **at(recorded))
    assert "pooled-origin: ep-cool-old-pooler." in said
    assert "without -pooler" in said


def test_a_personal_key_searches_every_organization(run, account, recorded):
    recorded_worker(account)

    def listing(path):
        if path.startswith("/users/me/organizations"):
            return Reply(body={"organizations": [{"id": "org-empty"}, {"id": "org-ours"}]})
        if "org_id=" not in path:
            return Reply(status=400, body={"code": "", "message": "org_id is required, you can find it"})
        return Reply(body={"projects": [{"id": canned.PROJECT}] if "org-ours" in path else []})

    recorded.listing = listing
    status, stdout, stderr = run(account, "import", "production", "--print", **at(recorded))
    assert status == 0, stderr
    assert f'"project": "{canned.PROJECT}"' in stdout


def test_a_key_that_lists_no_projects_needs_an_option(run, account, recorded):
    recorded_worker(account)
    recorded.listing = lambda _: Reply(status=404, body={"code": "", "message": "not allowed for project keys"})
    said = refused(run, account, **at(recorded))
    assert "not allowed for project keys" in said
    assert "--project ID" in said
    assert run(account, "import", "production", "--print", "--project", canned.PROJECT, **at(recorded))[0] == 0


def test_an_endless_list_of_projects_is_an_error(run, account, recorded):
    recorded_worker(account)
    recorded.replies["GET /projects$"] = {"projects": [{"id": "another"}], "pagination": {"cursor": "again"}}
    recorded.pages = lambda: recorded.replies["GET /projects$"]
    assert "the list of the projects does not end" in refused(run, account, **at(recorded))
