"""What is read from names and annotations is true, however restores by either method and kills follow each other.

A world is acted in by the steps of plans, and beside it is noted what really happened: which timeline each branch
holds, and which one was live since when.
"""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.lineage.infer import infer_lineage
from reconciler.core.lineage.lineage import Lineage
from reconciler.core.model.desired import Desired, Method, Restore
from reconciler.core.model.observed import Observed, named
from reconciler.core.plan.plan import Plan, plan
from reconciler.core.steps.base import Step
from reconciler.core.steps.branch import CreateBranch
from reconciler.core.steps.primary import DeleteBranch, RestoreBranch
from reconciler.core.values.instant import Instant
from reconciler.core.values.timeline import ORIGIN, Timeline
from tests.core.files import DESIRED, asking, hours_ago
from tests.core.plans import ended
from tests.core.worlds import MAIN, world_for

_MINUTE = 60_000


@dataclass
class Truth:
    """What each branch holds, by its id; what was live since when; and when that was just being changed."""

    observed: Observed
    holds: dict[str, Timeline] = field(default_factory=lambda: {MAIN.id: ORIGIN})
    live: list[tuple[Instant, Timeline]] = field(default_factory=lambda: [(Instant(0), ORIGIN)])
    changing: list[tuple[Instant, Instant]] = field(default_factory=list)
    prepared: dict[Timeline, Instant] = field(default_factory=dict)

    def take(self, step: Step) -> None:
        before, self.observed = self.observed, step.predict(self.observed)
        known = {branch.id for branch in before.branches}
        made = next((branch.id for branch in self.observed.branches if branch.id not in known), "")
        match step:
            case CreateBranch():
                source = self.holds[named(before.branches, step.source).id]
                assert step.at is not None or source == step.timeline
                self.holds[made] = step.timeline
                self.prepared.setdefault(step.timeline, before.at)
            case RestoreBranch():
                target = named(before.branches, step.branch).id
                self.holds[made] = self.holds[target]
                self.holds[target] = self.holds[named(before.branches, step.proved_on).id]
            case DeleteBranch():
                del self.holds[named(before.branches, step.branch).id]
        self.observed = replace(self.observed, at=Instant(before.at.milliseconds + 1000))

    def settle(self, desired: Desired, begun: Instant) -> None:
        """Note what is live by now. What was prepared by a run that died may have become so at any time since."""
        lineage = infer_lineage(desired, self.observed.branches)
        assert isinstance(lineage, Lineage)
        timeline = lineage.live.timeline
        if timeline != self.live[-1][1]:
            if all(timeline != known for _, known in self.live):
                begun = min(begun, self.prepared[timeline])
            self.live.append((self.observed.at, timeline))
        self.changing.append((begun, Instant(self.observed.at.milliseconds + _MINUTE)))

    def live_at(self, moment: Instant) -> Timeline | None:
        """What was live at a moment; None where that was just being changed."""
        if any(begun <= moment <= done for begun, done in self.changing):
            return None
        return [timeline for since, timeline in self.live if since < moment][-1]


# What is asked, how, after how many steps it is killed, and the minutes until the next one. What is asked is a restore
# that was asked before, None, or a new restore to so many minutes ago.
DestructionSpec = tuple[Restore | int | None, Method, int, int]
A, B = Restore(hours_ago(60), "a"), Restore(hours_ago(50), "b")
BRANCH, IN_PLACE = Method.BRANCH, Method.IN_PLACE
ALL = 99

wishes = st.tuples(
    st.one_of(st.sampled_from([None, A, B]), st.integers(1, 12 * 60)),
    st.sampled_from(Method),
    st.one_of(st.just(ALL), st.just(ALL), st.integers(0, 12)),
    st.integers(1, 3 * 60),
)


def lived_through(asked: list[DestructionSpec], *, protected: bool) -> Truth:
    """A world with a past; for each of its plans, and after each of its steps, what is read is checked."""
    truth = Truth(replace(world_for(DESIRED, protected=protected), at=hours_ago(40)))
    for number, (wish, method, steps, pause) in enumerate(asked):
        now = truth.observed.at
        restore = Restore(Instant(now.milliseconds - wish * _MINUTE), f"x{number}") if isinstance(wish, int) else wish
        desired = asking(restore, DESIRED, method)
        found = plan(desired, truth.observed)
        check_source(truth, found)
        for step in found.steps[:steps]:
            truth.take(step)
            check_signs(truth, desired)
        if found.steps:
            truth.settle(desired, now)
        truth.observed = ended(truth.observed)
        truth.observed = replace(truth.observed, at=Instant(truth.observed.at.milliseconds + pause * _MINUTE))
    return truth


def check_signs(truth: Truth, desired: Desired) -> None:
    lineage = infer_lineage(desired, truth.observed.branches)
    assert isinstance(lineage, Lineage)
    parts = (lineage.held, lineage.superseded, lineage.candidates, lineage.failed, lineage.proved)
    for timeline_branch in (lineage.live, *(each for part in parts for each in part)):
        assert truth.holds[timeline_branch.branch.id] == timeline_branch.timeline, timeline_branch.branch.name


def check_source(truth: Truth, found: Plan) -> None:
    """A moment is taken from a branch that holds what was live then, or from none."""
    first = found.steps[0] if found.steps else None
    if isinstance(first, CreateBranch) and first.at is not None and (live := truth.live_at(first.at)) is not None:
        assert truth.holds[named(truth.observed.branches, first.source).id] == live


# Where a branch came back, or a replacement is not seen any more, these were told a source that was not live then.
FOUND = [
    [
        (720, BRANCH, ALL, 15),
        (A, IN_PLACE, ALL, 165),
        (None, BRANCH, ALL, 180),
        (A, IN_PLACE, ALL, 60),
        (330, BRANCH, 0, 1),
    ],
    [
        (A, BRANCH, ALL, 120),
        (720, IN_PLACE, ALL, 120),
        (A, BRANCH, ALL, 120),
        (720, IN_PLACE, ALL, 60),
        (360, BRANCH, 0, 1),
    ],
    [
        (B, BRANCH, ALL, 90),
        (A, IN_PLACE, ALL, 30),
        (None, BRANCH, ALL, 60),
        (B, BRANCH, ALL, 120),
        (720, IN_PLACE, ALL, 60),
        (315, BRANCH, 0, 1),
    ],
    [
        (B, IN_PLACE, ALL, 24),
        (None, IN_PLACE, 4, 150),
        (B, BRANCH, ALL, 60),
        (None, BRANCH, ALL, 60),
        (360, BRANCH, 0, 1),
    ],
]


@pytest.mark.parametrize("asked", FOUND)
def test_unknown_timelines_are_not_guessed(asked):
    lived_through(asked, protected=False)


@given(st.lists(wishes, min_size=1, max_size=6), st.booleans())
def test_every_sign_is_true_after_every_step(asked, protected):
    """That the signs are true, and that no moment comes from a timeline that was not live then, is checked on the way.

    Moments while something was being changed are left out: whatever a run that died has left half done.
    """
    truth = lived_through(asked, protected=protected)
    assert truth.holds.keys() == {branch.id for branch in truth.observed.branches}
    assert {timeline for _, timeline in truth.live} <= set(truth.holds.values())
