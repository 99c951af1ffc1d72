"""What somebody does by hand, what was applied before it, and the issue that comes of it."""

import httpx

from reconciler.core.file.reading import read_desired_state
from reconciler.core.records.receipt import Identities, Receipt, Result
from reconciler.providers.clock import SystemClock
from reconciler.providers.git.notes import Notes
from reconciler.providers.git.repository import Repository
from tests.support.desk import FILE, Desk, written
from tests.support.shops import DATABASE, PRIMARY, ROLE
from tests.support.waiting import eventually

TOKEN = "canary-github-token"
MARKER = "<!-- reconciler:drift:production -->"
ACCEPT = "accept/production"


def new_desk(production, directory):
    """A clone of a production, whose file was applied."""
    desk = Desk(production, directory)
    desk.push({FILE: written(production.desired)}, "as people write it")
    applied(desk)
    return desk


def applied(desk, result=Result.CONVERGED, commit="origin/main", detail="", run=""):
    """Write the receipt of an apply of what is on main, or on another commit."""
    desk.git("fetch", "--quiet", "origin", "main")
    commit = desk.git("rev-parse", commit)
    receipt = Receipt(
        environment="production", commit=commit, changed=False, began=str(SystemClock().now()), seconds=1.0,
        before="origin", asked="origin", after="origin", digest="0" * 16, result=result, detail=detail, steps=(),
        gates=(), ids=Identities("p"), outside=(), actor="ada", run=run, tool="1",
    )  # fmt: skip
    notes = Notes(Repository.containing(desk.root))
    notes.add(commit, receipt.line)
    notes.push()


def serve_from_elsewhere(production, name="by-hand", branch=PRIMARY):
    """Deploy the Worker with another Hyperdrive config: to the live branch, unless another is named."""
    origin = httpx.URL(production.uri(production.branch(branch)))
    config = production.sandbox.cloudflare(
        "POST",
        "/hyperdrive/configs",
        json={
            "name": f"{production.name}-{name}",
            "origin": {
                "scheme": "postgres", "host": origin.host, "port": origin.port, "database": DATABASE,
                "user": ROLE, "password": origin.password,
            },
        },
    )  # fmt: skip
    production.put_script(production.scripts[0], config["id"], production.upload)
    return config


def elsewhere(production):
    """The name of a branch that is not live."""
    path = f"/projects/{production.project}/branches"
    wanted = {"branch": {"name": "elsewhere"}, "endpoints": [{"type": "read_write"}]}
    if "elsewhere" not in production.branches():
        production.sandbox.neon("POST", path, json=wanted)
        eventually(production.is_idle, "the branch elsewhere", pause=0.05)
    return "elsewhere"


def repair(production):
    """Deploy the Worker with the config that the file names."""
    production.put_script(production.scripts[0], production.config(production.name)["id"], production.upload)


def issues(github):
    return [each for each in github.issues() if each.state == "open"]


def the_issue(github):
    (issue,) = issues(github)
    assert MARKER in issue.body
    assert issue.labels == ["reconciler-drift"]
    return issue


def merged_file(desk):
    text = desk.remote_file("main")
    return read_desired_state(text, file=FILE, environment="production", now=SystemClock().now())
