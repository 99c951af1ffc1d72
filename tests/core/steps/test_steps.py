"""A step is data: what it would do is told in JSON's terms, and its reason is no part of it."""

import json
from dataclasses import fields, replace

import pytest
from hypothesis import given

from reconciler.core.model.desired import HttpGate, Restore
from reconciler.core.plan.plan import plan
from reconciler.core.steps import VerifyBranch, arguments
from tests.core.worlds import DESIRED, WORLD, asked, asking, hours_ago, world_for

RESTORE = Restore(hours_ago(24), "inc-42")
GATED = replace(DESIRED, verify=replace(DESIRED.verify, http=(HttpGate("health", "https://961tech.example/"),)))


@given(asked())
def test_every_field_of_every_step_but_its_reason_is_told_in_the_words_of_json(desired):
    for step in plan(desired, world_for(desired, protected=True)).steps:
        told = arguments(step)
        assert set(told) == {field.name for field in fields(step)} - {"reason"}
        assert told == json.loads(json.dumps(told))


def test_moments_timelines_and_choices_are_told_by_their_names():
    steps = {type(step).__name__: arguments(step) for step in plan(asking(RESTORE, GATED), WORLD).steps}
    assert (str(RESTORE.to), "origin") == (steps["CreateBranch"]["at"], steps["CreateBranch"]["source_timeline"])
    assert steps["VerifyBranch"]["gates"] == ["listings"]
    assert steps["UploadVersion"]["driver"] == "rebind"
    assert steps["VerifyLive"]["on_failure"] == "rollback"


def test_the_reason_of_a_step_makes_it_no_other_step():
    (step, *_) = plan(asking(RESTORE), WORLD).steps
    assert step == replace(step, reason="said in other words")
    assert step != replace(step, name="main.candidate.other")


@pytest.mark.parametrize(
    ("at", "checks"),
    [(RESTORE.to, ("identity", "login", "tables", "listings")), (None, ("identity", "login", "listings"))],
)
def test_a_branch_is_checked_for_its_identity_its_login_its_tables_at_a_moment_and_by_the_gates_of_the_file(at, checks):
    assert VerifyBranch(branch="b", gates=("listings",), tables_at=at, reason="").checks == checks
