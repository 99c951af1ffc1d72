"""The old database is fenced right before the switch, whatever is interrupted, and what is live takes writes."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.lineage.infer import infer_lineage
from reconciler.core.lineage.lineage import Lineage
from reconciler.core.model.compute_name import is_marked, marked, unmarked
from reconciler.core.model.desired import Desired, HttpGate, Restore
from reconciler.core.model.observed import DeployedVersion, Endpoint, Observed, named
from reconciler.core.plan.plan import plan
from reconciler.core.rules.context.planning import Blocked
from reconciler.core.rules.next_steps import next_steps
from reconciler.core.steps import Step
from reconciler.core.steps.branch import CreateBranch, FenceBranch, RemoveFence
from reconciler.core.steps.primary import RenameBranch
from reconciler.core.steps.worker import SwitchTraffic, VerifyLive
from tests.core.files import DESIRED, asked, asking, hours_ago
from tests.core.plans import after, ended
from tests.core.worlds import MAIN, WORLD, world_for

RESTORE = Restore(hours_ago(24), "inc-42")
FENCED = replace(DESIRED, primary=replace(DESIRED.primary, fence=True))
GATED = replace(FENCED, verify=replace(FENCED.verify, http=(HttpGate("health", "https://961tech.example/health"),)))
ALONE = replace(FENCED, hyperdrive=None, workers=())
LONELY = replace(WORLD, configs=(), workers=())
MOST_STEPS = 60
ENDPOINT = Endpoint("ep-cool-darkness", "host")


def called(name: str) -> Endpoint:
    return replace(ENDPOINT, name=name, fenced=is_marked(name))


def with_fence(observed: Observed, branch: str, *, fenced: bool = True) -> Observed:
    """The world with a mark, or without one, on a branch's compute."""
    assert named(observed.branches, branch)
    changed = tuple(
        replace(each, endpoint=replace(each.endpoint, fenced=fenced)) if each.name == branch else each
        for each in observed.branches
    )
    return replace(observed, branches=changed)


def kinds(steps: tuple[Step, ...]) -> list[str]:
    return [step.wire_name for step in steps]


def lineage_of(desired: Desired, observed: Observed) -> Lineage:
    lineage = infer_lineage(desired, observed.branches)
    assert isinstance(lineage, Lineage)
    return lineage


def fences(steps: tuple[Step, ...]) -> list[tuple[str, str]]:
    return [(step.wire_name, step.branch) for step in steps if isinstance(step, FenceBranch | RemoveFence)]


def taken_until(desired: Desired, observed: Observed, last: type[Step]) -> Observed:
    """The world right after the first step of a kind, and the run still going."""
    while isinstance(wave := next_steps(desired, observed), tuple) and wave:
        for step in wave:
            observed = step.predict(observed)
            if isinstance(step, last):
                return observed
    raise AssertionError(f"no {last.__name__} was asked for")


@pytest.mark.parametrize("name", ["", "main", "a name of its own", "x" * 42])
def test_the_mark_stands_before_the_owners_name_and_can_be_taken_away(name):
    fenced = called(marked(called(name)))
    assert fenced.fenced
    assert not called(name).fenced
    assert marked(fenced) == fenced.name
    assert unmarked(fenced) == (name or ENDPOINT.id)
    assert not is_marked(unmarked(fenced))
    assert marked(called(unmarked(fenced))) == fenced.name, "fenced again, it says the same"


def test_a_name_with_its_mark_is_never_longer_than_neon_takes():
    assert len(marked(called("x" * 64))) == 64


def test_without_the_option_nothing_is_fenced():
    assert fences(plan(asking(RESTORE), WORLD).steps) == []


def test_the_old_branch_is_fenced_right_before_the_switch_and_stays_so_while_held():
    found = plan(asking(RESTORE, FENCED), WORLD)
    fence = kinds(found.steps).index("FenceBranch")
    assert found.steps[fence].branch == "main"
    assert isinstance(found.steps[fence + 1], SwitchTraffic)
    (held,) = lineage_of(FENCED, after(asking(RESTORE, FENCED), WORLD)).held
    assert held.branch.fenced


def test_without_a_worker_it_is_fenced_right_before_the_names_are_swapped():
    names = kinds(plan(asking(RESTORE, ALONE), LONELY).steps)
    assert names[names.index("FenceBranch") + 1] == "RenameBranch"


def test_an_undo_fences_the_one_and_then_lifts_the_other_right_before_the_switch():
    restored = after(asking(RESTORE, FENCED), WORLD)
    (held,) = lineage_of(FENCED, restored).held
    found = plan(FENCED, restored)
    assert fences(found.steps) == [("FenceBranch", "main"), ("LiftFence", held.branch.name)]
    lift = kinds(found.steps).index("LiftFence")
    assert isinstance(found.steps[lift + 1], SwitchTraffic)
    back = after(FENCED, restored)
    assert not lineage_of(FENCED, back).live.branch.fenced
    assert plan(FENCED, back).in_sync


def test_an_undo_lifts_a_fence_also_when_the_option_was_taken_out():
    restored = after(asking(RESTORE, FENCED), WORLD)
    (held,) = lineage_of(FENCED, restored).held
    assert fences(plan(DESIRED, restored).steps) == [("LiftFence", held.branch.name)]
    assert plan(asking(RESTORE), restored).in_sync, "what is held stays fenced"


def test_a_new_candidate_is_freed_from_a_fence_that_it_may_have_copied():
    candidate = plan(asking(RESTORE, FENCED), WORLD).steps[0].name
    assert fences(plan(asking(RESTORE, FENCED), WORLD).steps)[0] == ("LiftFence", candidate)
    restored = after(asking(RESTORE, FENCED), WORLD)
    again = asking(Restore(hours_ago(24), "b", source=asking(None).timeline))
    found = plan(again, restored).steps
    assert fences(found) == [("LiftFence", found[0].name)], "its source is fenced, and the option was taken out"


@pytest.mark.parametrize("desired", [DESIRED, FENCED], ids=["taken out", "still asked"])
def test_a_live_branch_that_is_marked_is_lifted_at_once_and_before_anything_else(desired):
    left = with_fence(WORLD, "main")
    assert kinds(plan(desired, left).steps) == ["LiftFence"]
    assert fences(plan(asking(RESTORE, desired), left).steps)[0] == ("LiftFence", "main")
    assert isinstance(plan(asking(RESTORE, desired), left).steps[1], CreateBranch)


def test_it_is_lifted_also_where_what_is_asked_is_refused():
    left = with_fence(WORLD, "main")
    refused = asking(Restore(hours_ago(24 * 30), source=asking(None).timeline))
    assert next_steps(refused, left) == (RemoveFence(branch="main", database="tech961", reason=""),)
    found = plan(refused, left)
    assert kinds(found.steps) == ["LiftFence"]
    assert "outside-history-window" in [each.rule for each in found.refusals]


def test_where_the_file_does_not_know_the_database_any_more_that_is_refused_and_said():
    unknown = replace(DESIRED, hyperdrive=None, workers=(), verify=replace(DESIRED.verify, database="", role=""))
    found = plan(unknown, with_fence(replace(WORLD, configs=(), workers=()), "main"))
    (refusal,) = found.refusals
    assert refusal.rule == "fence-unliftable"
    assert '"main"' in refusal.message
    assert "verify.database" in refusal.hint


def test_a_mark_alone_is_not_trusted_by_a_new_run_before_the_switch():
    desired = asking(RESTORE, FENCED)
    fenced = taken_until(desired, WORLD, FenceBranch)
    assert kinds(next_steps(desired, fenced)) == ["SwitchTraffic"]
    assert kinds(next_steps(desired, ended(fenced))) == ["LiftFence"], "it is to be verified first, which takes time"
    found = kinds(plan(desired, ended(fenced)).steps)
    assert found[-5:-1] == ["FenceBranch", "SwitchTraffic", "RenameBranch", "RenameBranch"]


def test_when_users_are_switched_the_old_branch_is_fenced_again_before_it_is_held():
    desired = asking(RESTORE, FENCED)
    switched = ended(taken_until(desired, WORLD, SwitchTraffic))
    assert kinds(plan(desired, switched).steps)[:2] == ["FenceBranch", "RenameBranch"]
    renamed = ended(taken_until(desired, WORLD, RenameBranch))
    assert fences(plan(desired, renamed).steps) == []


def test_where_a_swap_of_names_has_begun_what_users_have_left_stays_fenced_though_a_third_timeline_is_asked_for():
    renamed = ended(taken_until(asking(RESTORE, FENCED), WORLD, RenameBranch))
    third = asking(Restore(hours_ago(12), "b"), FENCED)
    assert lineage_of(third, renamed).live.branch.fenced
    assert "CreateBranch" == kinds(next_steps(third, renamed))[0]


def test_code_that_is_deployed_between_fence_and_switch_lifts_the_fence_until_it_is_prepared():
    desired = asking(RESTORE, FENCED)
    fenced = taken_until(desired, WORLD, FenceBranch)
    (worker,) = fenced.workers
    newer = replace(worker, deployed=(DeployedVersion("v1", 100, "c0"),))
    waves = plan(desired, replace(fenced, workers=(newer,))).steps
    assert kinds(waves)[:4] == ["LiftFence", "UploadVersion", "FenceBranch", "SwitchTraffic"]


def test_a_held_branch_that_is_not_fenced_is_fenced_when_everything_else_is_done():
    restored = after(asking(RESTORE), WORLD)
    (held,) = lineage_of(DESIRED, restored).held
    (step,) = plan(asking(RESTORE, FENCED), restored).steps
    assert (step.branch, step.served) == (held.branch.name, False)
    without = replace(held.branch, endpoint=None)
    branches = tuple(without if each.id == without.id else each for each in restored.branches)
    assert plan(asking(RESTORE, FENCED), replace(restored, branches=branches)).in_sync, "nobody can write to it"


def test_a_last_check_that_fails_lets_the_old_branch_take_writes_before_users_come_back():
    desired = asking(RESTORE, GATED)
    switched = taken_until(desired, WORLD, SwitchTraffic)
    (check,) = next_steps(desired, switched)
    assert isinstance(check, VerifyLive)
    failed = replace(switched, failed=frozenset({check.key}))
    found = plan(desired, failed)
    assert isinstance(found.steps[0], RenameBranch)
    assert fences(found.steps) == [("LiftFence", "main")]
    assert kinds(found.steps).index("LiftFence") < kinds(found.steps).index("SwitchTraffic")


@st.composite
def histories(draw: st.DrawFn) -> tuple[Desired, Observed]:
    """A wish with a fence, in a world in which others were asked for and killed after any step."""
    desired = draw(asked())
    desired = replace(desired, primary=replace(desired.primary, fence=True, restore=None))
    observed = world_for(desired, protected=False)
    for restore in draw(st.lists(st.sampled_from([None, RESTORE, Restore(hours_ago(12), "b")]), max_size=3)):
        steps = plan(asking(restore, desired), observed).steps
        for step in steps[: draw(st.integers(0, len(steps)))]:
            observed = step.predict(observed)
        observed = ended(observed)
    return asking(draw(st.sampled_from([None, RESTORE])), desired), observed


@given(histories(), st.lists(st.integers(0, 12), max_size=3))
def test_runs_that_are_killed_anywhere_never_switch_from_what_takes_writes_nor_leave_users_with_what_does_not(
    history, kills
):
    desired, observed = history
    for most in [*kills, MOST_STEPS]:
        taken = 0
        while isinstance(wave := next_steps(desired, observed), tuple) and wave and taken < most:
            for step in wave:
                check_switch(desired, observed, step)
                observed, taken = step.predict(observed), taken + 1
        refused = isinstance(wave, Blocked)
        observed = ended(observed)
    lineage = lineage_of(desired, observed)
    if not lineage.swapping:
        assert not lineage.live.branch.fenced
    if not refused:
        assert all(each.branch.fenced for each in lineage.held)


def check_switch(desired: Desired, observed: Observed, step: Step) -> None:
    """A switch to another timeline needs a fence that this very run has made, and what is switched to takes writes."""
    lineage = lineage_of(desired, observed)
    timeline_branch = lineage.timeline_branch(desired.timeline)
    if not isinstance(step, SwitchTraffic) or timeline_branch is None:
        return
    assert not timeline_branch.branch.fenced
    if timeline_branch != lineage.live and not lineage.swapping:
        assert lineage.live.branch.fenced
        assert f"fence:{lineage.live.branch.name}" in observed.passed


def said_of(desired: Desired, observed: Observed) -> str:
    (warning,) = [each for each in plan(desired, observed).warnings if each.startswith("writes") and " step " in each]
    return warning


def test_the_plan_says_from_which_step_to_which_writes_fail_and_for_how_long():
    found = plan(asking(RESTORE, FENCED), WORLD)
    first, last = (kinds(found.steps).index(name) + 1 for name in ("FenceBranch", "SwitchTraffic"))
    said = said_of(asking(RESTORE, FENCED), WORLD)
    assert f"from step {first} (the fence of origin) until step {last} has switched tech961-api: about 7 s" in said
    assert "about 11 s" in said_of(FENCED, after(asking(RESTORE, FENCED), WORLD)), "an undo lifts a fence in between"
    assert not any("step" in each for each in plan(asking(RESTORE), WORLD).warnings)


def test_where_nothing_is_switched_the_plan_says_that_writes_fail_until_somebody_does():
    assert "until you have changed what uses it" in said_of(asking(RESTORE, ALONE), LONELY)
    switched = ended(taken_until(asking(RESTORE, FENCED), WORLD, SwitchTraffic))
    assert "users are on another one already" in said_of(asking(RESTORE, FENCED), switched)


def test_a_primary_without_a_compute_needs_no_fence():
    bare = replace(WORLD, branches=(replace(MAIN, endpoint=None),))
    found = plan(asking(RESTORE, FENCED), bare).steps
    assert "main" not in [branch for _, branch in fences(found)]
