"""`reconciler doctor` names what is wrong with a set-up, and says whether a restore would work today."""

import json
import re
import shutil
from contextlib import contextmanager

import httpx
import psycopg
import pytest

from reconciler.cli.doctor import reading as doctor_reading
from tests.support.desk import FILE, Desk, written
from tests.support.production import Production
from tests.support.remotes import HttpRemote, git
from tests.support.shops import DATABASE, PRIMARY, ROLE


@pytest.fixture(scope="module")
def desk(sandbox, shops, tmp_path_factory):
    """A clone of a production that is in order; each test puts back what it breaks."""
    root = tmp_path_factory.mktemp("production")
    production = Production(sandbox, shops.take(), root)
    desk = Desk(production, tmp_path_factory.mktemp("desk"))
    desk.production = production
    desk.push({FILE: written(production.desired)}, "as people write it")
    yield desk
    production.remove()


@pytest.fixture
def doctor(desk, run, monkeypatch):
    """Run doctor: its status, and its lines as (sign, check, the rest). It must not write anything."""
    monkeypatch.setattr(doctor_reading, "_LOGIN_SECONDS", 3.0)

    def examine(**variables):
        before, refs = desk.state(), git(desk.root, "ls-remote", str(desk.remote.path))
        desk.sandbox.forget_requests()
        said = run(desk, "doctor", **variables)
        assert desk.sandbox.writes() == []
        assert desk.state() == before
        assert git(desk.root, "ls-remote", str(desk.remote.path)) == refs
        *lines, verdict = said.stdout.splitlines()
        assert all("\n" not in line for line in lines)
        return said.status, [tuple(re.split(r" {2,}", line, maxsplit=2)) for line in lines], verdict

    return examine


# What breaks a set-up: each puts it back. What it yields are variables for the command.


def variable(name, value):
    @contextmanager
    def plant(desk):
        yield {name: value}

    return plant


def switched(half, **settings):
    @contextmanager
    def plant(desk):
        before = desk.sandbox.switches()[half]
        desk.sandbox.switch(half, **settings)
        yield {}
        desk.sandbox.switch(half, **before)

    return plant


@contextmanager
def changed(path, *replacements):
    before = text = path.read_text()
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    yield {}
    path.write_text(before)


def in_file(old, new):
    return lambda desk: changed(desk.root / FILE, (old.replace("PROJECT", desk.shop.project), new))


def in_wrangler_file(old, new):
    return lambda desk: changed(next(desk.root.glob("*.jsonc")), (old, new))


@contextmanager
def without_history(desk):
    path = f"/projects/{desk.shop.project}"
    desk.sandbox.neon("PATCH", path, json={"project": {"history_retention_seconds": 0}})
    yield {}
    desk.sandbox.neon("PATCH", path, json={"project": {"history_retention_seconds": 86_400}})


@contextmanager
def branches(desk, *names):
    path = f"/projects/{desk.shop.project}/branches"
    parent = desk.production.branch(PRIMARY)["id"]
    made = []
    for name in names:
        answer = desk.sandbox.neon("POST", path, json={"branch": {"name": name, "parent_id": parent}})
        made.append(answer["branch"]["id"])
    yield
    for identity in reversed(made):
        desk.sandbox.neon("DELETE", f"{path}/{identity}")


@contextmanager
def full_project(desk):
    with branches(desk, *(f"dev-{n}" for n in range(9))), switched("neon", subscription_type="free_v3")(desk):
        yield {}


@contextmanager
def restricted_primary(desk):
    method = ('"branch": "main"', '"method": "in-place", "branch": "kid"')
    with branches(desk, "kid"), changed(desk.root / FILE, method):
        yield {}


@contextmanager
def full_account(desk):
    origin = httpx.URL(desk.production.uri(desk.production.branch(PRIMARY)))
    body = {
        "scheme": "postgres", "host": origin.host, "port": origin.port, "database": DATABASE, "user": ROLE,
        "password": origin.password,
    }  # fmt: skip
    room = 25 - len(desk.production.configs())
    made = [
        desk.sandbox.cloudflare("POST", "/hyperdrive/configs", json={"name": f"other-{n}", "origin": body})["id"]
        for n in range(room)
    ]
    yield {}
    for identity in made:
        desk.sandbox.cloudflare("DELETE", f"/hyperdrive/configs/{identity}")


@contextmanager
def pooled_origin(desk):
    config = desk.production.config(desk.production.name)
    origin = httpx.URL(desk.production.uri(desk.production.branch(PRIMARY)))
    path = f"/hyperdrive/configs/{config['id']}"
    pooled = {"host": "ep-shop-pooler.localhost", "port": origin.port}
    desk.sandbox.cloudflare("PATCH", path, json={"origin": pooled})
    yield {}
    desk.sandbox.cloudflare("PATCH", path, json={"origin": {"host": origin.host, "port": origin.port}})


@contextmanager
def disabled_compute(desk):
    path = f"/projects/{desk.shop.project}/endpoints"
    (endpoint,) = desk.sandbox.neon("GET", path)["endpoints"]
    desk.sandbox.neon("PATCH", f"{path}/{endpoint['id']}", json={"endpoint": {"disabled": True}})
    yield {}
    desk.sandbox.neon("PATCH", f"{path}/{endpoint['id']}", json={"endpoint": {"disabled": False}})


@contextmanager
def role_that_is_shut_out(desk):
    primary = desk.production.branch(PRIMARY)
    roles = f"/projects/{desk.shop.project}/branches/{primary['id']}/roles"
    desk.sandbox.neon("POST", roles, json={"role": {"name": "guest"}})
    with psycopg.connect(desk.production.uri(primary), autocommit=True) as connection:
        connection.execute(f"revoke connect on database {DATABASE} from public")
        with changed(desk.root / FILE, (f'"{ROLE}"', '"guest"')):
            yield {}
        connection.execute(f"grant connect on database {DATABASE} to public")
    desk.sandbox.neon("DELETE", f"{roles}/guest")


def with_programs(**versions):
    """Have the Worker deployed with wrangler, and these versions of programs on the PATH; git is there too."""

    @contextmanager
    def plant(desk):
        directory = desk.root.parent / "programs"
        directory.mkdir(exist_ok=True)
        for name, version in {"node": "v22.12.0", "wrangler": "4.164.0", **versions}.items():
            path = directory / name
            path.unlink(missing_ok=True)
            if version:
                path.write_text(version if version.startswith("#!") else f"#!/bin/sh\necho '{version}'\n")
                path.chmod(0o755)
        deploy = ('"binding": "HYPERDRIVE"', '"binding": "HYPERDRIVE", "deploy": "wrangler"')
        with changed(desk.root / FILE, deploy):
            yield {"PATH": _path(directory)}

    return plant


def _path(directory):
    """The directory, and a link to git: nothing else that this machine has by these names."""
    link = directory / "git"
    if not link.exists():
        link.symlink_to(shutil.which("git"))
    return str(directory)


@contextmanager
def without_remote(desk):
    desk.git("remote", "rename", "origin", "elsewhere")
    yield {}
    desk.git("remote", "rename", "elsewhere", "origin")


@contextmanager
def remote_that_refuses(desk):
    remote = HttpRemote(desk.root.parent / "hub")
    git(remote.path, "config", "http.receivepack", "false")
    desk.git("remote", "set-url", "origin", remote.url_with_credentials)
    yield {}
    desk.git("remote", "set-url", "origin", desk.remote.url)
    remote.close()


FAILED, UNKNOWN, WARNING, _ = ORDER = "FAILED", "unknown", "warning", "ok"
FAULTS = {
    "no Neon key": (variable("NEON_API_KEY", None), FAILED, "NEON_API_KEY", "not set .*-> make a key"),
    "a Neon key of nobody": (variable("NEON_API_KEY", "napi_nobody"), FAILED, "NEON_API_KEY", "401.*-> .*not valid"),
    "a key with a blank": (variable("NEON_API_KEY", "napi two"), FAILED, "NEON_API_KEY", "no token has -> copy it"),
    "a Neon key for another project": (
        switched("neon", key_for_another_project=True), FAILED, "Neon project", "404.*-> .*make a key for that project",
    ),
    "no Cloudflare account": (
        variable("CLOUDFLARE_ACCOUNT_ID", None), FAILED, "CLOUDFLARE_API_TOKEN", "CLOUDFLARE_ACCOUNT_ID -> make",
    ),
    "a token without Hyperdrive": (
        switched("cloudflare", token_lacks=["hyperdrive-read"]), FAILED, "CLOUDFLARE_API_TOKEN",
        "-> .*grant it Account > Hyperdrive > Edit",
    ),
    "a token without Workers": (
        switched("cloudflare", token_lacks=["workers-read"]), FAILED, "CLOUDFLARE_API_TOKEN",
        "-> .*grant it Account > Workers Scripts > Edit",
    ),
    "the wrong project": (
        in_file('"PROJECT"', '"damp-hill-00000000"'), FAILED, "Neon project", "404.*-> .*compare primary.project",
    ),
    "no history": (without_history, FAILED, "history window", "keeps no history .*-> .*aise the history window"),
    "no primary": (in_file('"main"', '"prod"'), FAILED, "primary", 'no branch is named "prod".*-> set primary.branch'),
    "a restricted primary": (
        restricted_primary, FAILED, "restore in place", 'restoring "kid" in place now: .*-> .*"method": "branch"',
    ),
    "a full project": (full_project, FAILED, "branches left", "has 10 branches.* 10, and 1 more is needed -> delete"),
    "a full account": (full_account, FAILED, "Hyperdrive configs", "has 25 Hyperdrive configs.*-> delete a config"),
    "a pooled origin": (pooled_origin, FAILED, "Hyperdrive origin", "ep-shop-pooler.* -> .*without -pooler"),
    "a compute that is off": (disabled_compute, UNKNOWN, "login", "-> look at the compute"),
    "a role that is not there": (in_file(f'"{ROLE}"', '"nobody"'), FAILED, "login", "-> compare .*nobody"),
    "a role that is shut out": (role_that_is_shut_out, FAILED, "login", "not let in .*permission denied.*-> compare"),
    "no binding": (
        in_wrangler_file('"HYPERDRIVE"', '"OTHER"'), FAILED, "binding HYPERDRIVE", "only OTHER -> correct the name",
    ),
    "a Worker of another name": (
        in_wrangler_file('"name": "', '"name": "un'), FAILED, "Worker un", "no deployment.*-> deploy it once",
    ),
    "no wrangler": (with_programs(wrangler=""), FAILED, "wrangler", "not on the PATH.*-> install wrangler"),
    "an old wrangler": (with_programs(wrangler="3.99.0"), FAILED, "wrangler", "3.99.0 is too old.*-> npm install"),
    "a broken wrangler": (with_programs(wrangler="#!/nowhere\n"), FAILED, "wrangler", "can't be started .*-> "),
    "a wrangler that fails": (
        with_programs(wrangler="#!/bin/sh\necho 'requires at least Node 22'; exit 1\n"), FAILED, "wrangler",
        "--version ended with status 1; it said: requires at least Node 22",
    ),
    "no Node": (with_programs(node=""), FAILED, "Node", "not on the PATH.*-> install Node"),
    "an old Node": (with_programs(node="v20.20.2"), FAILED, "Node", "20.20.2 is too old, wrangler 4.164.0 needs 22"),
    "no remote": (without_remote, WARNING, "Git remote", "has no remote.*-> git remote add"),
    "a remote that refuses pushes": (remote_that_refuses, FAILED, "lease", "refs/reconciler/lease.* -> .*credentials"),
}  # fmt: skip
# These leave a restore by branch possible.
HARMLESS = ("a compute that is off", "no remote")


def test_a_good_set_up_has_only_good_lines(doctor):
    status, lines, verdict = doctor()
    assert status == 0
    assert {line[0] for line in lines} == {"ok"}, lines
    assert len(lines) >= 20
    assert verdict == ('production: a restore would work today by "branch", as the file says ("in-place" works too)')


def test_the_method_of_the_file_is_judged(doctor, desk):
    with in_file('"branch": "main"', '"method": "in-place", "branch": "main"')(desk):
        status, _, verdict = doctor()
    assert status == 0
    assert verdict == 'production: a restore would work today by "in-place", as the file says ("branch" works too)'


def test_a_file_with_mistakes_is_told_as_everywhere(run, desk):
    with in_file('"branch": "main"', '"brunch": "main"')(desk):
        said = run(desk, "doctor")
    assert (said.status, said.stdout) == (1, "")
    assert "brunch" in said.stderr


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_comes_first_with_its_remedy(doctor, desk, fault):
    plant, sign, check, said = FAULTS[fault]
    with plant(desk) as variables:
        status, lines, verdict = doctor(**variables)
    found = [line for line in lines if line[0] == sign and line[1].startswith(check)]
    assert [line for line in found if re.search(said, line[2])], lines
    assert [ORDER.index(line[0]) for line in lines] == sorted(ORDER.index(line[0]) for line in lines)
    assert lines[0][0] == sign
    assert status == (0 if fault in HARMLESS else 1)
    assert ("would fail today" in verdict) == (status == 1)


@pytest.mark.parametrize(
    ("guarded", "sign", "said"),
    [
        ("", "warning", "main is not protected -> protect it"),
        ("protected", "ok", "main is"),
        ("ruled", "ok", "main is"),
    ],
)
def test_an_unprotected_default_branch_is_a_warning(doctor, make_github, desk, guarded, sign, said):
    github = make_github(bare=desk.remote.path)
    if guarded:
        getattr(github, guarded).add("main")
    status, lines, _ = doctor(**github.environment)
    (line,) = [line for line in lines if line[1] == "branch protection"]
    assert (status, line[0]) == (0, sign)
    assert said in line[2]


def test_an_unknown_branch_protection_stops_no_restore(doctor):
    status, lines, _ = doctor(GITHUB_REPOSITORY="acme/shop")
    (line,) = [line for line in lines if line[1] == "branch protection"]
    assert (status, line[0]) == (0, "unknown")
    assert "GITHUB_TOKEN is not set" in line[2]


def test_a_slow_provider_hides_nothing_else(doctor, desk, monkeypatch):
    monkeypatch.setattr(doctor_reading, "_PROVIDERS_SECONDS", 1.5)
    desk.sandbox.fault("delay:6000", "GET", "/hyperdrive/configs$", times=20)
    desk.sandbox.fault("status:503", "GET", "/operations", times=50)
    status, lines, verdict = doctor()
    desk.sandbox.calm()
    assert (status, [line[:2] for line in lines[:2]]) == (
        1,
        [("unknown", "Neon at work"), ("unknown", "Hyperdrive configs")],
    )
    assert ("503" in lines[0][2], "no answer came in time" in lines[1][2]) == (True, True)
    assert {line[1] for line in lines if line[0] == "ok"} >= {"primary", "login", "lease"}
    assert "in its way: Neon at work, Hyperdrive configs" in verdict


def test_who_is_at_work_is_said(desk, run):
    tree = desk.git("rev-parse", "HEAD^{tree}")
    commit = desk.git("commit-tree", tree, "-m", "nonsense")
    desk.git("push", "--quiet", "origin", f"{commit}:refs/reconciler/lease/production")
    said = run(desk, "doctor")
    desk.git("push", "--quiet", "origin", ":refs/reconciler/lease/production")
    assert said.status == 0
    assert re.search("^warning +lease +.* is at work since", said.stdout, re.MULTILINE)


def test_a_remote_that_is_not_there_is_named(doctor, desk):
    desk.git("remote", "set-url", "origin", "/nowhere/at/all")
    status, lines, _ = doctor()
    desk.git("remote", "set-url", "origin", desk.remote.url)
    assert status == 1
    assert [line[:2] for line in lines[:2]] == [("unknown", "Git remote"), ("unknown", "lease")]
    assert "there is no repository" in lines[0][2]


@pytest.mark.parametrize(
    ("variables", "sign", "said"),
    [
        ({"RECONCILER_REMOTE": ""}, "ok", "as RECONCILER_REMOTE says"),
        ({"RECONCILER_REMOTE": "x"}, "FAILED", "no remote"),
    ],
)
def test_the_environment_names_the_remote(doctor, variables, sign, said):
    _, lines, _ = doctor(**variables)
    (line,) = [line for line in lines if line[1] == "Git remote"]
    assert (line[0], said in line[2]) == (sign, True)


def test_a_sandbox_leaves_the_teams_remote_alone(doctor, desk):
    desk.git("remote", "set-url", "origin", "https://git.example.invalid/acme/shop.git")
    status, lines, _ = doctor()
    desk.git("remote", "set-url", "origin", desk.remote.url)
    assert status == 0
    assert ("ok", "Git remote", "not used: Neon is a sandbox on this machine, and the remote is elsewhere") in lines


def test_doctor_has_json_and_markdown(run, desk):
    facts = json.loads(run(desk, "doctor", "--format", "json", NEON_API_KEY=None).stdout)
    assert (facts["environment"], facts["method"], facts["would_work"]) == ("production", "branch", False)
    first = facts["checks"][0]
    assert (first["check"], first["state"], first["needed"]) == ("NEON_API_KEY", "failed", ["branch", "in-place"])
    table = run(desk, "doctor", "--format", "markdown").stdout.splitlines()
    assert (table[0], len(table)) == ("| | check | seen | what to do |", len(facts["checks"]) + 8)
