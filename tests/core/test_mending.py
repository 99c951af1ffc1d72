"""What must hold however a run ends: users can write, and what was protected is."""

from dataclasses import replace

import pytest

from reconciler.core.desired import Restore
from reconciler.core.mending import mending
from reconciler.core.observed import Branch, Mark, Unknown
from reconciler.core.timeline import Timeline
from tests.core.worlds import DESIRED, MAIN, PROJECT, WORLD, asking, hours_ago

RESTORE = Restore(hours_ago(3))
TIMELINE = Timeline(RESTORE.to)
FENCED = replace(MAIN, endpoint=replace(MAIN.endpoint, fenced=True))
CANDIDATE = Branch(
    "br-candidate",
    f"main.candidate.{TIMELINE}",
    hours_ago(1),
    MAIN.id,
    mark=Mark("production", TIMELINE, protects=True),
)


def kinds(desired, observed):
    return [(type(step).__name__, step.branch) for step in mending(desired, observed)]


def test_nothing_is_mended_where_nothing_is_half_done():
    assert kinds(asking(RESTORE), WORLD) == []


def test_a_fence_is_lifted_from_where_users_are_also_where_the_rest_cannot_be_read():
    asked = asking(RESTORE)
    assert kinds(asked, replace(WORLD, branches=(FENCED,))) == [("LiftFence", "main")]
    assert kinds(asked, replace(WORLD, branches=(FENCED,), configs=Unknown("403"))) == [("LiftFence", "main")]
    nameless = replace(asked, verify=replace(asked.verify, database=""))
    assert kinds(nameless, replace(WORLD, branches=(FENCED,), configs=Unknown("403"))) == []


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
