"""What must hold of the workflows as they are written, besides what actionlint and zizmor check."""

import re

import pytest

from tests.workflows.files import ACTION, OURS, WORKFLOWS, action, jobs, read

CREDENTIALS = {"NEON_API_KEY", "CLOUDFLARE_API_TOKEN", "CLOUDFLARE_ACCOUNT_ID"}
PROPOSE = {"contents": "write", "pull-requests": "write"}
PLAN = {"contents": "read", "pull-requests": "write", "statuses": "write"}
DRIFT = {**PROPOSE, "issues": "write", "statuses": "write"}
# Each job: its permissions, the commands that it runs, and whether these get the providers' credentials.
JOBS = {
    "apply.yml: environments": ({"contents": "read"}, ["ci environments"], False),
    "apply.yml: apply": ({**PROPOSE, "deployments": "write"}, ["ci apply"], True),
    "drift.yml: drift": (DRIFT, ["ci drift"], True),
    "drill.yml: drill": (PROPOSE, ["drill", "drill --clean", "ci drill-report"], True),
    "nightly.yml: thorough": ({"contents": "read"}, [], False),
    "plan.yml: plan": (PLAN, ["ci plan"], True),
    "restore.yml: propose": (PROPOSE, ["${{ inputs.kind }} --pr"], True),
    "restore.yml: plan": (PLAN, ["ci plan"], True),
}
PATHS = ["**/desired-state/**", "**/wrangler.jsonc", "**/wrangler.json"]
ON_DEFAULT_BRANCH = "github.ref == format('refs/heads/{0}', github.event.repository.default_branch)"
PINNED = re.compile(r"[\w-]+/[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
EVERY_JOB = pytest.mark.parametrize("name", jobs())
PLANS = pytest.mark.parametrize("name", ["plan.yml: plan", "restore.yml: plan"])


def steps():
    everywhere = [(name, step) for name, job in jobs().items() for step in job["steps"]]
    return [*everywhere, *(("action", step) for step in action()["runs"]["steps"])]


def ours(job):
    return [step for step in job["steps"] if step.get("uses") == OURS]


def test_every_job_is_known():
    assert set(JOBS) == set(jobs())


def test_actions_are_pinned_by_commit_and_version():
    lines = [line for path in (*WORKFLOWS, ACTION) for line in path.read_text().splitlines()]
    uses = {line.partition("uses: ")[2] for line in lines if re.match(r"\s+(- )?uses: ", line)} - {OURS}
    assert [each for each in uses if not PINNED.fullmatch(each)] == []
    assert {"actions/checkout", "actions/setup-python", "actions/upload-artifact"} == {
        each.partition("@")[0] for each in uses
    }


@EVERY_JOB
def test_a_job_has_the_least_permissions(name):
    assert read(name.partition(":")[0])["permissions"] == {}
    assert JOBS[name][0] == jobs()[name]["permissions"]


@EVERY_JOB
def test_a_job_runs_only_its_commands(name):
    assert JOBS[name][1] == [step["with"]["command"] for step in ours(jobs()[name])]


@EVERY_JOB
def test_credentials_reach_only_the_commands_that_need_them(name):
    job, gets_credentials = jobs()[name], JOBS[name][2]
    assert "secrets." not in str({key: each for key, each in job.items() if key != "steps"})
    for step in job["steps"]:
        asks = step.get("uses") == OURS and step["with"]["command"] != "ci drill-report"  # which needs only GitHub
        expected = CREDENTIALS if asks and gets_credentials else set()
        assert expected == set(re.findall(r"secrets\.(\w+)", str(step))), step["name"]


def test_only_the_last_step_of_the_action_has_credentials():
    *before, run = action()["runs"]["steps"]
    assert not re.search(r"github-token|api-key|api-token|github\.token|secrets\.", str(before))
    assert run["run"] == 'exec "$PROGRAM" ci action\n'.strip()


def test_no_workflow_runs_with_the_rights_of_the_base():
    for path in WORKFLOWS:
        assert not {"pull_request_target", "workflow_run", "issue_comment"} & set(read(path.name)["on"])


def test_no_script_contains_an_expression():
    assert [step for _, step in steps() if "${{" in step.get("run", "")] == []


def test_no_checkout_keeps_a_credential():
    checkouts = [step for _, step in steps() if step.get("uses", "").startswith("actions/checkout@")]
    assert {False} == {step["with"]["persist-credentials"] for step in checkouts}


@PLANS
def test_a_plan_runs_the_default_branchs_code(name):
    """The action comes from the workspace's root. The proposal is beside it, and only read."""
    trusted, proposed, plan, _ = jobs()[name]["steps"]
    assert trusted["with"]["ref"] == "${{ github.event.repository.default_branch }}"
    assert "path" not in trusted["with"]
    assert proposed["with"]["path"] == plan["with"]["root"] == "proposed"
    assert plan["uses"] == OURS


@pytest.mark.parametrize(
    ("name", "ref", "depth"),
    [
        # The merge, between whose parents the change is.
        (
            "plan.yml: plan",
            "${{ inputs.pull_request && format('refs/pull/{0}/merge', inputs.pull_request) || github.sha }}",
            2,
        ),
        # GitHub makes the merge later: the history shows where the proposal left main.
        ("restore.yml: plan", "refs/pull/${{ needs.propose.outputs.pull-request }}/head", 0),
    ],
)
def test_a_plan_sees_what_the_proposal_changes(name, ref, depth):
    proposed = jobs()[name]["steps"][1]["with"]
    assert (ref, depth) == (proposed["ref"], proposed["fetch-depth"])


def test_plan_and_apply_start_on_the_same_files():
    assert PATHS == read("plan.yml")["on"]["pull_request"]["paths"] == read("apply.yml")["on"]["push"]["paths"]


def test_only_the_default_branch_is_applied_and_drilled():
    assert ON_DEFAULT_BRANCH == jobs()["apply.yml: environments"]["if"] == jobs()["drill.yml: drill"]["if"]
    assert jobs()["drift.yml: drift"]["if"] == "github.ref_name == github.event.repository.default_branch"
    assert jobs()["plan.yml: plan"]["if"].endswith("github.base_ref == github.event.repository.default_branch")


def test_an_apply_runs_alone_and_to_its_end():
    job = jobs()["apply.yml: apply"]
    assert job["concurrency"] == {"group": "reconciler-${{ matrix.environment }}", "cancel-in-progress": False}
    assert job["environment"] == "${{ matrix.environment }}"
    assert job["strategy"]["fail-fast"] is False


def test_a_newer_plan_cancels_the_older():
    found = read("plan.yml")["concurrency"]
    assert "${{ github.event.pull_request.number || inputs.pull_request }}" in found["group"]
    assert found["cancel-in-progress"] is True


def test_a_failed_drill_is_cleaned_up_and_reported():
    job = jobs()["drill.yml: drill"]
    assert all(step["if"].startswith("always()") for step in job["steps"][2:])
    assert job["environment"] == "drill"


def test_every_input_of_the_action_is_used_and_exists():
    inputs = action()["inputs"]
    assert sorted(inputs) == sorted(re.findall(r"inputs\.([\w-]+)", str(action()["runs"])))
    for name, job in jobs().items():
        for step in ours(job):
            assert set(step["with"]) <= set(inputs), name
