"""The old database is fenced right before the switch, whatever is interrupted, and what is live takes writes."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.model.compute_name import is_marked, marked, unmarked
from reconciler.core.model.desired import Desired, Restore
from reconciler.core.model.observed import DeployedVersion, Endpoint, Observed
from reconciler.core.plan.plan import plan
from reconciler.core.rules.context.planning import Blocked
from reconciler.core.rules.next_steps import next_steps
from reconciler.core.steps.base import Step
from reconciler.core.steps.branch import RemoveFence
from tests.core.files import BY_BRANCH, DESIRED, RESTORE, asked, asking, gated, hours_ago, primary
from tests.core.plans import after, carried_out, ended, killed_after, kinds, lineage_of, planned, taken_until, warnings
from tests.core.worlds import MAIN, WORLD, changed, world_for

FENCED = primary(fence=True)
ASKED, GATED = asking(RESTORE, FENCED), gated(asking(RESTORE, FENCED))
ALONE = replace(FENCED, hyperdrive=None, workers=())
LONELY = replace(WORLD, configs=(), workers=())
MOST_STEPS = 60
ENDPOINT = Endpoint("ep-cool-darkness", "host")


def called(name: str) -> Endpoint:
    return replace(ENDPOINT, name=name, fenced=is_marked(name))


def fences(desired: Desired, observed: Observed) -> list[tuple[str, str]]:
    steps = plan(desired, observed).steps
    return [(kind, step.branch) for kind, step in zip(kinds(steps), steps, strict=True) if "Fence" in kind]


LEFT = changed(WORLD, "main", endpoint=replace(MAIN.endpoint, fenced=True))
RESTORED, UNFENCED = after(ASKED, WORLD), after(BY_BRANCH, WORLD)
JUST_FENCED = taken_until(ASKED, WORLD, "FenceBranch")
SWITCHED = killed_after(ASKED, WORLD, "SwitchTraffic")
RENAMED = killed_after(ASKED, WORLD, "RenameBranch")
(HELD,) = (each.branch.name for each in lineage_of(RESTORED).held)

# The mark in the name


@pytest.mark.parametrize("name", ["", "main", "a name of its own", "x" * 42])
def test_the_mark_can_be_taken_away(name):
    fenced = called(marked(called(name)))
    assert (fenced.fenced, called(name).fenced, is_marked(unmarked(fenced))) == (True, False, False)
    assert unmarked(fenced) == (name or ENDPOINT.id)
    assert marked(fenced) == fenced.name == marked(called(unmarked(fenced)))


def test_a_marked_name_fits_into_64_characters():
    assert len(marked(called("x" * 64))) == 64


# When it is set and lifted

AGAIN = asking(Restore(hours_ago(24), "b", source=asking(None).timeline))
REFUSED = asking(Restore(hours_ago(24 * 30), source=asking(None).timeline))
FENCES = {
    "not asked": (BY_BRANCH, WORLD, []),
    "a restore": (ASKED, WORLD, [("LiftFence", plan(ASKED, WORLD).steps[0].name), ("FenceBranch", "main")]),
    "an undo": (FENCED, RESTORED, [("FenceBranch", "main"), ("LiftFence", HELD)]),
    "an undo, the option taken out": (DESIRED, RESTORED, [("LiftFence", HELD)]),
    "held, the option taken out": (BY_BRANCH, RESTORED, []),
    "a copy of what is fenced": (AGAIN, RESTORED, [("LiftFence", plan(AGAIN, RESTORED).steps[0].name)]),
    "held, the option put in": (ASKED, UNFENCED, [("FenceBranch", HELD)]),
    "held without a compute": (ASKED, changed(UNFENCED, HELD, endpoint=None), []),
    "live": (DESIRED, LEFT, [("LiftFence", "main")]),
    "live and asked": (FENCED, LEFT, [("LiftFence", "main")]),
    "what is asked is refused": (REFUSED, LEFT, [("LiftFence", "main")]),
    "the names are being swapped": (ASKED, RENAMED, []),
}


@pytest.mark.parametrize(("desired", "observed", "steps"), FENCES.values(), ids=FENCES)
def test_fences_are_set_and_lifted(desired, observed, steps):
    assert fences(desired, observed) == steps


@pytest.mark.parametrize(
    ("desired", "observed", "steps"),
    [
        (ASKED, WORLD, ["FenceBranch", "SwitchTraffic"]),
        (asking(RESTORE, ALONE), LONELY, ["FenceBranch", "RenameBranch"]),
        (FENCED, RESTORED, ["LiftFence", "SwitchTraffic"]),
        (BY_BRANCH, LEFT, ["LiftFence", "CreateBranch"]),
        (ASKED, LEFT, ["LiftFence", "CreateBranch"]),
        (ASKED, ended(JUST_FENCED), ["FenceBranch", "SwitchTraffic", "RenameBranch", "RenameBranch"]),
        (ASKED, SWITCHED, ["FenceBranch", "RenameBranch"]),
    ],
    ids=["switch", "no Worker", "undo", "live, taken out", "live, asked", "a new run", "users are switched"],
)
def test_a_fence_comes_right_before(desired, observed, steps):
    found = planned(desired, observed)
    assert any(found[at : at + len(steps)] == steps for at in range(len(found)))


def test_it_is_lifted_before_the_refusal_is_known():
    assert next_steps(REFUSED, LEFT) == (RemoveFence(branch="main", database="tech961", reason=""),)
    assert "outside-history-window" in [each.rule for each in plan(REFUSED, LEFT).refusals]


def test_a_fence_without_a_known_database_is_refused():
    unknown = replace(DESIRED, hyperdrive=None, workers=(), verify=replace(DESIRED.verify, database="", role=""))
    (refusal,) = plan(unknown, replace(LEFT, configs=(), workers=())).refusals
    assert (refusal.rule, '"main"' in refusal.message) == ("fence-unliftable", True)
    assert "verify.database" in refusal.hint


@pytest.mark.parametrize(("observed", "step"), [(JUST_FENCED, "SwitchTraffic"), (ended(JUST_FENCED), "LiftFence")])
def test_a_new_run_does_not_trust_a_mark(observed, step):
    assert kinds(next_steps(ASKED, observed)) == [step]


def test_a_third_timeline_keeps_the_fence():
    third = asking(Restore(hours_ago(12), "b"), FENCED)
    assert lineage_of(RENAMED, third).live.branch.fenced
    assert kinds(next_steps(third, RENAMED))[0] == "CreateBranch"


def test_code_deployed_behind_the_fence_lifts_it():
    (worker,) = JUST_FENCED.workers
    newer = replace(JUST_FENCED, workers=(replace(worker, deployed=(DeployedVersion("v1", 100, "c0"),)),))
    assert planned(ASKED, newer)[:4] == ["LiftFence", "UploadVersion", "FenceBranch", "SwitchTraffic"]


def test_a_held_branch_is_fenced_without_users():
    (step,) = plan(ASKED, UNFENCED).steps
    assert (step.branch, step.served) == (HELD, False)


def test_a_failed_last_check_lifts_the_fence_first():
    switched = taken_until(GATED, WORLD, "SwitchTraffic")
    (check,) = next_steps(GATED, switched)
    failed = replace(switched, failed=frozenset({check.key}))
    assert planned(GATED, failed)[0] == "RenameBranch"
    assert fences(GATED, failed) == [("LiftFence", "main")]
    assert planned(GATED, failed).index("LiftFence") < planned(GATED, failed).index("SwitchTraffic")


def test_a_primary_without_a_compute_needs_no_fence():
    bare = replace(WORLD, branches=(replace(MAIN, endpoint=None),))
    assert "main" not in [branch for _, branch in fences(ASKED, bare)]


@st.composite
def histories(draw: st.DrawFn) -> tuple[Desired, Observed]:
    """A file with a fence, in a world in which other restores were asked for and killed after any step."""
    desired = primary(draw(asked()), fence=True, restore=None)
    observed = world_for(desired, protected=False)
    for restore in draw(st.lists(st.sampled_from([None, RESTORE, Restore(hours_ago(12), "b")]), max_size=3)):
        steps = plan(asking(restore, desired), observed).steps
        observed = ended(carried_out(steps[: draw(st.integers(0, len(steps)))], observed))
    return asking(draw(st.sampled_from([None, RESTORE])), desired), observed


@given(histories(), st.lists(st.integers(0, 12), max_size=3))
def test_killed_runs_keep_writes_where_users_are(history, kills):
    desired, observed = history
    for most in [*kills, MOST_STEPS]:
        taken = 0
        while isinstance(wave := next_steps(desired, observed), tuple) and wave and taken < most:
            for step in wave:
                check_switch(desired, observed, step)
                observed, taken = step.predict(observed), taken + 1
        refused = isinstance(wave, Blocked)
        observed = ended(observed)
    lineage = lineage_of(observed, desired)
    assert lineage.swapping or not lineage.live.branch.fenced
    assert refused or all(each.branch.fenced for each in lineage.held)


def check_switch(desired: Desired, observed: Observed, step: Step) -> None:
    """A switch to another timeline needs a fence that this very run has made, and what is switched to takes writes."""
    lineage = lineage_of(observed, desired)
    carrier = lineage.timeline_branch(desired.timeline)
    if kinds([step]) != ["SwitchTraffic"] or carrier is None:
        return
    assert not carrier.branch.fenced
    if carrier != lineage.live and not lineage.swapping:
        assert lineage.live.branch.fenced
        assert f"fence:{lineage.live.branch.name}" in observed.passed


# What the plan says


def test_the_plan_says_when_writes_fail():
    steps = planned(ASKED, WORLD)
    first, last = (steps.index(name) + 1 for name in ("FenceBranch", "SwitchTraffic"))
    assert warnings(
        ASKED, WORLD, f"from step {first} (the fence of origin) until step {last} has switched tech961-api: about 7 s"
    )


@pytest.mark.parametrize(
    ("desired", "observed", "words"),
    [
        (FENCED, RESTORED, "about 11 s"),
        (asking(RESTORE, ALONE), LONELY, "so point its users to the new branch"),
        (ASKED, SWITCHED, "users are on another branch already"),
    ],
    ids=["an undo, which lifts another", "nothing is switched", "users are switched"],
)
def test_the_plan_says_how_long_writes_fail(desired, observed, words):
    (warning,) = [each for each in warnings(desired, observed, " step ") if each.startswith("writes")]
    assert words in warning


def test_without_a_fence_no_step_is_named():
    assert not warnings(BY_BRANCH, WORLD, "step")
