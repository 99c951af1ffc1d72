"""Which branch carries which timeline, and which of them a moment belongs to."""

from dataclasses import replace

import pytest

from reconciler.core.lineage.infer import PrimaryMissing, ProvenanceUnknown, infer_lineage
from reconciler.core.lineage.lineage import SourceAmbiguous, SourceNotHeld
from reconciler.core.model.desired import Restore
from reconciler.core.model.observed import Annotation, Observed
from reconciler.core.plan.plan import plan
from reconciler.core.values.instant import Instant
from reconciler.core.values.timeline import ORIGIN, HeldName, Timeline
from tests.core.files import DESIRED, asking, hours_ago
from tests.core.plans import after, lineage_of
from tests.core.worlds import MAIN, WORLD, with_main

FIRST, SECOND = Restore(hours_ago(20), "first"), Restore(hours_ago(10), "second")


def timeline(restore: Restore) -> Timeline:
    return Timeline(restore.to, restore.id)


def sequence(*restores: Restore | None) -> Observed:
    """The world after restores (None: back to origin), each of them an hour after the last."""
    observed = replace(WORLD, at=hours_ago(8))
    for restore in restores:
        known = {branch.id for branch in observed.branches}
        observed = after(asking(restore), observed)
        began = hours_ago(8 - len(known) + 1)
        branches = (each if each.id in known else replace(each, created_at=began) for each in observed.branches)
        observed = replace(observed, at=hours_ago(8 - len(known)), branches=tuple(branches))
    return observed


ONCE = sequence(FIRST)


def test_a_project_never_restored_is_on_origin():
    lineage = lineage_of(WORLD)
    assert (ORIGIN, MAIN) == (lineage.live.timeline, lineage.live.branch)


def test_a_held_name_says_both_timelines():
    lineage = lineage_of(ONCE)
    assert timeline(FIRST) == lineage.live.timeline
    assert [HeldName("main", ORIGIN, timeline(FIRST))] == [each.held for each in lineage.held]


def test_every_replacement_has_the_next_number():
    names = [branch.name for branch in sequence(FIRST, None, FIRST).branches]
    assert [f"main.held.origin.before.{timeline(FIRST)}.3", "main"] == names


@pytest.mark.parametrize(
    ("restores", "hours", "expected"),
    [
        ((), 30, ORIGIN),
        ((FIRST,), 15, ORIGIN),
        ((FIRST,), 7.5, timeline(FIRST)),
        ((FIRST, SECOND), 15, ORIGIN),
        ((FIRST, SECOND), 7.5, timeline(FIRST)),
        ((FIRST, SECOND), 5.5, timeline(SECOND)),
        ((FIRST, None), 15, ORIGIN),
    ],
)
def test_a_moment_belongs_to_what_was_live(restores, hours, expected):
    source = lineage_of(sequence(*restores)).source(Restore(hours_ago(hours)))
    assert expected == getattr(source, "timeline", source)


@pytest.mark.parametrize("restores", [(FIRST, None), (FIRST, None, FIRST), (FIRST, None, SECOND, FIRST)])
def test_a_moment_after_an_undo_is_not_guessed(restores):
    source = lineage_of(sequence(*restores)).source(Restore(hours_ago(4)))
    assert isinstance(source, SourceAmbiguous)
    assert {"origin", str(timeline(FIRST))} <= set(source.choices)


def test_a_reset_soon_after_creation_hides_nothing():
    """As a restore in place leaves it that has failed: it says when it was reset, and nothing was preserved."""
    soon, first_minute = (Instant(MAIN.created_at.milliseconds + seconds * 1_000) for seconds in (60, 30))
    lineage = lineage_of(replace(WORLD, branches=(replace(MAIN, last_reset_at=soon),)))
    assert ORIGIN == lineage.source(Restore(first_minute)).timeline


def test_from_names_a_source_that_a_branch_carries():
    lineage = lineage_of(sequence(FIRST, None))
    assert timeline(FIRST) == lineage.source(Restore(hours_ago(4), source=timeline(FIRST))).timeline
    assert isinstance(lineage.source(Restore(hours_ago(4), source=timeline(SECOND))), SourceNotHeld)


def test_during_a_swap_what_was_renamed_is_live():
    held, main = ONCE.branches
    swapping = (replace(held, default=True), replace(main, name=f"main.candidate.{timeline(FIRST)}", default=False))
    lineage = lineage_of(replace(ONCE, branches=swapping))
    assert (ORIGIN, True) == (lineage.live.timeline, lineage.swapping)


MARK = Annotation("production", timeline(FIRST))
STAGING = replace(MARK, environment="staging")


def other(name: str, **changes: object):
    return replace(MAIN, id="2", name=name, default=False, **changes)


RESET = replace(MAIN, last_reset_at=hours_ago(1))
DISAGREE = {
    "both claim origin": (MAIN, other("main.held.origin.before.r-20261121T095500000Z")),
    'annotated for environment "staging"': (replace(MAIN, mark=STAGING),),
    "was reset or restored since": (replace(RESET, mark=MARK),),
    '"by-hand" is annotated as': (MAIN, other("by-hand", mark=MARK)),
    '"main.held.origin.before.x" was made when "main" was restored': (
        RESET, other("main.held.origin.before.x", created_at=hours_ago(1))
    ),
    "is annotated as": (MAIN, other(f"main.held.{timeline(SECOND)}.before.origin", mark=MARK)),
}  # fmt: skip


@pytest.mark.parametrize(("words", "branches"), DISAGREE.items(), ids=DISAGREE)
def test_signs_that_disagree_are_quoted(words, branches):
    refusal = infer_lineage(DESIRED, branches)
    assert isinstance(refusal, ProvenanceUnknown)
    assert words in refusal.message


def test_a_missing_primary_lists_the_names():
    (refusal,) = plan(DESIRED, with_main(name="production")).refusals
    assert isinstance(refusal, PrimaryMissing)
    assert refusal.message == 'no branch is named "main"; the default branch is "production"'
    assert refusal.hint == "set primary.branch to the name of your production branch. The project has: production"


def test_branches_of_others_are_left_out():
    theirs = other("stage.candidate.x", mark=STAGING)
    lineage = lineage_of(replace(WORLD, branches=(MAIN, other("main.candidate.x"), replace(theirs, id="3"))))
    assert (lineage_of(WORLD).live,) == lineage.all
