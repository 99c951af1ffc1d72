"""The last check fails with users on the new timeline: what was live is put back, once, whatever is interrupted."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.lineage.infer import infer_lineage
from reconciler.core.lineage.lineage import Lineage
from reconciler.core.model.desired import DeployDriver, Desired, HttpGate, OnFailure, Restore, Worker
from reconciler.core.model.observed import Observed, named
from reconciler.core.plan.plan import plan
from reconciler.core.rules.context.planning import Blocked
from reconciler.core.rules.next_steps import next_steps
from reconciler.core.steps import Step
from reconciler.core.steps.primary import RenameBranch
from reconciler.core.steps.worker import SwitchTraffic, VerifyLive
from reconciler.core.values.timeline import candidate_name, failed_name
from tests.core.files import DESIRED, asking, hours_ago
from tests.core.plans import ended
from tests.core.worlds import WORLD, world_for

HEALTH = HttpGate("health", "https://961tech.example/health")
RESTORE = Restore(hours_ago(24), "inc-42")
GATED = replace(DESIRED, verify=replace(DESIRED.verify, http=(HEALTH,)))
MOST_STEPS = 60


def run(desired: Desired, observed: Observed, steps: int = MOST_STEPS) -> tuple[Observed, list[Step]]:
    """Do as the engine does, in a world where every last check fails, and be killed after so many steps."""
    taken: list[Step] = []
    while isinstance(wave := next_steps(desired, observed), tuple) and wave:
        for step in wave:
            if len(taken) == steps:
                return ended(observed), taken
            taken.append(step)
            if isinstance(step, VerifyLive):
                observed = replace(observed, failed=observed.failed | {step.key})
            else:
                observed = step.predict(observed)
    return ended(observed), taken


def lineage_of(desired: Desired, observed: Observed) -> Lineage:
    lineage = infer_lineage(desired, observed.branches)
    assert isinstance(lineage, Lineage)
    return lineage


@st.composite
def restores_with_a_last_check(draw: st.DrawFn) -> tuple[Desired, Observed]:
    """A restore that was never asked for, in a world with a past: others were, and were killed after any step."""
    drivers = draw(st.lists(st.sampled_from(DeployDriver), min_size=1, max_size=2))
    workers = tuple(Worker(f"w{n}/wrangler.jsonc", "HYPERDRIVE", None, driver) for n, driver in enumerate(drivers))
    desired = replace(GATED, workers=workers)
    observed = world_for(desired, protected=draw(st.booleans()))
    for restore in draw(st.lists(st.sampled_from([None, RESTORE, Restore(hours_ago(12), "b")]), max_size=3)):
        steps = plan(asking(restore, desired), observed).steps
        for step in steps[: draw(st.integers(0, len(steps)))]:
            observed = step.predict(observed)
        observed = ended(observed)
    live = lineage_of(desired, observed).live.timeline
    fresh = Restore(observed.at.before(timedelta(seconds=10)), "fresh", source=live)
    return asking(fresh, desired), observed


def check_put_back(desired: Desired, before: Observed, after: Observed) -> None:
    """Users, the primary, its name and every held branch are where they were; the candidate says that it failed."""
    lineage, primary = lineage_of(desired, after), desired.primary.branch
    live, was = lineage.live.branch, lineage_of(desired, before).live.branch
    assert (was.id, primary, True) == (live.id, live.name, live.default)
    assert [failed_name(primary, desired.timeline)] == [
        each.branch.name for each in lineage.failed if each.timeline == desired.timeline
    ]
    config = named(after.configs, desired.hyperdrive.config_for(lineage.live.timeline))
    for worker in after.workers:
        assert worker.serves_only(config.id)
        assert config.id == worker.file_hyperdrive_id
    renamed = {branch.id: branch.name for branch in after.branches}
    assert all(renamed[each.id] == each.name for each in before.branches if each.id != live.id)


@given(restores_with_a_last_check())
def test_what_was_live_is_put_back_and_the_timeline_is_refused_from_then_on(history):
    desired, before = history
    after, _ = run(desired, before)
    check_put_back(desired, before, after)
    found = plan(desired, after)
    assert ["timeline-failed"] == [each.rule for each in found.refusals]
    assert () == found.steps
    assert run(desired, after)[1] == []


@given(restores_with_a_last_check(), st.lists(st.integers(0, MOST_STEPS), max_size=4))
def test_runs_that_are_killed_anywhere_still_put_it_back_and_none_tries_again_what_is_marked(history, kills):
    desired, before = history
    observed, checks, marked = before, 0, False
    for steps in [*kills, MOST_STEPS]:
        observed, taken = run(desired, observed, steps)
        now = [step for step in taken if isinstance(step, VerifyLive)]
        assert not (marked and now), "what has failed was tried again"
        marked = marked or bool(lineage_of(desired, observed).failed)
        checks += len(now)
    check_put_back(desired, before, observed)
    assert 1 <= checks <= len(kills) + 1


@given(restores_with_a_last_check())
def test_the_mark_comes_before_the_way_back(history):
    """Were it the other way round, a run that dies in between would be followed by one that switches again."""
    desired, before = history
    _, taken = run(desired, before)
    check = next(n for n, step in enumerate(taken) if isinstance(step, VerifyLive))
    assert isinstance(taken[check + 1], RenameBranch)
    assert failed_name(desired.primary.branch, desired.timeline) == taken[check + 1].to
    assert any(isinstance(step, SwitchTraffic) for step in taken[check + 2 :])


@given(restores_with_a_last_check())
def test_the_plan_of_the_way_back_shows_its_steps_and_the_refusal(history):
    desired, before = history
    _, taken = run(desired, before)
    marked = next(n for n, step in enumerate(taken) if isinstance(step, VerifyLive)) + 2
    observed, _ = run(desired, before, marked)
    found = plan(desired, observed)
    assert list(found.steps) == taken[marked:]
    assert ["timeline-failed"] == [each.rule for each in found.refusals]
    assert not found.in_sync


@pytest.fixture
def put_back() -> Observed:
    return run(asking(RESTORE, GATED), WORLD)[0]


def test_a_file_that_is_reverted_is_in_sync_with_what_was_put_back(put_back):
    found = plan(GATED, put_back)
    assert found.in_sync
    assert any("failed its last check" in warning for warning in found.warnings)


def test_what_has_failed_is_told_with_what_is_live_and_with_every_way_on(put_back):
    timeline = asking(RESTORE).timeline
    (refusal,) = plan(asking(RESTORE, GATED), put_back).refusals
    assert f'timeline "{timeline}" took traffic, failed its last check' in refusal.message
    assert refusal.message.endswith('"origin" is live, untouched')
    assert f'"main.failed.{timeline}" holds it' in refusal.hint
    assert f'rename the branch to "main.candidate.{timeline}"' in refusal.hint


def test_the_same_moment_under_another_id_is_another_restore_from_the_same_source(put_back):
    found = plan(asking(replace(RESTORE, id="again"), GATED), put_back)
    assert not found.refusals
    assert ("CreateBranch", "main") == (found.steps[0].wire_name, found.steps[0].source)


def test_a_failed_branch_that_is_named_a_candidate_again_is_tried_again(put_back):
    desired = asking(RESTORE, GATED)
    names = failed_name("main", desired.timeline), candidate_name("main", desired.timeline)
    branches = tuple(replace(each, name=each.name.replace(*names)) for each in put_back.branches)
    found = plan(desired, replace(put_back, branches=branches))
    assert not found.refusals
    assert "VerifyLive" in [step.wire_name for step in found.steps]


def test_a_moment_never_comes_from_a_timeline_that_was_put_back_unless_it_is_named(put_back):
    later = plan(asking(Restore(hours_ago(0.01), "later"), GATED), put_back)
    assert "main" == later.steps[0].source
    named_source = Restore(hours_ago(0.01), "later", source=asking(RESTORE).timeline)
    lineage = lineage_of(GATED, put_back)
    assert failed_name("main", asking(RESTORE).timeline) == lineage.source(named_source).branch.name


def test_going_back_never_builds_code(put_back):
    desired = asking(RESTORE, replace(GATED, workers=(replace(GATED.workers[0], deploy=DeployDriver.WRANGLER),)))
    _, taken = run(desired, replace(WORLD, commit="a" * 40))
    drivers = [step.driver for step in taken if step.wire_name == "UploadVersion"]
    assert [DeployDriver.WRANGLER, DeployDriver.REBIND] == drivers


def test_what_was_live_before_is_not_judged_and_a_swap_that_has_begun_has_been_checked():
    desired = asking(RESTORE, GATED)
    observed, waves = WORLD, plan(desired, WORLD).waves
    for wave in waves:
        for step in wave:
            observed = step.predict(observed)
        if isinstance(wave[0], RenameBranch):
            break
    assert "VerifyLive" not in [step.wire_name for step in plan(desired, ended(observed)).steps]
    restored = run_passing(desired, WORLD)
    assert "VerifyLive" not in [step.wire_name for step in plan(GATED, restored).steps]


def run_passing(desired: Desired, observed: Observed) -> Observed:
    for step in plan(desired, observed).steps:
        observed = step.predict(observed)
    return ended(observed)


def test_the_plan_says_what_is_done_when_the_last_check_fails():
    held = replace(GATED, verify=replace(GATED.verify, on_failure=OnFailure.HOLD))
    (step,) = [each for each in plan(asking(RESTORE, held), WORLD).steps if isinstance(each, VerifyLive)]
    assert OnFailure.HOLD is step.on_failure
    assert plan(asking(RESTORE, held), WORLD).digest != plan(asking(RESTORE, GATED), WORLD).digest


def test_a_way_back_that_is_barred_is_refused_for_its_own_reason(put_back):
    """Such as a config of the old timeline that was edited by hand meanwhile."""
    desired = asking(RESTORE, GATED)
    away = replace(put_back, workers=tuple(replace(each, deployed=()) for each in put_back.workers))
    found = next_steps(desired, away)
    assert isinstance(found, Blocked)
    assert ["worker-not-deployed"] == [each.rule for each in found.refusals]
