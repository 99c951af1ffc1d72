"""What the file says of the project is brought about last, one write at a time, and no restore waits for it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.model.compute import NEVER, UNSAID, ComputeSettings
from reconciler.core.model.desired import Method
from reconciler.core.plan.plan import plan
from reconciler.core.plan.safety_net import safety_net
from reconciler.core.rules.next_steps import next_steps
from reconciler.core.steps.branch import AddCompute, SetCompute
from reconciler.core.steps.primary import ProtectBranch, SetHistoryRetention, UnprotectBranch
from reconciler.core.values.duration import for_people
from tests.core.files import BY_BRANCH, CANDIDATE, DESIRED, RESTORE, asked, asking, hours_ago, primary, restores
from tests.core.plans import after, killed_after, kinds, planned, rules, step_of, warnings
from tests.core.worlds import MADE, MAIN, PROJECT, WORLD, changed, with_main, with_project, world_for

ALIKE = replace(MADE, endpoint=replace(MADE.endpoint, settings=ComputeSettings(0.25, 0.25, 0)))
LARGE = ComputeSettings(2, 8, 3600)
SIZED = with_main(endpoint=replace(MAIN.endpoint, settings=LARGE))
IN_PLACE = asking(RESTORE, method=Method.IN_PLACE)


def keeping(**span):
    return primary(history_retention=timedelta(**span))


def on_plan(name, observed=WORLD, **changes):
    return with_project(observed, plan=name, **changes)


def beside(branch, observed=WORLD):
    return replace(observed, branches=(*observed.branches, branch))


def sized(settings):
    return with_main(endpoint=replace(MAIN.endpoint, settings=settings))


# How far back the project can be restored


def test_a_longer_history_is_one_step():
    desired = keeping(days=30)
    assert plan(desired, WORLD).steps == (
        SetHistoryRetention(project=PROJECT.id, former=604_800, seconds=2_592_000, reason=""),
    )
    assert plan(desired, after(desired, WORLD)).in_sync


HISTORY = {
    "longer": (
        keeping(days=30),
        WORLD,
        "what is older than 7 d does not come back. It reaches back 30 d in 23 d from now",
    ),
    "shorter": (keeping(days=1), WORLD, f"moments from {MAIN.created_at} to {hours_ago(24)} can no longer be restored"),
    "shorter, of an old project": (keeping(days=1), with_main(created_at=hours_ago(24 * 90)), f"to {hours_ago(24)} "),
}


@pytest.mark.parametrize(("desired", "observed", "words"), HISTORY.values(), ids=HISTORY)
def test_a_change_of_the_history_is_explained(desired, observed, words):
    assert len(warnings(desired, observed)) == len(warnings(desired, observed, words)) == 1


COPIED = killed_after(IN_PLACE, after(DESIRED, after(BY_BRANCH, WORLD)), "CreateBranch")
STEPS = {
    "not declared": (DESIRED, with_project(history=timedelta(hours=3)), []),
    "as it is": (keeping(days=7), WORLD, []),
    "a young project loses nothing": (keeping(days=1), with_main(created_at=hours_ago(12)), ["SetHistory"]),
    "more than on an unknown plan": (keeping(days=30), on_plan("", history=timedelta(hours=3)), ["SetHistory"]),
    "more than on Scale": (keeping(days=30), on_plan("scale_v3", history=timedelta(hours=3)), ["SetHistory"]),
    "longer than a candidate needs": (keeping(hours=25), beside(MADE), ["SetHistory"]),
    "its moment has left": (keeping(hours=20), replace(beside(MADE), at=hours_ago(-24 * 7)), ["SetHistory"]),
    "a copy of what is held": (keeping(hours=20), COPIED, ["SetHistory"]),
    "protect": (primary(protected=True), WORLD, ["ProtectBranch"]),
    "it is protected": (primary(protected=True), with_main(protected=True), []),
    "it is unprotected": (primary(protected=False), with_main(protected=False), []),
    "a compute that is not told": (primary(compute=LARGE), WORLD, []),
    "a compute on Scale": (primary(compute=ComputeSettings(1, 56, 60)), on_plan("scale", SIZED), ["SetCompute"]),
    "a compute on an unknown plan": (primary(compute=ComputeSettings(1, 56, 60)), on_plan("", SIZED), ["SetCompute"]),
    "a compute that is missing": (
        primary(replace(DESIRED, hyperdrive=None, workers=()), compute=LARGE),
        replace(with_main(endpoint=None), configs=(), workers=()), ["AddCompute"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("desired", "observed", "steps"), STEPS.values(), ids=STEPS)
def test_the_file_is_brought_about(desired, observed, steps):
    assert (steps, []) == (planned(desired, observed), rules(desired, observed))


@pytest.mark.parametrize(("name", "longest"), [("free_v3", timedelta(hours=6)), ("launch", timedelta(days=7))])
def test_more_history_than_the_plan_keeps_is_refused(name, longest):
    found = plan(keeping(days=30), on_plan(name, history=timedelta(hours=3)))
    (refusal,) = found.refusals
    assert (refusal.rule, found.in_sync, found.steps) == ("history-beyond-plan", False, ())
    for each in ("asks for 30 d", f'"{name}" keeps {for_people(longest)}', "the project keeps 3 h"):
        assert each in refusal.message


def test_a_restore_does_not_wait_for_settings():
    desired, observed = asking(RESTORE, keeping(days=30)), on_plan("launch")
    found = plan(desired, observed)
    assert (found.refusals, found.steps) == ((), plan(BY_BRANCH, observed).steps)
    assert warnings(desired, observed, "primary.history_retention asks for 30 d")
    assert rules(desired, after(desired, observed)) == ["history-beyond-plan"]


@pytest.mark.parametrize("name", [CANDIDATE, CANDIDATE.replace("candidate", "failed")])
def test_a_history_that_a_candidate_needs_is_kept(name):
    (refusal,) = plan(keeping(hours=20), beside(replace(MADE, name=name))).refusals
    assert refusal.rule == "history-needed"
    assert (
        f'stays at 7 d, not 20 h: "{name}" is not verified yet, and its moment {RESTORE.to}, 1 d ago' in refusal.message
    )
    assert "a history_retention of more than 1 d" in refusal.hint


@pytest.mark.parametrize("method", Method)
def test_a_restore_is_proved_before_its_history_goes(method):
    steps = planned(asking(RESTORE, keeping(hours=20), method), WORLD)
    assert (steps[-1], steps.count("SetHistory")) == ("SetHistory", 1)


# Protection


def test_the_primary_is_unprotected_for_good():
    (step,) = plan(primary(protected=False), with_main(protected=True)).steps
    assert step == UnprotectBranch(branch="main", for_good=True, reason="")


@pytest.mark.parametrize("method", Method)
@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("declared", [True, False, None])
def test_a_restored_primary_is_protected_as_declared(method, before, declared):
    desired = asking(RESTORE, primary(protected=declared), method)
    observed = after(desired, with_main(protected=before))
    wanted = before if declared is None else declared
    assert [each.protected for each in observed.branches if each.name == "main"] == [wanted]
    assert plan(desired, observed).in_sync


@pytest.mark.parametrize("method", Method)
def test_what_is_replaced_is_not_protected_first(method):
    steps = planned(asking(RESTORE, primary(protected=True), method), WORLD)
    assert (steps[0], steps.count("ProtectBranch")) == ("CreateBranch", 1)


@pytest.mark.parametrize("killed", ["UnprotectBranch", "RestoreBranch"])
@pytest.mark.parametrize("declared", [True, False])
def test_the_file_decides_protection_after_a_crash(killed, declared):
    desired = primary(IN_PLACE, protected=declared)
    left = killed_after(desired, with_main(protected=True), killed)
    assert bool(safety_net(desired, left)) == declared
    assert [each.protected for each in after(desired, left).branches if each.name == "main"] == [declared]


UNPROTECTED = primary(IN_PLACE, protected=False)


def test_protection_that_is_not_wanted_is_noted_nowhere():
    assert not step_of(UNPROTECTED, with_main(protected=True), "CreateBranch").protects
    assert step_of(UNPROTECTED, with_main(protected=True), "UnprotectBranch").noted_on == ""


def test_protection_that_is_not_wanted_is_not_announced():
    (said,) = warnings(UNPROTECTED, with_main(protected=True), "is unprotected while")
    assert said.endswith("while it is being restored")


def test_missing_room_for_protection_is_said():
    others = tuple(replace(MADE, id=f"br-{n}", name=str(n), mark=None, protected=True) for n in range(2))
    observed = on_plan("launch", replace(WORLD, branches=(MAIN, *others)))
    assert plan(primary(protected=True), observed).in_sync
    assert warnings(primary(protected=True), observed, "the project has 2 protected")


# The compute

COMPUTES = {
    "by branch": (BY_BRANCH, SIZED, LARGE),
    "in place": (IN_PLACE, SIZED, LARGE),
    "declared": (primary(BY_BRANCH, compute=ComputeSettings(1, 4)), SIZED, ComputeSettings(1, 4, 3600)),
    "suspended at once": (BY_BRANCH, sized(ComputeSettings(1, 1, 0)), ComputeSettings(1, 1)),
    "suspended as usual": (BY_BRANCH, sized(ComputeSettings(1, 1, 300)), ComputeSettings(1, 1)),
    "suspended unknown": (BY_BRANCH, sized(ComputeSettings(1, 1)), ComputeSettings(1, 1)),
}


@pytest.mark.parametrize(("desired", "observed", "compute"), COMPUTES.values(), ids=COMPUTES)
def test_a_candidate_gets_the_compute_of_the_primary(desired, observed, compute):
    """The usual suspension is not asked for: Neon's Free plan takes none."""
    assert step_of(desired, observed, "CreateBranch").compute == compute
    assert plan(desired, after(desired, observed)).in_sync


def test_a_missing_compute_is_added_as_the_primarys():
    (step,) = next_steps(BY_BRANCH, beside(replace(MADE, endpoint=None), SIZED))
    assert (AddCompute, LARGE) == (type(step), step.compute)


def test_a_candidate_of_another_size_is_changed_first():
    observed = beside(ALIKE, SIZED)
    steps = plan(BY_BRANCH, observed).steps
    assert (steps[0], kinds(steps).count("SetCompute")) == (SetCompute(branch=CANDIDATE, compute=LARGE, reason=""), 1)
    assert not warnings(BY_BRANCH, observed, "restarts")


def test_only_what_is_otherwise_is_changed():
    observed = beside(replace(ALIKE, endpoint=replace(ALIKE.endpoint, settings=replace(LARGE, suspend=60))), SIZED)
    assert plan(BY_BRANCH, observed).steps[0].compute == ComputeSettings(suspend=3600)


def test_what_comes_back_gets_the_compute_of_now():
    restored = after(BY_BRANCH, SIZED)
    grown = changed(restored, "main", endpoint=replace(MAIN.endpoint, id="ep-2", settings=ComputeSettings(4, 8, 3600)))
    assert step_of(DESIRED, grown, "SetCompute").compute == ComputeSettings(4, 8)
    assert plan(DESIRED, after(DESIRED, grown)).in_sync


def test_a_branch_with_users_is_not_resized():
    served = killed_after(BY_BRANCH, beside(ALIKE, SIZED), "SwitchTraffic")
    smaller = changed(served, CANDIDATE, endpoint=replace(ALIKE.endpoint, settings=ComputeSettings(1, 1)))
    assert "SetCompute" not in planned(BY_BRANCH, smaller)


def test_the_live_compute_is_changed_with_a_warning():
    desired = primary(compute=ComputeSettings(1, 4, NEVER))
    (step,) = plan(desired, SIZED).steps
    assert step == SetCompute(branch="main", compute=ComputeSettings(1, 4, NEVER), reason="")
    assert "it is 2 to 8 CU, suspended after 1 h" in step.reason
    assert warnings(desired, SIZED, 'restarts the compute of "main"')
    assert plan(desired, after(desired, SIZED)).in_sync


@pytest.mark.parametrize(
    ("name", "compute", "said"),
    [
        ("free_v3", ComputeSettings(1, 4), 'asks for 1 to 4 CU, and Neon\'s plan "free_v3" offers up to 2 CU'),
        ("free", ComputeSettings(suspend=600), 'suspended after 10 min, and Neon\'s plan "free" offers one suspended'),
        ("launch", ComputeSettings(suspend=60), "offers one suspended after 5 min or never suspended"),
    ],
)
def test_a_compute_beyond_the_plan_is_refused(name, compute, said):
    desired, observed = primary(compute=compute), on_plan(name, SIZED)
    (refusal,) = plan(desired, observed).refusals
    assert (refusal.rule, said in refusal.message) == ("compute-beyond-plan", True)
    assert step_of(asking(RESTORE, desired), observed, "CreateBranch").compute == LARGE


# Together


SETTINGS = st.fixed_dictionaries(
    {
        "history_retention": st.sampled_from([None, timedelta(hours=6), timedelta(days=7), timedelta(days=30)]),
        "protected": st.sampled_from([None, True, False]),
        "compute": st.sampled_from([UNSAID, ComputeSettings(1, 2), ComputeSettings(0.25, 4, NEVER)]),
        "method": st.sampled_from(Method),
    }
)


@given(asked(), SETTINGS, restores, st.booleans(), st.sampled_from(["free", "launch", "scale", ""]))
def test_any_settings_are_in_sync_or_refused(desired, settings, restore, protected, name):
    desired = primary(desired, restore=restore, **settings)
    world = on_plan(name, world_for(desired, protected=protected))
    world = replace(world, branches=(replace(world.branches[0], endpoint=SIZED.branches[0].endpoint),))
    found = plan(desired, world)
    if found.refusals:
        return
    again = plan(desired, after(desired, world))
    assert again.steps == ()
    assert {each.rule for each in again.refusals} <= {"history-beyond-plan", "compute-beyond-plan"}
    at_end = [isinstance(step, SetHistoryRetention | UnprotectBranch | ProtectBranch) for step in found.steps]
    assert not any(
        isinstance(step, SetHistoryRetention) for step in found.steps[: at_end.index(True) if any(at_end) else None]
    )
