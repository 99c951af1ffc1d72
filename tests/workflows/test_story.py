"""The whole life of a restore in pull requests, from an empty remote, by the jobs of the workflows."""

import json

import pytest

from tests.support.database import DAMAGED, GOOD, text
from tests.workflows.hub import ENVIRONMENT, NO_COMMIT, Hub


@pytest.fixture
def hub(production, command, tmp_path):
    hub = Hub(production, command, tmp_path)
    yield hub
    hub.close()


def test_a_restore_from_proposal_to_rollback_and_drift(hub):
    first_apply_finds_nothing_to_do(hub)
    timeline = restore_is_proposed_planned_and_applied(hub)
    history_has_the_restore(hub)
    rollback_makes_origin_live_again(hub)
    drift_is_one_issue_until_it_is_over(hub, timeline)
    form_proposes_and_plans_a_restore(hub)
    assert hub.api.violations == []
    hub.check_no_secret()


def first_apply_finds_nothing_to_do(hub):
    [apply] = hub.pushed(NO_COMMIT)
    assert apply.status == 0, apply.stdout
    hub.check_serves(DAMAGED)


def restore_is_proposed_planned_and_applied(hub):
    good, reason = text(hub.production.shop.good), "0042 dropped Listing"
    timeline, digest, number = hub.proposed("restore", ENVIRONMENT, "--to", good, "--id", "inc-42", "--reason", reason)
    plan = hub.opened(number)
    assert plan.status == 0, plan.stdout
    [comment] = hub.api.comments(number)
    for part in (timeline, digest, "```mermaid"):
        assert part in comment.body
    [status] = hub.api.statuses(hub.api.pull(number).head_commit)
    assert (status.context, status.state) == ("reconciler/plan/production", "success")
    assert digest in next(path for path in hub.files if path.exists()).read_text()
    hub.check_serves(DAMAGED)

    [apply] = hub.merged(number)
    assert apply.status == 0, apply.stdout
    hub.check_serves(GOOD)
    assert timeline in apply.summary
    assert f"exactly the plan that was reviewed: {digest}" in apply.summary
    assert [each["state"] for each in hub.api.deployments()[-1].states] == ["in_progress", "success"]
    return timeline


def history_has_the_restore(hub):
    entries = json.loads(hub.say("history", ENVIRONMENT, "--format", "json"))["entries"]
    assert [each["outcome"] for each in entries if each["entry"] == "apply"] == ["converged", "in sync"]
    assert "inc-42: 0042 dropped Listing" in [note for each in entries for note in each["notes"]]


def rollback_makes_origin_live_again(hub):
    timeline, _, number = hub.proposed("rollback", ENVIRONMENT, "--reason", "the migration was right")
    assert timeline == "origin"
    assert hub.opened(number).status == 0
    [apply] = hub.merged(number)
    assert apply.status == 0, apply.stdout
    hub.check_serves(DAMAGED)


def drift_is_one_issue_until_it_is_over(hub, timeline):
    """The Worker is deployed by hand with another binding."""
    production, script = hub.production, hub.production.scripts[0]
    right = production.bound_to(production.serving(script))
    production.put_script(script, production.config(f"{production.name}-{timeline}")["id"], production.upload)
    for _ in range(2):
        assert hub.run_job("drift.yml", "drift", event="schedule")[0].status == 0
        [issue] = hub.api.issues()
        assert issue.state == "open"
        assert script in issue.body
    production.put_script(script, right, production.upload)
    assert hub.run_job("drift.yml", "drift", event="schedule")[0].status == 0
    [issue] = hub.api.issues()
    assert issue.state == "closed"


def form_proposes_and_plans_a_restore(hub):
    good = text(hub.production.shop.good)
    ended = hub.by_form(kind="restore", environment=ENVIRONMENT, to=good, id="inc-43", reason="no laptop at hand")
    assert [each.status for each in ended] == [0, 0]
    [comment] = hub.api.comments(hub.api.pulls()[-1].number)
    assert "no laptop at hand" in comment.body
    hub.check_serves(DAMAGED)
