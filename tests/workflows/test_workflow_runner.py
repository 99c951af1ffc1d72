"""What the runner of workflows does as GitHub does it; each claim with a small workflow."""

from pathlib import Path

import pytest

from tests.support.expressions import ExpressionError
from tests.support.workflow_files import WorkflowError
from tests.support.workflow_runner import NOBODY, Runner
from tests.workflows.small import CHECKOUT, OUTPUT, job, sh

# What starts.


def _on(**events):
    return {"on": events, "jobs": {"it": job(sh("true"))}}


def test_a_push_starts_what_its_branch_and_its_paths_ask_for(repository, tmp_path):
    first = repository.commit({
        ".github/workflows/paths.yml": _on(push={"paths": ["desired-state/**"]}),
        ".github/workflows/branches.yml": _on(push={"branches": ["release/*"]}),
        ".github/workflows/others.yml": _on(push={"paths-ignore": ["**/*.md"]}, pull_request=None),
        ".github/workflows/hand.yml": _on(workflow_dispatch=None),
    })  # fmt: skip
    runner = Runner(directory=tmp_path / "runner", repository=repository.bare)

    def started(before, files, branch="main"):
        after = repository.commit(files, branch)
        return after, [run.workflow for run in runner.push(before, after, branch)]

    second, runs = started(first, {"desired-state/production.jsonc": "{}"})
    assert ["others.yml", "paths.yml"] == runs
    third, runs = started(second, {"README.md": "text"})
    assert runs == []
    assert started(third, {"code.py": ""}, "release/1")[1] == ["branches.yml", "others.yml"]
    assert started(NOBODY, {"more.md": ""}, "feature")[1] == ["others.yml"]


def test_a_pull_request_is_judged_by_what_it_changes_itself(repository, tmp_path):
    repository.commit({".github/workflows/it.yml": _on(pull_request={"paths": ["asked/**"]}), "other": "1"})
    asked = repository.commit({"asked/it": "1"}, "asking")
    repository.git("checkout", "--quiet", "main")
    other = repository.commit({"other": "2"}, "aside")
    repository.git("checkout", "--quiet", "main")
    repository.commit({"asked/main": "moved on"})
    runner = Runner(directory=tmp_path / "runner", repository=repository.bare)
    assert [run.event for run in runner.pull_request(1, "main", asked)] == ["pull_request"]
    assert runner.pull_request(2, "main", other) == []
    assert runner.pull_request(1, "main", asked, activity="closed") == []


def test_a_form_is_filled_in_as_its_inputs_say(repository, tmp_path):
    described = {
        "on": {"workflow_dispatch": {"inputs": {
            "kind": {"type": "choice", "options": ["a", "b"], "default": "a"},
            "number": {"type": "number"}, "yes": {"type": "boolean"}, "name": {"required": True, "type": "string"},
        }}},
        "run-name": "${{ inputs.kind }} ${{ inputs.name }}",
        "jobs": {"it": job(sh('echo "$ALL"; cat "$GITHUB_EVENT_PATH"', env={"ALL": "${{ toJSON(inputs) }}"}))},
    }  # fmt: skip
    repository.commit({".github/workflows/it.yml": described})
    runner = Runner(directory=tmp_path / "runner", repository=repository.bare)
    (run,) = runner.dispatch("it.yml", {"name": "n", "number": "7", "yes": "true"})
    assert ("a n", "success") == (run.name, run.conclusion)
    assert '"yes": true' in run.log
    assert '"number": "7"' in run.log
    for wrong in ({}, {"name": "n", "kind": "c"}, {"name": "n", "other": "x"}, {"name": "n", "yes": "perhaps"}):
        with pytest.raises(WorkflowError):
            runner.dispatch("it.yml", wrong)
    with pytest.raises(WorkflowError):
        runner.schedule("it.yml")


def test_a_schedule_runs_on_the_default_branch(repository, tmp_path):
    described = _on(schedule=[{"cron": "23 * * * *"}])
    described["jobs"]["it"]["steps"][0]["run"] = 'echo "$GITHUB_EVENT_NAME $GITHUB_REF"'
    repository.commit({".github/workflows/it.yml": described})
    (run,) = Runner(directory=tmp_path / "runner", repository=repository.bare).schedule("it.yml")
    assert "schedule refs/heads/main" in run.log


# Jobs.


def test_jobs_run_after_those_they_need_and_get_their_outputs(run):
    found = run({
        "second": job(sh("echo got $IT", env={"IT": "${{ needs.first.outputs.it }}"}), needs="first"),
        "first": job(sh('echo "it=from first" >> "$GITHUB_OUTPUT"', id="a"), outputs={"it": OUTPUT}),
    })  # fmt: skip
    assert "got from first" in found.jobs["second"][0].log
    assert list(found.jobs) == ["first", "second"]


def test_after_a_failure_only_what_asks_for_it_runs(run):
    found = run({
        "first": job(
            sh("exit 3", name="fails"), sh("true"), sh("true", **{"if": "always()"}),
            sh("true", **{"if": "${{ failure() }}"}),
        ),
        "second": job(sh("true"), needs=["first"]),
        "third": job(sh("true"), needs=["second"]),
        "tidy": job(sh("true"), needs=["first"], **{"if": "failure() && needs.first.result == 'failure'"}),
    })  # fmt: skip
    assert {"first": "failure", "second": "skipped", "third": "skipped", "tidy": "success"} == {
        name: jobs[0].conclusion for name, jobs in found.jobs.items()
    }
    assert ["failure", "skipped", "success", "success"] == [step.outcome for step in found.jobs["first"][0].steps]
    assert (3, "failure") == (found.jobs["first"][0].step("fails").status, found.conclusion)


def test_a_failure_that_is_forgiven_stops_nothing(run):
    found = run(
        {
            "it": job(
                sh("false", id="a", **{"continue-on-error": True}), sh("echo $IT", env={"IT": "${{ steps.a.outcome }}"})
            )
        }
    )
    step = found.jobs["it"][0].steps[0]
    assert ("failure", "success", "success") == (step.outcome, step.conclusion, found.conclusion)
    assert "failure" in found.jobs["it"][0].steps[1].log


def test_a_matrix_makes_a_job_of_each_value_with_its_own_environment_and_group(run):
    found = run({"it": job(
        sh("echo for $IT; [ $IT != a ]", env={"IT": "${{ matrix.environment }}"}),
        strategy={"fail-fast": False, "matrix": {"environment": "${{ fromJSON('[\"a\", \"b\"]') }}"}},
        environment="${{ matrix.environment }}", name="Apply ${{ matrix.environment }}",
        concurrency={"group": "reconciler-${{ matrix.environment }}", "cancel-in-progress": False},
    )})  # fmt: skip
    first, second = found.jobs["it"]
    assert (("a", "failure"), ("b", "success")) == tuple(
        (each.environment, each.conclusion) for each in (first, second)
    )
    assert ({"group": "reconciler-b", "cancel-in-progress": False}, "Apply b") == (second.concurrency, second.name)


def test_with_fail_fast_the_rest_of_a_matrix_is_cancelled(run):
    found = run({"it": job(sh("false"), strategy={"matrix": {"n": [1, 2]}})})
    assert [each.conclusion for each in found.jobs["it"]] == ["failure", "cancelled"]


def test_an_empty_matrix_is_an_error(run):
    with pytest.raises(WorkflowError):
        run({"it": job(sh("true"), strategy={"matrix": {"n": []}})})


def test_a_job_has_the_permissions_that_it_asks_for_and_no_others(run):
    asked = {}
    found = run(
        {"some": job(sh("true"), permissions={"contents": "write", "issues": "none"}), "none": job(sh("true"))},
        workflow={"permissions": {}, "concurrency": {"group": "g-${{ github.ref_name }}"}},
        token=lambda job: asked.update({job.id: job.permissions}) or f"token of {job.id}",
    )  # fmt: skip
    assert {"some": {"contents": "write"}, "none": {}} == asked
    assert found.concurrency == {"group": "g-main"}


# Steps.


def test_variables_are_merged_from_the_workflow_to_the_step(run):
    found = run(
        {"it": job(sh("echo $A $B $C", env={"C": "step ${{ env.B }}"}), env={"B": "job", "C": "job"})},
        workflow={"env": {"A": "workflow", "B": "workflow"}},
    )
    assert "workflow job step job" in found.log


def test_a_step_hands_on_outputs_variables_and_paths_through_files(run):
    found = run({"it": job(
        sh('mkdir bin; printf "#!/bin/sh\\necho called" > bin/tool; chmod +x bin/tool\n'
           'echo "$PWD/bin" >> "$GITHUB_PATH"; echo NAME=value=with >> "$GITHUB_ENV"\n'
           'printf "many<<END\\nline one\\nline two\\nEND\\n" >> "$GITHUB_OUTPUT"\n'
           'echo "# said" >> "$GITHUB_STEP_SUMMARY"', id="a"),
        sh('tool; echo "$NAME ${#MANY}"', env={"MANY": "${{ steps.a.outputs.many }}"}),
    )})  # fmt: skip
    first, second = found.jobs["it"][0].steps
    assert ({"many": "line one\nline two"}, "# said\n") == (first.outputs, first.summary)
    assert second.log == "called\nvalue=with 17\n"


def test_a_script_runs_with_the_options_of_github_in_its_directory(run):
    found = run({"it": job(
        sh("mkdir inside"), sh('pwd; echo "$-"; set -o | grep pipefail', **{"working-directory": "inside"}),
        sh("false | true; echo never"),
    )})  # fmt: skip
    steps = found.jobs["it"][0].steps
    assert "/inside\n" in steps[1].log
    assert "pipefail       \ton" in steps[1].log
    assert ("failure", "") == (steps[2].outcome, steps[2].log)


def test_workflow_commands_become_annotations_and_masks_and_can_be_stopped(run):
    found = run({"it": job(sh(
        "echo '::error file=a%2Cb.yml,line=3,title=T%3A1::went 100%25 wrong%0Ahere'; echo '::add-mask::hush'\n"
        "echo '::stop-commands::xyz'; echo '::warning::not this'; echo '::xyz::'; echo '::notice::done'"
    ))})  # fmt: skip
    error, notice = found.annotations
    assert ("error", "a,b.yml", "3", "T:1") == (error.level, error.file, error.line, error.title)
    assert ("went 100% wrong\nhere", "done") == (error.message, notice.message)
    step = found.jobs["it"][0].steps[0]
    assert (["hush"], True, False) == (step.masks, "::warning::not this" in step.log, "hush" in step.log)


def test_a_command_that_github_has_taken_away_is_an_error(run):
    with pytest.raises(WorkflowError):
        run({"it": job(sh("echo '::set-output name=a::b'"))})


def test_a_process_sees_what_a_runner_has_and_nothing_of_the_tests(run, monkeypatch):
    monkeypatch.setenv("NEON_API_KEY", "of the tests")
    found = run({"it": job(sh("env"))}, secrets={"KEPT": "canary"}, environment={"GITHUB_API_URL": "http://here"})
    seen = dict(line.split("=", 1) for line in found.jobs["it"][0].steps[0].log.splitlines() if "=" in line)
    assert {
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "GITHUB_API_URL": "http://here",
        "GITHUB_EVENT_NAME": "push",
    }.items() <= seen.items()
    assert ("NEON_API_KEY" in seen, "GITHUB_TOKEN" in seen, "canary" in found.log) == (False, False, False)
    assert Path(seen["HOME"]) != Path.home()


def test_a_secret_reaches_only_the_step_that_it_is_passed_to(run):
    found = run(
        {"it": job(
            sh("echo $S $T", env={"S": "${{ secrets.A }}", "T": "${{ secrets.GITHUB_TOKEN }}"}), sh("echo [$S]"),
        )},
        secrets={"A": "canary"}, token=lambda _: "the-token",
    )  # fmt: skip
    assert [step.log for step in found.jobs["it"][0].steps] == ["canary the-token\n", "[]\n"]


def test_a_secret_is_never_an_output_of_a_job_and_never_in_an_if(run):
    found = run(
        {"it": job(sh('echo "it=$S" >> "$GITHUB_OUTPUT"', id="a", env={"S": "${{ secrets.A }}"}),
                   outputs={"it": OUTPUT})},
        secrets={"A": "canary"},
    )  # fmt: skip
    assert found.jobs["it"][0].outputs == {}
    with pytest.raises(ExpressionError):
        run({"it": job(sh("true", **{"if": "secrets.A != ''"}))}, secrets={"A": "canary"})


def test_a_job_with_an_environment_has_its_secrets_as_well(run):
    found = run(
        {"it": job(sh("echo $S", env={"S": "${{ secrets.A }}"}), environment="production")},
        secrets={"A": "everywhere"}, environment_secrets={"production": {"A": "production only"}},
    )  # fmt: skip
    assert "production only" in found.log


def test_a_pull_request_of_a_fork_gets_no_secret_and_may_only_read(repository, tmp_path):
    steps = [sh("echo [$S]", env={"S": "${{ secrets.A }}"})]
    described = {"on": "pull_request", "permissions": {"contents": "write"}, "jobs": {"it": job(*steps)}}
    repository.commit({".github/workflows/it.yml": described})
    head = repository.commit({"it": "1"}, "change")
    runner = Runner(directory=tmp_path / "runner", repository=repository.bare, secrets={"A": "canary"})
    (run,) = runner.pull_request(1, "main", head, head_repository="somebody/fork")
    assert ("[]\n", {"contents": "read"}) == (run.jobs["it"][0].steps[0].log, run.jobs["it"][0].permissions)
    (run,) = runner.pull_request(1, "main", head)
    assert run.jobs["it"][0].steps[0].log == "[canary]\n"


def test_a_step_that_does_not_end_is_ended(run):
    found = run({"it": job(sh("sleep 100", **{"timeout-minutes": 0.005}))})
    assert ("failure", True) == (found.conclusion, "timed out" in found.annotations[0].message)


@pytest.mark.parametrize(
    "wrong",
    [
        {"jobs": {"it": {**job(sh("true")), "services": {}}}}, {"jobs": {"it": job({"run": "true", "uses": "./a"})}},
        {"jobs": {"it": job(sh("true", shell="pwsh"))}}, {"jobs": {"it": job(sh("true", timeout=1))}},
        {"permissions": {"content": "read"}}, {"permissions": {"contents": "all"}}, {"defaults": {}},
        {"on": {"pull_request_target": None}}, {"on": {"push": {"path": ["a"]}}},
        {"on": {"schedule": [{"cron": "soon"}]}},
        {"jobs": {"it": job({"uses": "somebody/else@v1"})}}, {"jobs": {"it": job(sh("true"), needs="it")}},
        {"jobs": {"it": job({"uses": CHECKOUT, "with": {"submodules": "true"}})}},
        {"jobs": {"it": job(sh("true", id="a"), sh("true", id="a"))}},
    ],
)  # fmt: skip
def test_what_is_not_known_is_an_error_and_never_left_out(run, wrong):
    with pytest.raises(WorkflowError):
        run(
            wrong.get("jobs", {"it": job(sh("true"))}),
            workflow={key: each for key, each in wrong.items() if key != "jobs"},
        )


def test_a_key_given_twice_is_an_error(repository, tmp_path):
    text = "on: push\njobs:\n  it:\n    runs-on: x\n    steps:\n      - run: a\n        run: b\n"
    commit = repository.commit({".github/workflows/it.yml": text})
    with pytest.raises(WorkflowError):
        Runner(directory=tmp_path / "runner", repository=repository.bare).push(NOBODY, commit)
