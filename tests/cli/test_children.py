"""What a person reads of declared branches: in the plan, in the comment, in the status."""

import json
from dataclasses import replace

import pytest

from reconciler.cli.plan import status_of
from reconciler.core.health.diagnosis import diagnose
from reconciler.core.model.compute import ComputeSettings
from reconciler.core.model.desired import DeclaredBranch, Method, Restore
from reconciler.core.model.hyperdrive import Settings
from reconciler.core.model.observed import Branch
from reconciler.core.plan.drift import Answer
from reconciler.core.plan.plan import plan
from reconciler.core.steps import Phase, arguments
from reconciler.core.steps.branch import ExpireHeldBranch
from reconciler.core.steps.declared import (
    CreateDatabase,
    CreateDeclaredBranch,
    DeleteDeclaredBranch,
    ExpireDeclaredBranch,
    ProtectDeclaredBranch,
    ResetDeclaredBranch,
)
from reconciler.render import declared_branches as children_status
from reconciler.render import plan as plan_text
from reconciler.render.comment import Planned, Subject, comment
from reconciler.render.wording import counted
from tests.core.files import CREATED, DESIRED, asking, hours_ago
from tests.core.health.test_health import GOOD
from tests.core.rules.test_declared import RESET, asked, kept, ours, world
from tests.core.worlds import MAIN, WORLD

SUBJECT = Subject("0123456789abcdef", "https://github.example/acme/shop/actions/runs/1/attempts/1")
SOMEBODYS = Branch("br-x", "somebodys", CREATED, MAIN.id)
MADE = {"source": "main", "environment": "production", "reset": "", "reason": ""}


def test_each_step_is_said_in_one_line_and_belongs_to_the_children():
    steps = {
        CreateDeclaredBranch(
            name="a", schema_only=True, compute=True, **MADE
        ): 'create branch "a" from the schema of "main" as it is',
        CreateDeclaredBranch(name="a", schema_only=False, compute=False, **MADE): (
            'create branch "a" from "main" as it is, without a compute'
        ),
        ResetDeclaredBranch(branch="a", source="main", keep_as="a.before-reset.x", reason=""): (
            'reset branch "a" to "main" as it is, and keep what it holds as "a.before-reset.x"'
        ),
        ExpireDeclaredBranch(branch="a", seconds=7 * 86_400, at=None, reason=""): (
            'let branch "a" expire 7 d after it was made or reset'
        ),
        ExpireDeclaredBranch(branch="a", seconds=None, at=hours_ago(-1), reason=""): (
            f'let branch "a" expire at {hours_ago(-1)}'
        ),
        ProtectDeclaredBranch(branch="a", protected=True, reason=""): 'protect branch "a"',
        ProtectDeclaredBranch(branch="a", protected=False, reason=""): 'take protection from branch "a"',
        CreateDatabase(
            branch="a", database="d", owner="app", reason=""
        ): 'create database d on branch "a", owned by app',
        DeleteDeclaredBranch(branch="a", reason=""): 'delete branch "a"',
    }
    assert {step.describe() for step in steps} == set(steps.values())
    for step, words in steps.items():
        assert step.describe() == words
        assert (step.target, step.phase) == ("a", Phase.DECLARED_BRANCHES)
        assert json.loads(json.dumps(arguments(step))) == arguments(step)


def test_an_expiry_of_what_is_held_is_said_to_be_a_deletion():
    step = ExpireHeldBranch(branch="a", seconds=14 * 86_400, reason="")
    assert step.describe() == 'have Neon delete branch "a" 14 d from then, where no apply has deleted it'
    assert (step.target, step.phase) == ("a", Phase.PROMOTE)


def test_a_plan_in_which_only_a_branch_is_refused_says_that_the_rest_is_done():
    restore = asking(Restore(hours_ago(24), "inc-42"))
    observed = world(replace(ours("staging"), child=None), SOMEBODYS)
    found = plan(replace(restore, branches=(RESET,)), observed)
    text = plan_text.as_text(found, observed)
    assert "Refused\n  child-not-ours: " in text
    assert "Steps, taken all the same" in text
    assert text.endswith("takes these steps, and leaves out what is refused")
    assert '  other    branch "somebodys" (not managed here)' in text
    assert "leaves out what is refused" in comment([Planned(found, observed)], SUBJECT)
    assert status_of(found) == 3


def test_the_plan_lists_what_is_not_managed_only_where_branches_are_declared():
    observed = world(SOMEBODYS)
    assert "not managed here" not in plan_text.as_text(plan(DESIRED, observed), observed)
    assert "not managed here" in plan_text.as_text(plan(asked(), observed), observed)


def test_the_status_tells_of_each_declared_branch_what_it_is_and_of_others_that_they_are_not_managed():
    staging = ours("staging", "b", last_reset_at=hours_ago(1), expires_at=hours_ago(-1))
    theirs = Branch("br-t", "theirs", CREATED, protected=True)
    observed = world(staging, kept("b", 1), theirs, SOMEBODYS)
    desired = asked(RESET, DeclaredBranch("theirs"), DeclaredBranch("missing"))
    found = plan(desired, observed)
    facts = children_status.facts(desired, observed)
    assert [(each["name"], each["id"]) for each in facts] == [
        ("staging", "br-staging"),
        ("theirs", "br-t"),
        ("missing", None),
    ]
    assert facts[0]["kept"] == ["staging.before-reset.b"]
    assert [children_status.line(each) for each in facts] == [
        (
            f'"staging" (br-staging), from main, reset at {hours_ago(1)}, expires at {hours_ago(-1)}, '
            "keeps staging.before-reset.b"
        ),
        '"theirs" (br-t), made by somebody else, a root branch, protected',
        '"missing", not there',
    ]
    assert children_status.unmanaged(desired, observed, found.lineage) == ["somebodys"]
    assert children_status.unmanaged(DESIRED, replace(WORLD, branches=(MAIN,)), found.lineage) == []


def test_what_we_made_and_the_file_does_not_declare_any_more_is_managed_here_and_deleted():
    observed = world(ours("staging", "b"), kept("b", 1), SOMEBODYS)
    found = plan(asked(), observed)
    assert found.steps
    assert children_status.unmanaged(asked(), observed, found.lineage) == ["somebodys"]
    assert set(children_status.unmanaged(DESIRED, observed, found.lineage)) > {"staging", "somebodys"}


NOWHERE = DeclaredBranch("preview", "nowhere")
TOO_MANY = replace(DESIRED.hyperdrive, settings=Settings(connection_limit=97))
SMALL = replace(MAIN, endpoint=replace(MAIN.endpoint, settings=ComputeSettings(0.25, 0.25)))


@pytest.mark.parametrize(
    "desired", [asked(NOWHERE), replace(DESIRED, hyperdrive=TOO_MANY)], ids=["of a branch", "of a setting"]
)
def test_what_is_refused_and_keeps_no_restore_does_not_say_that_nothing_will_be_done(desired):
    observed = replace(WORLD, branches=(SMALL,))
    found = plan(desired, observed)
    assert found.refusals
    assert found.keeps_no_restore
    for text in (plan_text.as_text(found, observed), comment([Planned(found, observed)], SUBJECT)):
        assert "all the rest is as the file asks, and a restore would not wait for this" in text
        assert "nothing will be changed" not in text
    diagnosis = diagnose(replace(GOOD, desired=desired, observed=observed))
    (check,) = [each for each in diagnosis.checks if each.name == "desired state"]
    assert not any(check.stops(method) for method in Method)


def test_drift_that_is_put_right_all_the_same_is_said_to_be():
    desired = asked(NOWHERE, desired=replace(DESIRED, primary=replace(DESIRED.primary, protected=True)))
    found = plan(desired, WORLD)
    assert [each.answer for each in found.drift] == [Answer.REPAIRED]
    assert [step.wire_name for step in found.steps] == ["ProtectBranch"]


def test_steps_are_counted_in_words():
    assert [counted(each) for each in (0, 1, 2)] == ["0 steps", "1 step", "2 steps"]
