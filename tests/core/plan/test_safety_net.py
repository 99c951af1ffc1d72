"""What must hold however a run ends: users can write, and what was protected is."""

from dataclasses import replace

import pytest

from reconciler.core.model.desired import Restore
from reconciler.core.model.observed import Annotation, Branch, Unknown
from reconciler.core.plan.safety_net import mending
from reconciler.core.values.timeline import Timeline
from tests.core.files import DESIRED, asking, hours_ago
from tests.core.worlds import MAIN, PROJECT, WORLD

RESTORE = Restore(hours_ago(3))
TIMELINE = Timeline(RESTORE.to)
FENCED = replace(MAIN, endpoint=replace(MAIN.endpoint, fenced=True))
CANDIDATE = Branch(
    "br-candidate",
    f"main.candidate.{TIMELINE}",
    hours_ago(1),
    MAIN.id,
    mark=Annotation("production", TIMELINE, protects=True),
)


def kinds(desired, observed):
    return [(step.wire_name, step.branch) for step in mending(desired, observed)]


def test_nothing_is_mended_where_nothing_is_half_done():
    assert kinds(asking(RESTORE), WORLD) == []


def test_a_fence_is_lifted_from_where_users_are_also_where_the_rest_cannot_be_read():
    asked = asking(RESTORE)
    assert kinds(asked, replace(WORLD, branches=(FENCED,))) == [("LiftFence", "main")]
    assert kinds(asked, replace(WORLD, branches=(FENCED,), configs=Unknown("403"))) == [("LiftFence", "main")]
    nameless = replace(asked, verify=replace(asked.verify, database=""))
    assert kinds(nameless, replace(WORLD, branches=(FENCED,), configs=Unknown("403"))) == []


def test_where_signs_disagree_the_fence_is_lifted_from_what_users_reach_or_may_reach():
    """Somebody has renamed what is held, or the primary, after a run had died between its fence and its switch."""
    astray = Branch("br-held", "main.held.by-hand", hours_ago(9), MAIN.id, mark=Annotation("production", TIMELINE))
    unclear = replace(WORLD, branches=(FENCED, astray))
    assert [("LiftFence", "main")] == kinds(asking(RESTORE), unclear)
    for change in ({"configs": Unknown("403")}, {"workers": (Unknown("403"),)}, {"configs": (), "workers": ()}):
        assert [("LiftFence", "main")] == kinds(asking(RESTORE), replace(unclear, **change))
    renamed = replace(WORLD, branches=(replace(FENCED, name="main.by-hand"),))
    assert [("LiftFence", "main.by-hand")] == kinds(asking(RESTORE), renamed)
    reached = replace(MAIN, id="br-2", name="new", endpoint=replace(MAIN.endpoint, host="ep-main.neon.tech"))
    left = replace(FENCED, endpoint=replace(FENCED.endpoint, host="ep-left.neon.tech"))
    assert [] == kinds(asking(RESTORE), replace(unclear, branches=(left, reached, astray))), "users are on another"
    nameless = replace(DESIRED, verify=replace(DESIRED.verify, database=""))
    assert [] == kinds(nameless, unclear)


def test_what_was_protected_before_it_was_to_be_restored_is_so_again():
    unprotected = replace(WORLD, branches=(MAIN, CANDIDATE))
    assert kinds(asking(RESTORE), unprotected) == [("ProtectBranch", "main")]
    assert kinds(asking(RESTORE), replace(unprotected, configs=Unknown("403"))) == [("ProtectBranch", "main")]


@pytest.mark.parametrize(
    "change",
    [
        {"branches": Unknown("403")},
        {"branches": (replace(MAIN, name="other"), CANDIDATE)},
        {"branches": (replace(MAIN, protected=True), CANDIDATE)},
        {"project": Unknown("403"), "branches": (MAIN, CANDIDATE)},
        {"project": replace(PROJECT, plan="free_v3"), "branches": (MAIN, CANDIDATE)},
    ],
    ids=["unreadable", "no primary", "protected", "plan unknown", "no room"],
)
def test_nothing_is_protected_where_it_is_not_known_to_be_wanted_and_possible(change):
    assert kinds(DESIRED, replace(WORLD, **change)) == []
