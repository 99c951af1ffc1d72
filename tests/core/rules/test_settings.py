"""What the file says of the project is brought about last, one write at a time, and no restore waits for it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.model.compute import NEVER, UNSAID, ComputeSettings
from reconciler.core.model.desired import Method, Restore
from reconciler.core.model.observed import Annotation, Branch, Endpoint
from reconciler.core.plan.plan import plan
from reconciler.core.plan.safety_net import mending
from reconciler.core.rules.next_steps import next_steps
from reconciler.core.steps.branch import AddCompute, SetCompute
from reconciler.core.steps.primary import ProtectBranch, SetHistoryRetention, UnprotectBranch
from reconciler.core.values.duration import for_people
from reconciler.core.values.timeline import Timeline
from tests.core.files import DESIRED, NOW, asked, asking, hours_ago, restores
from tests.core.plans import after, killed_after, kinds, rules, step_of
from tests.core.worlds import MAIN, PROJECT, WORLD, changed, with_main, world_for

RESTORE = Restore(hours_ago(24), "inc-42")
TIMELINE = Timeline(RESTORE.to, RESTORE.id)
CANDIDATE = Branch(
    "br-candidate",
    f"main.candidate.{TIMELINE}",
    hours_ago(20),
    MAIN.id,
    resolved_at=hours_ago(25),
    lsn="0/1",
    mark=Annotation("production", TIMELINE),
    endpoint=Endpoint("ep-candidate", "ep-candidate.neon.tech", settings=ComputeSettings(0.25, 0.25, 0)),
)
LARGE = ComputeSettings(2, 8, 3600)
SIZED = with_main(endpoint=replace(MAIN.endpoint, settings=LARGE))


def saying(desired=DESIRED, **settings):
    return replace(desired, primary=replace(desired.primary, **settings))


def keeping(days):
    return saying(history_retention=timedelta(days=days))


def on_plan(name, observed=WORLD, **changes):
    return replace(observed, project=replace(PROJECT, plan=name, **changes))


# How far back the project can be restored


def test_a_longer_history_is_one_step_and_the_plan_says_that_it_begins_now():
    found = plan(keeping(30), WORLD)
    assert [SetHistoryRetention(project=PROJECT.id, former=604_800, seconds=2_592_000, reason="")] == list(found.steps)
    (said,) = found.warnings
    assert "what is older than 7 d does not come back, so 30 d are reached in 23 d" in said
    assert plan(keeping(30), after(keeping(30), WORLD)).in_sync


def test_a_shorter_history_is_told_with_the_moments_that_are_lost_for_good():
    (said,) = plan(keeping(1), WORLD).warnings
    assert f"no moment from {MAIN.created_at} to {hours_ago(24)} can be restored any more" in said
    older = replace(WORLD, branches=(replace(MAIN, created_at=hours_ago(24 * 90)),))
    assert f"no moment from {hours_ago(24 * 7)} to {hours_ago(24)} " in plan(keeping(1), older).warnings[0]


def test_a_shorter_history_of_a_project_that_is_younger_loses_nothing():
    young = with_main(created_at=hours_ago(12))
    found = plan(keeping(1), young)
    assert (["SetHistory"], ()) == (kinds(found.steps), found.warnings)


def test_what_the_file_does_not_say_is_left_as_it_is():
    assert plan(DESIRED, on_plan("scale", history=timedelta(hours=3))).in_sync
    assert plan(keeping(7), WORLD).in_sync


@pytest.mark.parametrize(
    ("name", "longest"),
    [("free_v3", timedelta(hours=6)), ("launch", timedelta(days=7)), ("scale_v3", None), ("", None)],
)
def test_more_history_than_the_plan_keeps_is_refused_with_the_numbers_and_neon_decides_where_it_is_unknown(
    name, longest
):
    observed = on_plan(name, history=timedelta(hours=3))
    found = plan(keeping(30), observed)
    if longest is None:
        assert (["SetHistory"], ()) == (kinds(found.steps), found.refusals)
        return
    (refusal,) = found.refusals
    assert (refusal.rule, found.in_sync, found.steps) == ("history-beyond-plan", False, ())
    assert refusal.message == (
        f'primary.history_retention asks for 30 d, and Neon\'s plan "{name}" keeps {for_people(longest)} at most; '
        "the project keeps 3 h"
    )


def test_a_restore_does_not_wait_for_settings_that_cannot_be_had_and_they_are_refused_once_it_is_done():
    desired = asking(RESTORE, keeping(30))
    observed = on_plan("launch")
    found = plan(desired, observed)
    assert found.refusals == ()
    assert found.steps == plan(asking(RESTORE), observed).steps
    assert any(each.startswith("primary.history_retention asks for 30 d") for each in found.warnings)
    assert rules(desired, after(desired, observed)) == ["history-beyond-plan"]


def test_the_history_is_not_lowered_below_the_moment_of_a_candidate_that_is_not_proved():
    observed = replace(WORLD, branches=(MAIN, CANDIDATE))
    (refusal,) = plan(saying(history_retention=timedelta(hours=20)), observed).refusals
    assert refusal.rule == "history-needed"
    assert f'from 7 d to 20 h: "{CANDIDATE.name}" was made of {RESTORE.to}, 1 d ago' in refusal.message
    assert "a history_retention of more than 1 d" in refusal.hint
    assert kinds(plan(saying(history_retention=timedelta(hours=25)), observed).steps) == ["SetHistory"]
    gone = replace(observed, at=NOW.before(timedelta(days=-7)))
    assert kinds(plan(saying(history_retention=timedelta(hours=20)), gone).steps) == ["SetHistory"]


def test_the_history_is_not_lowered_below_the_moment_of_a_timeline_that_has_failed_and_may_be_tried_again():
    failed = replace(CANDIDATE, name=f"main.failed.{TIMELINE}")
    observed = replace(WORLD, branches=(MAIN, failed))
    assert rules(saying(history_retention=timedelta(hours=20)), observed) == ["history-needed"]


def test_a_copy_of_what_is_held_needs_no_history():
    restored = after(asking(RESTORE), WORLD)
    again = asking(RESTORE, method=Method.IN_PLACE)
    copied = killed_after(again, after(DESIRED, restored), "CreateBranch")
    assert kinds(plan(saying(history_retention=timedelta(hours=20)), copied).steps) == ["SetHistory"]


@pytest.mark.parametrize("method", Method)
def test_a_restore_is_made_and_proved_before_the_history_is_lowered_below_its_moment(method):
    desired = asking(RESTORE, saying(history_retention=timedelta(hours=20)), method)
    steps = plan(desired, WORLD).steps
    assert (kinds(steps[-1:]), kinds(steps).count("SetHistory")) == (["SetHistory"], 1)


# Protection


def test_the_primary_is_protected_or_not_as_the_file_says():
    assert kinds(plan(saying(protected=True), WORLD).steps) == ["ProtectBranch"]
    (step,) = plan(saying(protected=False), with_main(protected=True)).steps
    assert step == UnprotectBranch(branch="main", for_good=True, reason="")
    for protected in (True, False):
        assert plan(saying(protected=protected), with_main(protected=protected)).in_sync


@pytest.mark.parametrize("method", Method)
@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("declared", [True, False, None])
def test_after_a_restore_the_primary_is_protected_as_the_file_says_and_as_it_was_where_it_says_nothing(
    method, before, declared
):
    desired = asking(RESTORE, saying(protected=declared), method)
    observed = after(desired, with_main(protected=before))
    wanted = before if declared is None else declared
    assert [each.protected for each in observed.branches if each.name == "main"] == [wanted]
    assert plan(desired, observed).in_sync


def test_what_is_about_to_be_replaced_is_not_protected_first():
    for method in Method:
        steps = plan(asking(RESTORE, saying(protected=True), method), WORLD).steps
        assert (kinds(steps[:1]), kinds(steps).count("ProtectBranch")) == (["CreateBranch"], 1)


def test_while_a_primary_is_being_restored_in_place_nothing_protects_it_and_right_after_it_is_protected_again():
    desired = asking(RESTORE, saying(protected=True), Method.IN_PLACE)
    steps = kinds(plan(desired, with_main(protected=True)).steps)
    first = steps.index("UnprotectBranch")
    assert steps[first : first + 3] == ["UnprotectBranch", "RestoreBranch", "ProtectBranch"]


@pytest.mark.parametrize("killed", ["UnprotectBranch", "RestoreBranch"])
def test_a_run_that_dies_in_between_leaves_to_the_next_one_what_the_file_says_of_the_protection(killed):
    protected = with_main(protected=True)
    for declared in (True, False):
        desired = asking(RESTORE, saying(protected=declared), Method.IN_PLACE)
        left = killed_after(desired, protected, killed)
        assert bool(mending(desired, left)) == declared
        done = after(desired, left)
        assert [each.protected for each in done.branches if each.name == "main"] == [declared]


def test_that_it_was_protected_is_noted_nowhere_where_the_file_says_that_it_is_not_to_be():
    desired = asking(RESTORE, saying(protected=False), Method.IN_PLACE)
    protected = with_main(protected=True)
    assert not step_of(desired, protected, "CreateBranch").protects
    assert step_of(desired, protected, "UnprotectBranch").noted_on == ""


def test_where_neon_has_no_room_for_the_protection_that_the_file_asks_for_every_plan_says_so():
    others = tuple(replace(CANDIDATE, id=f"br-{n}", name=str(n), mark=None, protected=True) for n in range(2))
    found = plan(saying(protected=True), on_plan("launch", replace(WORLD, branches=(MAIN, *others))))
    assert found.in_sync
    assert found.warnings[0].startswith("the primary is to be protected and is not: the project has 2 protected")


def test_a_primary_that_is_not_to_be_protected_is_not_said_to_be_so_again():
    desired = asking(RESTORE, saying(protected=False), Method.IN_PLACE)
    (said,) = [each for each in plan(desired, with_main(protected=True)).warnings if "is unprotected while" in each]
    assert said == '"main" is unprotected while it is being restored'


# The compute


def test_a_candidate_gets_the_compute_that_the_primary_has():
    assert step_of(asking(RESTORE), SIZED, "CreateBranch").compute == LARGE
    assert step_of(asking(RESTORE, method=Method.IN_PLACE), SIZED, "CreateBranch").compute == LARGE
    assert after(asking(RESTORE), SIZED).branches[1].endpoint.settings == LARGE


def test_what_the_file_says_of_the_compute_comes_before_what_the_primary_has():
    desired = asking(RESTORE, saying(compute=ComputeSettings(1, 4)))
    assert step_of(desired, SIZED, "CreateBranch").compute == ComputeSettings(1, 4, 3600)
    assert plan(desired, after(desired, SIZED)).in_sync


@pytest.mark.parametrize("suspend", [0, 300, None])
def test_the_usual_suspension_is_not_asked_for_as_neons_free_plan_takes_none(suspend):
    observed = with_main(endpoint=replace(MAIN.endpoint, settings=ComputeSettings(1, 1, suspend)))
    assert step_of(asking(RESTORE), observed, "CreateBranch").compute == ComputeSettings(1, 1)


def test_a_compute_that_is_missing_is_added_as_the_primarys_is():
    observed = replace(SIZED, branches=(*SIZED.branches, replace(CANDIDATE, endpoint=None)))
    (step,) = next_steps(asking(RESTORE), observed)
    assert (AddCompute, LARGE) == (type(step), step.compute)


def test_a_candidate_of_another_size_is_changed_before_it_is_proved_and_only_in_what_is_otherwise():
    observed = replace(SIZED, branches=(*SIZED.branches, CANDIDATE))
    steps = plan(asking(RESTORE), observed).steps
    assert (steps[0], kinds(steps).count("SetCompute")) == (
        SetCompute(branch=CANDIDATE.name, compute=LARGE, reason=""),
        1,
    )
    alike = changed(observed, CANDIDATE.name, endpoint=replace(CANDIDATE.endpoint, settings=replace(LARGE, suspend=60)))
    assert plan(asking(RESTORE), alike).steps[0].compute == ComputeSettings(suspend=3600)
    assert not any("restarts" in each for each in plan(asking(RESTORE), observed).warnings)


def test_a_held_history_that_comes_back_gets_the_compute_that_the_primary_has_by_now():
    restored = after(asking(RESTORE), SIZED)
    grown = changed(restored, "main", endpoint=replace(MAIN.endpoint, id="ep-2", settings=ComputeSettings(4, 8, 3600)))
    assert step_of(DESIRED, grown, "SetCompute").compute == ComputeSettings(4, 8)
    assert plan(DESIRED, after(DESIRED, grown)).in_sync


def test_a_branch_that_serves_already_is_not_resized_under_its_users_to_be_carried_over():
    steps = plan(asking(RESTORE), replace(SIZED, branches=(*SIZED.branches, CANDIDATE))).steps
    names = kinds(steps)
    assert names.index("SetCompute") < names.index("SwitchTraffic")
    served = killed_after(asking(RESTORE), replace(SIZED, branches=(*SIZED.branches, CANDIDATE)), steps[5].wire_name)
    smaller = changed(served, CANDIDATE.name, endpoint=replace(CANDIDATE.endpoint, settings=ComputeSettings(1, 1)))
    assert "SetCompute" not in kinds(plan(asking(RESTORE), smaller).steps)


def test_the_live_compute_is_changed_as_the_file_says_and_the_plan_warns_that_connections_drop():
    desired = saying(compute=ComputeSettings(1, 4, NEVER))
    found = plan(desired, SIZED)
    (step,) = found.steps
    assert step == SetCompute(branch="main", compute=ComputeSettings(1, 4, NEVER), reason="")
    assert step.reason == "the file says so, and it is 2 to 8 CU, suspended after 1 h"
    (said,) = found.warnings
    assert 'restarts the compute of "main" to change it: connections drop for some seconds' in said
    assert plan(desired, after(desired, SIZED)).in_sync


def test_what_neon_does_not_tell_of_a_compute_is_never_changed():
    assert plan(saying(compute=LARGE), WORLD).in_sync
    bare = replace(with_main(endpoint=None), configs=(), workers=())
    desired = saying(replace(DESIRED, hyperdrive=None, workers=()), compute=LARGE)
    assert kinds(plan(desired, bare).steps) == ["AddCompute"]
    assert plan(desired, after(desired, bare)).in_sync


@pytest.mark.parametrize(
    ("name", "compute", "said"),
    [
        ("free_v3", ComputeSettings(1, 4), 'asks for 1 to 4 CU, and Neon\'s plan "free_v3" offers up to 2 CU'),
        ("free", ComputeSettings(suspend=600), 'suspended after 10 min, and Neon\'s plan "free" offers one suspended'),
        ("launch", ComputeSettings(suspend=60), "offers one suspended after 5 min or never suspended"),
    ],
)
def test_a_compute_that_the_plan_does_not_offer_is_refused_and_a_restore_carries_over_what_there_is(
    name, compute, said
):
    desired, observed = saying(compute=compute), on_plan(name, SIZED)
    (refusal,) = plan(desired, observed).refusals
    assert refusal.rule == "compute-beyond-plan"
    assert said in refusal.message
    assert step_of(asking(RESTORE, desired), observed, "CreateBranch").compute == LARGE


@pytest.mark.parametrize("name", ["scale", "enterprise", ""])
def test_of_a_plan_that_is_not_known_neon_has_the_last_word(name):
    desired = saying(compute=ComputeSettings(1, 56, 60))
    assert kinds(plan(desired, on_plan(name, SIZED)).steps) == ["SetCompute"]


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
def test_whatever_is_asked_together_is_in_sync_after_one_plan_or_refused(desired, settings, restore, protected, name):
    desired = asking(restore, saying(desired, **settings), settings["method"])
    world = on_plan(name, world_for(desired, protected=protected))
    sized = replace(world.branches[0], endpoint=replace(MAIN.endpoint, settings=LARGE))
    world = replace(world, branches=(sized,))
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
