"""What a person reads of declared branches: in the plan, in the comment, in the status."""

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
from reconciler.render import declared_branches
from reconciler.render.comment import Planned, Subject, comment
from reconciler.render.plan import as_text
from tests.core.files import CREATED, DESIRED, asking, hours_ago
from tests.core.health.test_health import GOOD
from tests.core.rules.test_declared import RESET, asked, kept, ours, world
from tests.core.worlds import MAIN, WORLD

SUBJECT = Subject("0123456789abcdef", "https://github.example/acme/shop/actions/runs/1/attempts/1")
SOMEBODYS = Branch("br-x", "somebodys", CREATED, MAIN.id)


def test_a_refused_branch_leaves_the_other_steps():
    restore = asking(Restore(hours_ago(24), "inc-42"))
    observed = world(replace(ours("staging"), child=None), SOMEBODYS)
    found = plan(replace(restore, branches=(RESET,)), observed)
    text = as_text(found, observed)
    assert "Refused\n  child-not-ours: " in text
    assert "Steps, taken all the same" in text
    assert text.endswith("takes these steps, and leaves out what is refused.")
    assert "leaves out what is refused" in comment([Planned(found, observed)], SUBJECT)
    assert status_of(found) == 3


@pytest.mark.parametrize(("desired", "is_listed"), [(DESIRED, False), (asked(), True)], ids=["none declared", "some"])
def test_unmanaged_branches_are_listed_beside_declared_ones(desired, is_listed):
    observed = world(SOMEBODYS)
    text = as_text(plan(desired, observed), observed)
    assert is_listed == ('  other     branch "somebodys" (not managed here)' in text)


def test_the_status_describes_each_declared_branch():
    staging = ours("staging", "b", last_reset_at=hours_ago(1), expires_at=hours_ago(-1))
    theirs = Branch("br-t", "theirs", CREATED, protected=True)
    observed = world(staging, kept("b", 1), theirs, SOMEBODYS)
    desired = asked(RESET, DeclaredBranch("theirs"), DeclaredBranch("missing"))
    found = plan(desired, observed)
    facts = declared_branches.facts(desired, observed)
    assert [(each["name"], each["id"]) for each in facts] == [
        ("staging", "br-staging"),
        ("theirs", "br-t"),
        ("missing", None),
    ]
    assert facts[0]["kept"] == ["staging.before-reset.b"]
    assert [declared_branches.line(each) for each in facts] == [
        (
            f'"staging" (br-staging), from main, reset at {hours_ago(1)}, expires at {hours_ago(-1)}, '
            "keeps staging.before-reset.b"
        ),
        '"theirs" (br-t), not made by reconciler, a root branch, protected',
        '"missing", not there',
    ]
    assert declared_branches.unmanaged(desired, observed, found.lineage) == ["somebodys"]
    assert declared_branches.unmanaged(DESIRED, replace(WORLD, branches=(MAIN,)), found.lineage) == []


def test_what_we_made_and_is_no_longer_declared_is_deleted():
    observed = world(ours("staging", "b"), kept("b", 1), SOMEBODYS)
    found = plan(asked(), observed)
    assert found.steps
    assert declared_branches.unmanaged(asked(), observed, found.lineage) == ["somebodys"]
    assert set(declared_branches.unmanaged(DESIRED, observed, found.lineage)) > {"staging", "somebodys"}


NOWHERE = DeclaredBranch("preview", "nowhere")
TOO_MANY = replace(DESIRED.hyperdrive, settings=Settings(connection_limit=97))
SMALL = replace(MAIN, endpoint=replace(MAIN.endpoint, settings=ComputeSettings(0.25, 0.25)))


@pytest.mark.parametrize(
    "desired", [asked(NOWHERE), replace(DESIRED, hyperdrive=TOO_MANY)], ids=["of a branch", "of a setting"]
)
def test_a_refusal_that_blocks_no_restore_leaves_the_rest(desired):
    observed = replace(WORLD, branches=(SMALL,))
    found = plan(desired, observed)
    assert found.refusals
    assert found.blocks_no_restore
    for text in (as_text(found, observed), comment([Planned(found, observed)], SUBJECT)):
        assert "Everything else is as the file asks, and a restore would not wait for this" in text
        assert "Nothing will be changed" not in text
    diagnosis = diagnose(replace(GOOD, desired=desired, observed=observed))
    (check,) = [each for each in diagnosis.checks if each.name == "desired state"]
    assert not any(check.stops(method) for method in Method)


def test_drift_is_repaired_beside_a_refused_branch():
    desired = asked(NOWHERE, desired=replace(DESIRED, primary=replace(DESIRED.primary, protected=True)))
    found = plan(desired, WORLD)
    assert [each.answer for each in found.drift] == [Answer.REPAIRED]
    assert [step.wire_name for step in found.steps] == ["ProtectBranch"]
