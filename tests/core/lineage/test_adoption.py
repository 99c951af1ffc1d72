"""What a primary that somebody restored by hand is told to carry from then on, and where that can't be right."""

from dataclasses import replace

import pytest

from reconciler.core.importing.adoption import Adoption, adoption
from reconciler.core.model.desired import Restore
from reconciler.core.model.observed import Annotation, Unknown
from reconciler.core.plan.plan import plan
from reconciler.core.values.lsn import Lsn
from reconciler.core.values.timeline import ORIGIN, Timeline
from tests.core.files import ASKED_IN_PLACE as ASKED
from tests.core.files import BY_BRANCH, DESIRED, RESTORED, asking, hours_ago
from tests.core.files import HELD_IN_PLACE as HELD
from tests.core.plans import after, lineage_of, rules
from tests.core.worlds import MAIN, WORLD, changed, with_main, without

BY_HAND, LSN = Timeline(hours_ago(3), "by-hand"), Timeline(Lsn.parse_strict("0/1A2B3C8"), "by-hand")
RESET = hours_ago(2)
OLD = replace(MAIN, id="br-old", name="main_old_2026-11-22", created_at=RESET, default=False, endpoint=None)
PRESERVED = replace(WORLD, branches=(replace(MAIN, last_reset_at=RESET), OLD))
RESTORED_WORLD = after(BY_BRANCH, WORLD)
KEPT = f"main.held.origin.before.{BY_HAND}.in-place"


def beside(*branches):
    return replace(PRESERVED, branches=(*PRESERVED.branches, *branches))


def renamed(observed, rename):
    return changed(observed, rename.branch, name=rename.to)


def adopted(desired, observed, timeline, held=""):
    """What is asked and there afterwards; and adopting it once more has nothing left to do."""
    found = adoption(desired, observed, timeline, held)
    assert isinstance(found, Adoption), found
    if found.rename is not None:
        observed = renamed(observed, found.rename)
    assert plan(found.asked, observed).live == timeline
    assert adoption(found.asked, observed, timeline) == replace(found, rename=None)
    return found, observed


def reset_after_a_restore():
    reset = replace(changed(RESTORED_WORLD, "main", last_reset_at=hours_ago(-1)), at=hours_ago(-2))
    kept = replace(OLD, created_at=hours_ago(-1), parent_id=next(each.parent_id for each in reset.branches))
    return replace(reset, branches=(*reset.branches, kept))


NEW = replace(MAIN, id="br-new", parent_id="br-main", created_at=RESET)
SWAPPED = replace(WORLD, branches=(replace(MAIN, name="main-broken", default=False), NEW))
TWO = beside(replace(OLD, id="br-other", name="preview"))
RENAMED = changed(after(ASKED, WORLD), HELD, name="old")
ADOPTED = {
    "preserved by the Console": (DESIRED, PRESERVED, BY_HAND, "", OLD.name, KEPT),
    "reset after a restore": (
        BY_BRANCH, reset_after_a_restore(), BY_HAND, "", OLD.name, f"main.held.{RESTORED}.before.{BY_HAND}.2.in-place"
    ),
    "renamed into its place": (DESIRED, SWAPPED, BY_HAND, "", "main-broken", f"main.held.origin.before.{BY_HAND}"),
    "one of two, by name": (DESIRED, TWO, BY_HAND, OLD.name, OLD.name, KEPT),
    "a restore of ours": (ASKED, RENAMED, ASKED.timeline, "", "old", HELD),
}  # fmt: skip


@pytest.mark.parametrize(("desired", "observed", "timeline", "held", "name", "to"), ADOPTED.values(), ids=ADOPTED)
def test_what_was_replaced_gets_its_name(desired, observed, timeline, held, name, to):
    found, world = adopted(desired, observed, timeline, held)
    assert (name, to) == (found.rename.branch, found.rename.to)
    assert found.asked == asking(Restore(timeline.to, timeline.id), desired)
    assert rules(found.asked, world) == []


@pytest.mark.parametrize("observed", [PRESERVED, SWAPPED])
def test_afterwards_all_is_in_sync(observed):
    found, world = adopted(DESIRED, observed, BY_HAND)
    assert (plan(found.asked, world).in_sync, plan(found.asked, world).drift) == (True, ())


def test_the_origin_can_be_restored_again():
    found, world = adopted(DESIRED, PRESERVED, BY_HAND)
    assert lineage_of(world, found.asked).timeline_branch(ORIGIN).branch.id == OLD.id


def test_what_is_known_already_needs_no_name():
    found, _ = adopted(BY_BRANCH, PRESERVED, ORIGIN)
    assert (found.rename, found.asked) == (None, DESIRED)


# LSNs


@pytest.mark.parametrize("source", [None, Timeline(hours_ago(9))])
def test_an_lsn_belongs_to_its_predecessor(source):
    found = adoption(DESIRED, PRESERVED, LSN, source=source)
    assert found.rename.to == f"main.held.origin.before.{LSN}.in-place"
    assert found.asked == asking(Restore(LSN.to, LSN.id, source=source or ORIGIN))
    assert adoption(found.asked, renamed(PRESERVED, found.rename), LSN) == replace(found, rename=None)


AT_LSN = asking(Restore(LSN.to, LSN.id, source=ORIGIN))
NAMED = adoption(DESIRED, PRESERVED, LSN)
ALONE = without(after(AT_LSN, WORLD), f"main.held.origin.before.{LSN}")


@pytest.mark.parametrize(
    ("observed", "source"),
    [(after(AT_LSN, WORLD), None), (renamed(PRESERVED, NAMED.rename), None), (ALONE, ORIGIN)],
    ids=["by branch", "in place", "named"],
)
def test_an_lsn_that_is_known_needs_no_name(observed, source):
    assert adoption(DESIRED, observed, LSN, source=source) == Adoption(AT_LSN, None)


# What is refused


CLAIMS = replace(
    MAIN, id="br-c", name=f"main.candidate.{BY_HAND}", mark=Annotation("production", BY_HAND), default=False
)
STAGING = Annotation("staging", RESTORED)
THEIRS = replace(WORLD, branches=(PRESERVED.branches[0], replace(OLD, mark=STAGING)))
LIVE_BEFORE = replace(
    PRESERVED, branches=tuple(replace(each, mark=Annotation("production", BY_HAND)) for each in PRESERVED.branches)
)
SWAPPING = changed(RESTORED_WORLD, "main", name=f"main.candidate.{RESTORED}")
NO_COPY = "no branch keeps what it held before"
REFUSED = {
    "nothing was preserved": (with_main(last_reset_at=RESET), BY_HAND, "", NO_COPY),
    "the wrong branch": (PRESERVED, BY_HAND, "main", '"main" is not a branch that was preserved or replaced then'),
    "a later moment": (PRESERVED, Timeline(hours_ago(1)), "", f"it got what it holds at {RESET}, before that moment"),
    "another environment": (with_main(mark=STAGING), ORIGIN, "", 'annotated for environment "staging"'),
    "another environment, reset": (with_main(mark=STAGING, last_reset_at=RESET), BY_HAND, "", NO_COPY),
    "no primary": (with_main(name="gone"), BY_HAND, "", 'no branch is named "main"'),
    "unread": (replace(WORLD, branches=Unknown("no answer")), BY_HAND, "", "no branch is named"),
    "two branches": (TWO, BY_HAND, "", '"main_old_2026-11-22" and "preview" may each keep'),
    "a branch of theirs": (THEIRS, BY_HAND, "", NO_COPY),
    "live before": (LIVE_BEFORE, BY_HAND, "", "give the restore another id"),
    "signs disagree": (beside(CLAIMS, replace(CLAIMS, id="br-d", name="mine")), BY_HAND, "", "whose branch would be"),
    "a swap": (SWAPPING, BY_HAND, "", "no branch has its name"),
    "an LSN of nothing": (ALONE, LSN, "", "0/1A2B3C8 belongs to: name it with --from"),
}


@pytest.mark.parametrize(("world", "timeline", "held", "said"), REFUSED.values(), ids=REFUSED)
def test_an_adoption_is_refused(world, timeline, held, said):
    found = adoption(BY_BRANCH if world is SWAPPING else DESIRED, world, timeline, held)
    assert not isinstance(found, Adoption)
    assert said in found.message
