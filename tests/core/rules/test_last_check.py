"""The last check fails with users on the new timeline: what was live is put back, once, whatever is interrupted."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.model.desired import DeployDriver, Desired, OnFailure, Restore, Worker
from reconciler.core.model.observed import Observed, named
from reconciler.core.plan.plan import plan
from reconciler.core.rules.context.planning import Blocked
from reconciler.core.rules.next_steps import next_steps
from reconciler.core.steps.base import Step
from reconciler.core.steps.worker import VerifyLive
from reconciler.core.values.timeline import candidate_name, failed_name
from tests.core.files import BY_BRANCH, DESIRED, RESTORE, asking, gated, hours_ago
from tests.core.plans import carried_out, ended, kinds, lineage_of, planned, rules, step_of, warnings
from tests.core.worlds import WORLD, world_for

GATED, ASKED = gated(DESIRED), gated(BY_BRANCH)
MOST_STEPS = 60
FAILED, CANDIDATE = (name("main", ASKED.timeline) for name in (failed_name, candidate_name))


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


@st.composite
def restores_with_a_last_check(draw: st.DrawFn) -> tuple[Desired, Observed]:
    """A restore that was never asked for, in a world with a past: others were, and were killed after any step."""
    drivers = draw(st.lists(st.sampled_from(DeployDriver), min_size=1, max_size=2))
    workers = tuple(Worker(f"w{n}/wrangler.jsonc", "HYPERDRIVE", None, driver) for n, driver in enumerate(drivers))
    desired = replace(GATED, workers=workers)
    observed = world_for(desired, protected=draw(st.booleans()))
    for restore in draw(st.lists(st.sampled_from([None, RESTORE, Restore(hours_ago(12), "b")]), max_size=3)):
        steps = plan(asking(restore, desired), observed).steps
        observed = ended(carried_out(steps[: draw(st.integers(0, len(steps)))], observed))
    live = lineage_of(observed, desired).live.timeline
    return asking(Restore(observed.at.before(timedelta(seconds=10)), "fresh", source=live), desired), observed


def check_put_back(desired: Desired, before: Observed, after: Observed) -> None:
    """Users, the primary, its name and every held branch are where they were; the candidate says that it failed."""
    lineage, primary = lineage_of(after, desired), desired.primary.branch
    live, was = lineage.live.branch, lineage_of(before, desired).live.branch
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
def test_what_was_live_is_put_back(history):
    desired, before = history
    after, _ = run(desired, before)
    check_put_back(desired, before, after)
    assert (["timeline-failed"], []) == (rules(desired, after), planned(desired, after))
    assert run(desired, after)[1] == []


@given(restores_with_a_last_check(), st.lists(st.integers(0, MOST_STEPS), max_size=4))
def test_killed_runs_put_back_and_do_not_retry(history, kills):
    desired, before = history
    observed, checks, marked = before, 0, False
    for steps in [*kills, MOST_STEPS]:
        observed, taken = run(desired, observed, steps)
        now = kinds(taken).count("VerifyLive")
        assert not (marked and now), "what has failed was tried again"
        marked = marked or bool(lineage_of(observed, desired).failed)
        checks += now
    check_put_back(desired, before, observed)
    assert 1 <= checks <= len(kills) + 1


@given(restores_with_a_last_check())
def test_the_mark_comes_before_the_way_back(history):
    """Were it the other way round, a run that dies in between would be followed by one that switches again."""
    desired, before = history
    _, taken = run(desired, before)
    check = kinds(taken).index("VerifyLive")
    assert failed_name(desired.primary.branch, desired.timeline) == taken[check + 1].to
    assert "SwitchTraffic" in kinds(taken[check + 2 :])


@given(restores_with_a_last_check())
def test_the_plan_shows_the_way_back(history):
    desired, before = history
    _, taken = run(desired, before)
    marked = kinds(taken).index("VerifyLive") + 2
    found = plan(desired, run(desired, before, marked)[0])
    assert (list(found.steps), found.in_sync) == (taken[marked:], False)
    assert ["timeline-failed"] == [each.rule for each in found.refusals]


PUT_BACK = run(ASKED, WORLD)[0]


def test_a_reverted_file_is_in_sync_afterwards():
    assert plan(GATED, PUT_BACK).in_sync
    assert warnings(GATED, PUT_BACK, "failed its last check")


def test_a_failed_timeline_names_every_way_on():
    (refusal,) = plan(ASKED, PUT_BACK).refusals
    assert f'timeline "{ASKED.timeline}" took traffic and failed its last check' in refusal.message
    assert refusal.message.endswith('"origin" is live again, unchanged')
    assert f'"{FAILED}" holds it' in refusal.hint
    assert f'"{CANDIDATE}"' in refusal.hint


def test_another_id_is_another_restore():
    again = gated(asking(replace(RESTORE, id="again")))
    assert (rules(again, PUT_BACK), step_of(again, PUT_BACK, "CreateBranch").source) == ([], "main")


def test_a_branch_renamed_to_candidate_is_tried_again():
    branches = tuple(replace(each, name=each.name.replace(FAILED, CANDIDATE)) for each in PUT_BACK.branches)
    observed = replace(PUT_BACK, branches=branches)
    assert (rules(ASKED, observed), "VerifyLive" in planned(ASKED, observed)) == ([], True)


@pytest.mark.parametrize(("source", "branch"), [(None, "main"), (ASKED.timeline, FAILED)], ids=["unnamed", "named"])
def test_a_failed_timeline_is_named_to_be_used(source, branch):
    later = Restore(hours_ago(0.01), "later", source=source)
    assert branch == lineage_of(PUT_BACK, GATED).source(later).branch.name


def test_going_back_never_builds_code():
    built = replace(ASKED, workers=(replace(ASKED.workers[0], deploy=DeployDriver.WRANGLER),))
    _, taken = run(built, replace(WORLD, commit="a" * 40))
    drivers = [step.driver for step in taken if kinds([step]) == ["UploadVersion"]]
    assert [DeployDriver.WRANGLER, DeployDriver.REBIND] == drivers


RENAMED = kinds(plan(ASKED, WORLD).steps).index("RenameBranch") + 1


@pytest.mark.parametrize(
    ("desired", "observed"),
    [
        (ASKED, ended(carried_out(plan(ASKED, WORLD).steps[:RENAMED], WORLD))),
        (GATED, ended(carried_out(plan(ASKED, WORLD).steps, WORLD))),
    ],
    ids=["the swap has begun", "an undo"],
)
def test_what_was_checked_or_live_is_not_judged(desired, observed):
    assert "VerifyLive" not in planned(desired, observed)


def test_what_happens_on_failure_is_in_the_plan():
    held = replace(ASKED, verify=replace(ASKED.verify, on_failure=OnFailure.HOLD))
    assert OnFailure.HOLD is step_of(held, WORLD, "VerifyLive").on_failure
    assert plan(held, WORLD).digest != plan(ASKED, WORLD).digest


def test_a_blocked_way_back_has_its_own_reason():
    """Such as a config of the old timeline that was edited by hand meanwhile."""
    found = next_steps(ASKED, replace(PUT_BACK, workers=tuple(replace(each, deployed=()) for each in PUT_BACK.workers)))
    assert isinstance(found, Blocked)
    assert ["worker-not-deployed"] == [each.rule for each in found.refusals]
