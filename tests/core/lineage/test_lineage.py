"""Which branch carries which timeline, and which of them a moment belongs to."""

from dataclasses import replace

import pytest

from reconciler.core.lineage.infer import PrimaryMissing, ProvenanceUnknown, infer_lineage
from reconciler.core.lineage.lineage import Lineage, SourceAmbiguous, SourceNotHeld
from reconciler.core.model.desired import Restore
from reconciler.core.model.observed import Annotation, Observed
from reconciler.core.values.instant import Instant
from reconciler.core.values.timeline import ORIGIN, HeldName, Timeline
from tests.core.files import DESIRED, asking, hours_ago
from tests.core.plans import after
from tests.core.worlds import MAIN, WORLD

FIRST = Restore(hours_ago(20), "first")
SECOND = Restore(hours_ago(10), "second")
FIRST_MINUTE = Restore(Instant(MAIN.created_at.milliseconds + 30_000))


def timeline(restore: Restore) -> Timeline:
    return Timeline(restore.to, restore.id)


def sequence(*restores: Restore | None) -> Observed:
    """The world after restores (None: back to origin), each of them an hour after the last."""
    observed = replace(WORLD, at=hours_ago(8))
    for restore in restores:
        known = {branch.id for branch in observed.branches}
        observed = after(asking(restore), observed)
        observed = replace(
            observed,
            at=hours_ago(8 - len(known)),
            branches=tuple(
                branch if branch.id in known else replace(branch, created_at=hours_ago(8 - len(known) + 1))
                for branch in observed.branches
            ),
        )
    return observed


def lineage_of(observed: Observed) -> Lineage:
    lineage = infer_lineage(DESIRED, observed.branches)
    assert isinstance(lineage, Lineage)
    return lineage


def test_a_project_that_was_never_restored_is_on_origin():
    lineage = lineage_of(WORLD)
    assert (ORIGIN, MAIN) == (lineage.live.timeline, lineage.live.branch)


def test_a_restore_holds_what_it_replaced_under_a_name_that_says_both():
    lineage = lineage_of(sequence(FIRST))
    assert timeline(FIRST) == lineage.live.timeline
    assert [HeldName("main", ORIGIN, timeline(FIRST))] == [each.held for each in lineage.held]


def test_every_replacement_has_the_next_number_also_where_a_pair_repeats():
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
def test_a_moment_belongs_to_the_timeline_that_was_live_then(restores, hours, expected):
    source = lineage_of(sequence(*restores)).source(Restore(hours_ago(hours)))
    assert expected == getattr(source, "timeline", source)


@pytest.mark.parametrize("restores", [(FIRST, None), (FIRST, None, FIRST), (FIRST, None, SECOND, FIRST)])
def test_a_moment_after_a_restore_was_undone_may_belong_to_either_and_is_not_guessed(restores):
    source = lineage_of(sequence(*restores)).source(Restore(hours_ago(4)))
    assert isinstance(source, SourceAmbiguous)
    assert {"origin", str(timeline(FIRST))} <= set(source.choices)


def test_a_branch_does_not_account_for_its_own_reset_however_soon_after_its_creation_that_was():
    """As a restore in place leaves it that has failed: it says when it was reset, and nothing was preserved."""
    soon = replace(MAIN, last_reset_at=Instant(MAIN.created_at.milliseconds + 60_000))
    source = lineage_of(replace(WORLD, branches=(soon,))).source(FIRST_MINUTE)
    assert ORIGIN == getattr(source, "timeline", source)


def test_from_names_the_source_and_must_be_carried_by_a_branch():
    lineage = lineage_of(sequence(FIRST, None))
    chosen = lineage.source(Restore(hours_ago(4), source=timeline(FIRST)))
    assert timeline(FIRST) == getattr(chosen, "timeline", chosen)
    assert isinstance(lineage.source(Restore(hours_ago(4), source=timeline(SECOND))), SourceNotHeld)


def test_in_the_middle_of_a_swap_what_was_renamed_last_is_still_live():
    restored = sequence(FIRST)
    held, main = restored.branches
    swapping = (replace(held, default=True), replace(main, name=f"main.candidate.{timeline(FIRST)}", default=False))
    lineage = lineage_of(replace(restored, branches=swapping))
    assert (ORIGIN, True) == (lineage.live.timeline, lineage.swapping)


MARK = Annotation("production", timeline(FIRST))


@pytest.mark.parametrize(
    ("branches", "words"),
    [
        ((MAIN, replace(MAIN, id="2", name="main.held.origin.before.r-20261121T095500000Z")), "both claim origin"),
        ((replace(MAIN, mark=replace(MARK, environment="staging")),), 'annotated for environment "staging"'),
        ((replace(MAIN, mark=MARK, last_reset_at=hours_ago(1)),), "was reset or restored since"),
        ((MAIN, replace(MAIN, id="2", name="by-hand", mark=MARK, default=False)), '"by-hand" is annotated as'),
        (
            (
                replace(MAIN, last_reset_at=hours_ago(1)),
                replace(MAIN, id="2", name="main.held.origin.before.x", created_at=hours_ago(1), default=False),
            ),
            '"main.held.origin.before.x" was made when "main" was restored',
        ),
        (
            (MAIN, replace(MAIN, id="2", name=f"main.held.{timeline(SECOND)}.before.origin", mark=MARK)),
            "is annotated as",
        ),
    ],
)
def test_signs_that_disagree_are_a_refusal_that_quotes_them(branches, words):
    refusal = infer_lineage(DESIRED, branches)
    assert isinstance(refusal, ProvenanceUnknown)
    assert words in refusal.message
    assert refusal.hint


def test_a_primary_that_is_not_there_is_a_refusal_that_lists_the_names():
    refusal = infer_lineage(DESIRED, (replace(MAIN, name="production"),))
    assert isinstance(refusal, PrimaryMissing)
    assert "production" in refusal.hint


def test_a_branch_of_another_environment_or_of_nobody_is_left_out_of_sight():
    other = replace(MAIN, id="2", name="main.candidate.x", default=False)
    theirs = replace(other, id="3", name="stage.candidate.x", mark=replace(MARK, environment="staging"))
    assert (lineage_of(WORLD).live,) == lineage_of(replace(WORLD, branches=(MAIN, other, theirs))).all
