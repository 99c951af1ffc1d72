"""The actions that the runner of workflows imitates, and the composite ones that it runs."""

import subprocess

import pytest

from tests.support import package_cache
from tests.support.expressions import ExpressionError
from tests.support.workflow_files import WorkflowError
from tests.support.workflow_runner import NOBODY, Runner
from tests.workflows.small import CHECKOUT, UPLOAD, Repository, job, sh


def test_checkout_brings_the_commit_of_the_push_and_leaves_no_credential(run):
    found = run({"it": job(
        {"uses": CHECKOUT, "with": {"persist-credentials": False}},
        sh('git rev-parse HEAD; git branch --show-current; git rev-list --count HEAD; git config --list; cat file'),
    )}, files={"file": "of the repository"}, token=lambda _: "canary")  # fmt: skip
    log = found.jobs["it"][0].steps[1].log
    assert ("main" in log.splitlines(), "of the repository" in log, "extraheader" in log) == (True, True, False)


def test_checkout_persists_a_credential_unless_told_otherwise(run):
    found = run({"it": job({"uses": CHECKOUT}, sh("git config --list"))})
    assert "extraheader=AUTHORIZATION: basic" in found.log


def test_checkout_of_a_pull_request_is_detached_and_as_deep_as_asked(repository, tmp_path):
    checkout = {"uses": CHECKOUT, "with": {"path": "proposed", "fetch-depth": 2, "persist-credentials": False}}
    base = {"uses": CHECKOUT, "with": {"ref": "main", "persist-credentials": False}}
    look = "git -C {} symbolic-ref -q HEAD || echo detached; git -C {} rev-list --count HEAD; ls {}"
    described = {
        "on": "pull_request",
        "jobs": {"it": job(base, checkout, sh(look.format(*["proposed"] * 3)), sh(look.format(*"...")))},
    }
    for number in range(3):
        repository.commit({".github/workflows/it.yml": described, "number": str(number)})
    head = repository.commit({"theirs": "1"}, "change")
    (run,) = Runner(directory=tmp_path / "runner", repository=repository.bare).pull_request(9, "main", head)
    proposed, trusted = run.jobs["it"][0].steps[2:]
    # The merge, and both of its parents.
    assert proposed.log.split() == ["detached", "3", "number", "theirs"]
    assert trusted.log.split() == ["refs/heads/main", "1", "number", "proposed"]


def test_checkout_of_all_history_has_every_branch_and_the_commit_of_the_event(repository, tmp_path):
    steps = [
        {"uses": CHECKOUT, "with": {"fetch-depth": 0}},
        sh("git rev-list --count HEAD; git rev-parse HEAD; git branch --remotes"),
    ]
    described = {"on": "push", "jobs": {"it": job(*steps)}}
    repository.commit({"other": ""}, "another")
    first = repository.commit({".github/workflows/it.yml": described})
    repository.commit({"later": ""})
    (run,) = Runner(directory=tmp_path / "runner", repository=repository.bare).push(NOBODY, first)
    count, head, *branches = run.jobs["it"][0].steps[1].log.split()
    assert ("2", first, ["origin/another", "origin/main"]) == (count, head, branches)


def test_a_pull_request_that_was_just_opened_can_be_checked_out(repository, tmp_path):
    checkout = {"uses": CHECKOUT, "with": {"ref": "refs/pull/4/head"}}
    described = {"on": "workflow_dispatch", "jobs": {"it": job(checkout, sh("cat theirs"))}}
    repository.commit({".github/workflows/it.yml": described})
    repository.commit({"theirs": "proposed"}, "change")
    runner = Runner(directory=tmp_path / "runner", repository=repository.bare, branches_of=lambda _: ("main", "change"))
    (run,) = runner.dispatch("it.yml")
    assert (run.conclusion, run.jobs["it"][0].steps[1].log) == ("success", "proposed\n")


def test_a_checkout_of_what_is_not_there_fails_the_job(run):
    found = run({"it": job({"uses": CHECKOUT, "with": {"ref": "absent"}})})
    assert ("failure", "git fetch" in found.annotations[0].message) == (found.conclusion, True)


def test_an_artefact_holds_what_was_there_and_can_be_required(run):
    upload = {"uses": UPLOAD, "with": {"name": "plan", "path": "${{ runner.temp }}/plan.md"}}
    found = run({"it": job(upload, sh('echo planned > "$RUNNER_TEMP/plan.md"'), upload), "none": job(
        {"uses": UPLOAD, "with": {"path": "nothing", "if-no-files-found": "error"}}
    )})  # fmt: skip
    assert {"plan": {"plan.md": b"planned\n"}} == found.artifacts
    assert ("warning", "failure") == (found.annotations[0].level, found.jobs["none"][0].conclusion)


ACTION = {
    "name": "it", "description": "it",
    "inputs": {
        "who": {"description": "who", "required": True},
        "how": {"description": "how", "default": "${{ github.ref_name }}"},
    },
    "outputs": {"said": {"description": "what", "value": "${{ steps.say.outputs.said }}"}},
    "runs": {"using": "composite", "steps": [
        {"id": "say", "shell": "bash", "env": {"WHO": "${{ inputs.who }}", "HOW": "${{ inputs.how }}"},
         "run": 'echo "said=$WHO $HOW $(basename "$GITHUB_ACTION_PATH")" >> "$GITHUB_OUTPUT"; echo "[$OUTER]"'},
        {"shell": "bash", "run": "echo cleaned", "if": "always()"},
    ]},
}  # fmt: skip


def test_a_composite_action_gets_its_inputs_and_gives_its_outputs(run):
    found = run({"it": job(
        {"uses": CHECKOUT}, {"uses": "./actions/it", "id": "it", "with": {"who": "me"}, "env": {"OUTER": "seen"}},
        sh("echo $SAID", env={"SAID": "${{ steps.it.outputs.said }}"}),
    )}, files={"actions/it/action.yml": ACTION})  # fmt: skip
    steps = found.jobs["it"][0].steps
    assert ("[seen]\ncleaned\n", "me main it\n") == (steps[1].log, steps[2].log)


def test_a_composite_action_has_no_secrets_and_takes_only_its_inputs(run):
    wrong = {**ACTION, "runs": {"using": "composite", "steps": [{"shell": "bash", "run": "echo ${{ secrets.A }}"}]}}
    step = {"uses": "./actions/it", "with": {"who": "me"}}
    with pytest.raises(ExpressionError):
        run({"it": job({"uses": CHECKOUT}, step)}, files={"actions/it/action.yml": wrong}, secrets={"A": "canary"})
    for given in ({"who": "me", "whom": "you"}, {}):
        with pytest.raises(WorkflowError):
            run({"it": job({"uses": CHECKOUT}, {**step, "with": given})}, files={"actions/it/action.yml": ACTION})


def test_a_failure_within_a_composite_action_fails_its_step_after_what_always_runs(run):
    fails = {
        **ACTION,
        "runs": {"using": "composite", "steps": [{"shell": "bash", "run": "exit 1"}, *ACTION["runs"]["steps"]]},
    }
    found = run(
        {"it": job({"uses": CHECKOUT}, {"uses": "./actions/it", "with": {"who": "me"}})},
        files={"actions/it/action.yml": fails},
    )
    assert (["failure", "skipped", "success"], "failure") == (
        [step.outcome for step in found.jobs["it"][0].steps[1].steps], found.conclusion,
    )  # fmt: skip


def test_an_action_of_another_repository_is_used_at_its_commit_in_one_step(run, tmp_path):
    (tmp_path / "other").mkdir()
    other = Repository(tmp_path / "other")
    commit = other.commit({"actions/it/action.yml": ACTION, "beside": ""})
    other.commit({"actions/it/action.yml": "name: newer"})
    found = run(
        {"it": job({"uses": f"owner/actions/actions/it@{commit}", "with": {"who": "you"}, "id": "it"})},
        actions={"owner/actions": other.bare},
    )
    assert (found.conclusion, found.jobs["it"][0].steps[0].outputs) == ("success", {"said": "you main it"})


def test_a_virtual_environment_has_what_reconciler_needs_and_nothing_else(tmp_path):
    python, made = package_cache.python(tmp_path), tmp_path / "venv"
    subprocess.run([python, "-m", "venv", made], check=True)

    def imports(name):
        program = [made / "bin/python", "-I", "-c", f"import {name}"]
        return subprocess.run(program, capture_output=True).returncode == 0

    assert all(imports(name) for name in ("click", "httpx", "psycopg", "pip", "setuptools"))
    assert not any(imports(name) for name in ("pytest", "aiohttp", "hypothesis", "reconciler"))


def test_a_job_starts_with_nothing_of_the_one_before_but_the_environments_it_keeps(run):
    found = run({
        "first": job(sh('touch here "$RUNNER_TEMP/there"; mkdir "$RUNNER_TEMP/reconciler-1"')),
        "second": job(sh('ls . "$RUNNER_TEMP" | grep -v "[.]sh$" | grep -v github_'), needs="first"),
    })  # fmt: skip
    assert [line for line in found.jobs["second"][0].steps[0].log.split() if not line.endswith(":")] == ["reconciler-1"]
