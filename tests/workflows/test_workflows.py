"""What must hold of the workflows as they are written, whatever a linter says."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import workflow_files
from tests.support.command import heed_interrupts
from tests.support.expressions import embedded
from tests.support.workflow_runner import copy_project
from tests.workflows.small import ROOT, Repository

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*"))
ACTION = ROOT / ".github/actions/reconciler/action.yml"
CREDENTIALS = {"NEON_API_KEY", "CLOUDFLARE_API_TOKEN", "CLOUDFLARE_ACCOUNT_ID"}
# job -> what it may do, and whether it may know the providers' credentials.
LEAST = {
    "plan.yml: plan": ({"contents": "read", "pull-requests": "write", "statuses": "write"}, True),
    "apply.yml: environments": ({"contents": "read"}, False),
    "apply.yml: apply": ({"contents": "write", "deployments": "write", "pull-requests": "write"}, True),
    "drift.yml: drift": (
        {"contents": "write", "issues": "write", "pull-requests": "write", "statuses": "write"},
        True,
    ),
    "drill.yml: drill": ({"contents": "write", "pull-requests": "write"}, True),
    "nightly.yml: thorough": ({"contents": "read"}, False),
    "restore.yml: propose": ({"contents": "write", "pull-requests": "write"}, True),
    "restore.yml: plan": ({"contents": "read", "pull-requests": "write", "statuses": "write"}, True),
}
_PINNED = re.compile(r"[\w-]+/[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


def _read(path):
    return workflow_files.workflow(path.read_text(), path.name)


def _jobs():
    return {f"{path.name}: {name}": job for path in WORKFLOWS for name, job in _read(path)["jobs"].items()}


def _steps():
    everywhere = [(name, step) for name, job in _jobs().items() for step in job["steps"]]
    composite = workflow_files.action(ACTION.read_text(), ACTION.name)["runs"]["steps"]
    return [*everywhere, *(("action", step) for step in composite)]


def _texts(given):
    """Every text in what YAML gave."""
    match given:
        case dict():
            return [text for each in given.values() for text in _texts(each)]
        case list():
            return [text for each in given for text in _texts(each)]
        case _:
            return [str(given)]


def test_the_six_workflows_are_there():
    names = ["apply.yml", "drift.yml", "drill.yml", "nightly.yml", "plan.yml", "restore.yml"]
    assert names == [path.name for path in WORKFLOWS]


def test_every_action_of_others_is_pinned_by_its_commit_with_its_version_beside_it():
    lines = [line for path in (*WORKFLOWS, ACTION) for line in path.read_text().splitlines()]
    uses = [line.partition("uses: ")[2] for line in lines if re.match(r"\s+(- )?uses: ", line)]
    assert len(uses) == sum("uses" in step for _, step in _steps())
    others = {each for each in uses if not each.startswith("./")}
    assert [each for each in others if not _PINNED.fullmatch(each)] == []
    names = [each.partition("@")[0] for each in others]
    assert sorted(names) == ["actions/checkout", "actions/setup-python", "actions/upload-artifact"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_starts_with_no_permission_and_each_job_has_the_least(path):
    read = _read(path)
    assert read["permissions"] == {}
    for name, job in read["jobs"].items():
        assert job["permissions"] == LEAST[f"{path.name}: {name}"][0]


def test_no_workflow_runs_with_the_rights_of_the_base_for_a_pull_request():
    for path in WORKFLOWS:
        assert not {"pull_request_target", "workflow_run", "issue_comment"} & set(_read(path)["on"])


def test_no_script_has_an_expression_in_it():
    assert [step for _, step in _steps() if "${{" in step.get("run", "")] == []


def test_no_checkout_leaves_a_credential_behind():
    checkouts = [step for _, step in _steps() if step.get("uses", "").startswith("actions/checkout@")]
    assert len(checkouts) == 10
    assert [step for step in checkouts if step["with"]["persist-credentials"] is not False] == []


def test_credentials_go_to_the_action_alone_and_only_where_they_are_needed():
    """Not into an `env` of a workflow, of a job or of another step."""
    for name, job in _jobs().items():
        knows = LEAST[name][1]
        assert "secrets." not in " ".join(_texts({key: each for key, each in job.items() if key != "steps"}))
        for step in job["steps"]:
            found = set(re.findall(r"secrets\.(\w+)", " ".join(_texts(step))))
            ours = step.get("uses") == "./.github/actions/reconciler"
            asks = ours and step["with"]["command"] != "ci drill-report"  # which speaks to GitHub alone
            assert found == (CREDENTIALS if asks and knows else set()), (name, step["name"])


def test_within_the_action_only_the_command_itself_has_credentials():
    for name, step in _steps():
        if name == "action" and step.get("id") != "run":
            texts = " ".join(_texts(step))
            assert not re.search(r"github-token|api-key|api-token|github\.token|secrets\.", texts), step["name"]


def test_what_a_pull_request_proposes_is_never_where_the_code_comes_from():
    """The action is taken from the workspace's root: there is the default branch, and the proposal is beside it."""
    for name in ("plan.yml: plan", "restore.yml: plan"):
        trusted, proposed, plan, _ = _jobs()[name]["steps"]
        assert trusted["with"]["ref"] == "${{ github.event.repository.default_branch }}"
        assert "path" not in trusted["with"]
        assert (proposed["with"]["path"], plan["with"]["root"]) == ("proposed", "proposed")
        assert plan["uses"] == "./.github/actions/reconciler"


def test_a_plan_knows_what_the_proposal_changes():
    """GitHub's merge has it between its parents; the proposal alone needs the history to where it parts from main."""
    merge, alone = (_jobs()[name]["steps"][1]["with"] for name in ("plan.yml: plan", "restore.yml: plan"))
    assert ("/merge" in merge["ref"], merge["fetch-depth"]) == (True, 2)
    assert (alone["ref"].endswith("/head"), alone["fetch-depth"]) == (True, 0)


def test_plan_and_apply_start_on_the_same_files_wherever_they_are():
    plan, apply = (_read(ROOT / ".github/workflows" / name)["on"] for name in ("plan.yml", "apply.yml"))
    assert plan["pull_request"]["paths"] == apply["push"]["paths"]
    for path in ("wrangler.jsonc", "workers/api/wrangler.json", "desired-state/production.jsonc"):
        assert workflow_files.fits(plan["pull_request"]["paths"], path)
    for path in ("README.md", "desired-state.md", "docs/my-wrangler.jsonc"):
        assert not workflow_files.fits(plan["pull_request"]["paths"], path)


def test_an_apply_is_alone_in_its_environment_and_never_broken_off():
    job = _jobs()["apply.yml: apply"]
    group = {"group": "reconciler-${{ matrix.environment }}", "cancel-in-progress": False}
    assert (job["concurrency"], job["environment"]) == (group, "${{ matrix.environment }}")
    assert job["strategy"]["fail-fast"] is False
    assert embedded(_read(ROOT / ".github/workflows/plan.yml")["concurrency"]["group"])
    assert _read(ROOT / ".github/workflows/plan.yml")["concurrency"]["cancel-in-progress"] is True


def test_every_input_of_the_action_is_used_and_every_one_that_is_given_exists():
    action = workflow_files.action(ACTION.read_text(), ACTION.name)
    used = re.findall(r"inputs\.([\w-]+)", " ".join(_texts(action["runs"])))
    assert sorted(used) == sorted(action["inputs"])
    for name, step in _steps():
        if step.get("uses") == "./.github/actions/reconciler":
            assert set(step["with"]) <= set(action["inputs"]), name


class Fake:
    """Stands where the installed program would, and says what it was given."""

    def __init__(self, directory):
        self.directory = directory
        self.program = directory / "reconciler"
        self.program.write_text(
            '#!/bin/sh\nfor each in "$@"; do echo "<$each>"; done; echo "$SAY"; exit "${STATUS:-0}"\n'
        )
        self.program.chmod(0o755)
        steps = workflow_files.action(ACTION.read_text(), ACTION.name)["runs"]["steps"]
        (self.script,) = [step["run"] for step in steps if step.get("id") == "run"]

    def __call__(self, **given):
        process = self.start(**given)
        said, _ = process.communicate()
        return process.returncode, [line[1:-1] for line in said.splitlines() if line.startswith("<")]

    def start(self, **given):
        variables = {"PATH": "/usr/bin:/bin", "RUNNER_TEMP": str(self.directory), "PROGRAM": str(self.program)}
        return subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", self.script],
            env={**variables, **given}, cwd=self.directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            preexec_fn=heed_interrupts,  # noqa: PLW1509  it takes no lock
        )  # fmt: skip


@pytest.fixture
def fake(tmp_path):
    return Fake(tmp_path)


def test_the_action_gives_every_input_as_one_argument_whatever_is_in_it(fake):
    nasty = "a b; $(touch owned) `touch owned` \"' --pr"
    status, arguments = fake(COMMAND="restore --pr", ENVIRONMENT="--help", TO="10 minutes ago", REASON=nasty)
    assert (0, ["restore", "--pr", "--to=10 minutes ago", f"--reason={nasty}", "--", "--help"]) == (status, arguments)
    assert not (fake.directory / "owned").exists()


def test_the_action_names_the_environment_as_each_command_wants_it(fake):
    assert fake(COMMAND="ci apply", ENVIRONMENT="production")[1] == ["ci", "apply", "--environment=production"]
    assert fake(COMMAND="rollback --pr", ENVIRONMENT="production")[1] == ["rollback", "--pr", "--", "production"]
    assert fake(COMMAND="ci plan", ROOT="proposed", PULL_REQUEST="7")[1] == [
        "ci", "plan", "--root=proposed", "--pull-request=7",
    ]  # fmt: skip


def test_the_action_fails_as_the_command_does_but_not_for_a_difference_that_was_told(fake):
    assert [fake(COMMAND="ci drift", STATUS=status)[0] for status in "0123"] == [0, 1, 0, 3]


def test_the_action_gives_what_a_drill_is_to_destroy_one_by_one_or_all(fake):
    assert fake(COMMAND="drill", ENVIRONMENT="production", DESTROY="truncate:My Clicks,drop-role")[1] == [
        "drill", "--destroy=truncate:My Clicks", "--destroy=drop-role", "--", "production",
    ]  # fmt: skip
    assert fake(COMMAND="drill", DESTROY="all")[1] == ["drill", "--all"]
    assert fake(COMMAND="drill --clean", DESTROY="")[1] == ["drill", "--clean"]


def test_the_action_fails_where_a_drill_broke_the_promise(fake):
    assert [fake(COMMAND="drill", STATUS=status)[0] for status in "0123"] == [0, 1, 2, 3]


def test_a_drill_that_failed_is_swept_up_kept_and_reported_all_the_same():
    job = _jobs()["drill.yml: drill"]
    drill, clean, kept, report = job["steps"][1:]
    assert [each["with"].get("command") for each in (drill, clean, report)] == [
        "drill",
        "drill --clean",
        "ci drill-report",
    ]
    assert all(each["if"].startswith("always()") for each in (clean, kept, report))
    assert job["environment"] == "drill"


_TIDY = """\
#!%s
import signal

signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
print("begun", flush=True)
signal.sigwait({signal.SIGTERM})
print("tidied up", flush=True)
raise SystemExit(7)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_ends_the_job_reaches_the_command_which_ends_in_its_own_time(fake, number):
    fake.program.write_text(_TIDY % sys.executable)
    process = fake.start(COMMAND="ci apply")
    assert process.stdout.readline() == "begun\n"
    process.send_signal(number)
    assert process.communicate(timeout=20)[0] == "tidied up\n"
    assert process.returncode in {7, 128 + number}


def test_the_action_works_from_another_repository_in_one_step_and_is_installed_once(tmp_path, run):
    """Of this very version: the commit that is named, and not the package that is installed here."""
    (tmp_path / "published").mkdir()
    published = Repository(tmp_path / "published")
    copy_project(published.tree)
    marked = published.tree / "reconciler/__init__.py"
    marked.write_text(marked.read_text() + '\n__version__ = "1.2.3.of.that.commit"\n')
    commit = published.commit({})
    step = {"uses": f"owner/reconciler/.github/actions/reconciler@{commit}", "with": {"command": "--version"}}
    found = run(
        {"it": {"runs-on": "ubuntu-24.04", "steps": [step, step]}}, actions={"owner/reconciler": published.bare}
    )
    first, second = found.jobs["it"][0].steps
    assert found.conclusion == "success", found.log
    assert first.log.count("reconciler 1.2.3.of.that.commit") == second.log.count("of.that.commit") == 1
    made = [path for path in Path(tmp_path).rglob("complete") if path.parent.name.startswith("reconciler-")]
    assert len(made) == 1
