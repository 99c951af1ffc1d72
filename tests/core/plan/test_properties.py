"""What holds for every plan, whatever is asked and whatever was interrupted before."""

import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.lineage.infer import infer_lineage
from reconciler.core.lineage.lineage import Lineage
from reconciler.core.model.desired import DeployDriver, Desired, Method, Restore
from reconciler.core.model.observed import Observed
from reconciler.core.plan.plan import plan
from reconciler.core.rules.context.planning import Blocked
from reconciler.core.rules.next_steps import next_steps
from reconciler.core.steps.primary import RestoreBranch
from tests.core.files import DESIRED, asked, asking, hours_ago, restores
from tests.core.plans import ended
from tests.core.worlds import WORLD, world_for


@st.composite
def histories(draw: st.DrawFn) -> tuple[Desired, Observed]:
    """A file that was changed several times, each apply having been killed after any number of steps."""
    desired = draw(asked())
    observed = world_for(desired, protected=draw(st.booleans()))
    choices = draw(st.lists(restores, min_size=1, max_size=3))
    methods = st.sampled_from(Method)
    for restore in draw(st.lists(st.sampled_from([None, *choices]), max_size=5)):
        steps = plan(asking(restore, desired, draw(methods)), observed).steps
        for step in steps[: draw(st.integers(0, len(steps)))]:
            observed = step.predict(observed)
        observed = ended(observed)
    return asking(draw(st.sampled_from([None, *choices])), desired, draw(methods)), observed


@given(histories())
def test_every_plan_ends_in_sync(history):
    desired, observed = history
    found = plan(desired, observed)
    for step in found.steps:
        observed = step.predict(observed)
    assert found.refusals or plan(desired, observed).in_sync


@given(histories(), st.data())
def test_the_rest_of_a_plan_stays_the_plan(history, data):
    desired, observed = history
    steps = plan(desired, observed).steps
    cut = data.draw(st.integers(0, len(steps)))
    for step in steps[:cut]:
        observed = step.predict(observed)
    assert steps[cut:] == plan(desired, observed).steps


@given(histories(), st.data())
def test_a_killed_run_comes_to_the_same_end(history, data):
    desired, observed = history
    found = plan(desired, observed)
    for step in found.steps[: data.draw(st.integers(0, len(found.steps)))]:
        observed = step.predict(observed)
    resumed = plan(desired, ended(observed))
    assert bool(found.refusals) == bool(resumed.refusals)
    final = ended(observed)
    for step in resumed.steps:
        final = step.predict(final)
    lineage = infer_lineage(desired, final.branches)
    assert found.refusals or isinstance(lineage, Lineage)
    if isinstance(lineage, Lineage) and not found.refusals:
        assert desired.timeline == lineage.live.timeline
        timelines = [each.timeline for each in lineage.all]
        assert len(timelines) == len(set(timelines))


@given(histories())
def test_what_was_live_is_never_lost_from_sight(history):
    desired, observed = history
    steps = plan(desired, observed).steps
    copies = {each.id for each in observed.branches if ".candidate." in each.name or ".proved." in each.name}
    before = {branch.id for branch in observed.branches} - copies
    for step in steps:
        observed = step.predict(observed)
    assert before <= {branch.id for branch in observed.branches}


@given(histories())
def test_the_primary_is_never_overwritten_unsaved(history):
    desired, observed = history
    for step in plan(desired, observed).steps:
        if isinstance(step, RestoreBranch):
            assert step.keep_as not in {branch.name for branch in observed.branches}
            assert next(each for each in observed.branches if each.name == step.proved_on).lsn
        observed = step.predict(observed)


@given(histories())
def test_a_protected_primary_ends_protected(history):
    desired, observed = history
    found = plan(desired, observed)
    protected = [each.protected for each in observed.branches if each.name == "main"]
    for step in found.steps:
        observed = step.predict(observed)
    if protected == [True] and not found.refusals and not any("protected branches" in each for each in found.warnings):
        assert [each.protected for each in observed.branches if each.name == "main"] == [True]


@given(histories())
def test_traffic_moves_after_gates_and_before_names(history):
    desired, observed = history
    lineage = infer_lineage(desired, observed.branches)
    names = [step.wire_name for step in plan(desired, observed).steps]
    starts_from_another = isinstance(lineage, Lineage) and lineage.live.timeline != desired.timeline
    if "SwitchTraffic" in names and starts_from_another:
        assert "VerifyBranch" in names[: names.index("SwitchTraffic")]
        timeline_branch = lineage.timeline_branch(desired.timeline)
        if desired.verify.http and (timeline_branch is None or timeline_branch.held is None):
            assert "VerifyWorker" in names[: names.index("SwitchTraffic")]
    if "RenameBranch" in names:
        assert "SwitchTraffic" not in names[names.index("RenameBranch") :]


@given(histories())
def test_a_wave_writes_once_to_neon(history):
    desired, observed = history
    for wave in plan(desired, observed).waves:
        assert sum(step.locks_project for step in wave) <= 1


@given(histories())
def test_the_digest_ignores_clock_and_order(history):
    desired, observed = history
    later = replace(
        ended(observed), branches=tuple(reversed(observed.branches)), configs=tuple(reversed(observed.configs))
    )
    first, second = plan(desired, observed), plan(desired, later)
    assert first.refusals or first.digest == second.digest


@given(histories(), restores)
def test_the_same_file_always_means_the_same_timeline(history, restore):
    desired, observed = history
    once = next_steps(asking(restore, desired), observed)
    again = next_steps(asking(restore, desired), observed)
    assert once == again or isinstance(once, Blocked)


def test_a_merge_keeps_the_digest():
    worker = replace(DESIRED.workers[0], deploy=DeployDriver.WRANGLER)
    desired = asking(Restore(hours_ago(1)), replace(DESIRED, workers=(worker,)))
    proposed, merged = (plan(desired, replace(WORLD, commit=commit)) for commit in ("a" * 40, "b" * 40))
    assert proposed.steps != merged.steps
    assert proposed.digest == merged.digest


def test_rules_that_never_settle_are_an_error(monkeypatch):
    """A plan of three waves, where no more than two are let: as any would be whose rules chase each other."""
    monkeypatch.setattr(sys.modules[plan.__module__], "_MOST_WAVES", 2)
    with pytest.raises(AssertionError, match="did not settle within 2 waves; the last was "):
        plan(asking(Restore(hours_ago(24))), WORLD)
