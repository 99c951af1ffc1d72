"""In place the primary stays the branch that it is: what it held is kept, whatever comes in between, and comes back."""

from dataclasses import replace

import pytest

from reconciler.core.lineage.hyperdrive import expected_config
from reconciler.core.lineage.lineage import Lineage, TimelineBranch
from reconciler.core.model.desired import Method
from reconciler.core.model.observed import Observed, Unknown, named
from reconciler.core.plan.plan import plan
from reconciler.core.rules.context.planning import Blocked
from reconciler.core.rules.next_steps import next_steps
from reconciler.core.rules.retention.deletion import undeletable
from reconciler.core.steps.branch import CreateBranch, VerifyBranch
from reconciler.core.steps.hyperdrive import CreateHyperdrive
from reconciler.core.steps.primary import DeleteBranch, RenameBranch, RestoreBranch, UnprotectBranch
from reconciler.core.steps.worker import SwitchTraffic, VerifyLive
from reconciler.core.values.instant import Instant
from reconciler.core.values.timeline import ORIGIN
from tests.core.in_place_worlds import (
    ASKED,
    BY_BRANCH,
    CANDIDATE,
    GATED,
    HELD,
    IN_PLACE,
    OTHER,
    PROVED,
    RESTORE,
    RESTORED,
    changed,
    killed_after,
    kinds,
    lineage_of,
    names,
    rules,
    step_of,
)
from tests.core.worlds import CONFIG, DESIRED, MAIN, WORLD, after, asking, ended, hours_ago, with_main

# The order of the steps


def test_a_first_restore_in_place_takes_these_steps_in_this_order():
    expected = [
        "CreateBranch",
        "VerifyBranch",
        "RestoreBranch",
        "VerifyBranch",
        "RestartPool",
        "VerifyLive",
        "RenameBranch",
        "DeleteBranch",
    ]
    assert expected == kinds(plan(asking(RESTORE, GATED), WORLD).steps)


def test_what_is_put_into_the_primary_is_the_very_point_that_was_proved_and_what_it_held_is_kept_by_name():
    create, verify, restore = plan(ASKED, WORLD).steps[:3]
    assert (CANDIDATE, "main", RESTORE.to) == (create.name, create.source, create.at)
    assert (CANDIDATE, ("listings",)) == (verify.branch, verify.gates)
    assert ("main", "main", CANDIDATE, HELD) == (restore.branch, restore.source, restore.proved_on, restore.keep_as)
    restored = after(ASKED, WORLD)
    assert [HELD, "main"][::-1] == names(restored)
    assert MAIN.id == named(restored.branches, "main").id
    assert (RESTORED, [ORIGIN]) == (
        lineage_of(restored).live.timeline,
        [each.timeline for each in lineage_of(restored).held],
    )
    assert tuple(replace(each, restarted_at=None) for each in restored.configs) == WORLD.configs
    assert restored.workers == WORLD.workers


def test_without_hyperdrive_no_pool_is_restarted():
    alone = replace(ASKED, hyperdrive=None, workers=())
    assert "RestartPool" not in kinds(plan(alone, replace(WORLD, configs=(), workers=())).steps)


def test_a_pool_that_was_restarted_since_the_restore_is_not_restarted_again():
    put = killed_after(ASKED, WORLD, RestoreBranch)
    reset = named(put.branches, "main").last_reset_at
    assert "RestartPool" in kinds(plan(ASKED, put).steps)
    # Neon cuts the time of a reset off to the second, so within it nothing can be told.
    for restarted, again in ((Instant(reset.milliseconds + 1_001), False), (Instant(reset.milliseconds + 999), True)):
        told = replace(put, configs=(replace(CONFIG, restarted_at=restarted),))
        assert again == ("RestartPool" in kinds(plan(ASKED, told).steps))


def test_what_is_protected_is_unprotected_right_before_the_restore_and_protected_right_after_it():
    found = plan(ASKED, with_main(protected=True))
    middle = kinds(found.steps).index("RestoreBranch")
    assert ["UnprotectBranch", "RestoreBranch", "ProtectBranch"] == kinds(found.steps)[middle - 1 : middle + 2]
    assert any('"main" is unprotected while it is being restored' in each for each in found.warnings)
    assert "ProtectBranch" not in kinds(plan(ASKED, WORLD).steps)


@pytest.mark.parametrize("last", [UnprotectBranch, RestoreBranch])
def test_that_it_was_protected_is_known_after_a_crash_also_when_the_file_was_reverted_by_then(last):
    for asked in (ASKED, IN_PLACE):
        left = killed_after(ASKED, with_main(protected=True), last)
        assert not named(left.branches, "main").protected
        assert named(after(asked, left).branches, "main").protected


def test_a_child_may_be_restored_in_place_where_neon_lets_it_and_the_plan_says_what_it_hangs_below_then():
    child = replace(WORLD, branches=(replace(MAIN, id="br-root", name="root", default=False), with_parent()))
    said = [each for each in plan(ASKED, child).warnings if "is not a root branch: Neon documents restores" in each]
    assert [True] == [f'It becomes a child of "{HELD}"' in each for each in said]
    restored = after(ASKED, child)
    assert named(restored.branches, HELD).id == named(restored.branches, "main").parent_id
    undo = [each for each in plan(IN_PLACE, restored).warnings if "is not a root branch: Neon documents" in each]
    assert [True] == [f'It becomes a child of "{HELD}"' in each for each in undo], "it is restored from that branch"


def with_parent():
    return replace(MAIN, parent_id="br-root")


def test_the_plan_says_what_a_restore_in_place_costs():
    told = " ".join(plan(ASKED, WORLD).warnings)
    for words in (
        "rewinds every database and role",
        "its query cache",
        f'"{HELD}" keeps origin whole',
        "a root branch",
    ):
        assert words in told
    assert "is a child of" not in told, "the candidate does not stay"


# Undo


def test_an_undo_proves_a_copy_of_what_is_held_runs_no_gate_of_the_file_and_holds_what_it_replaces():
    found = plan(GATED, after(asking(RESTORE, GATED), WORLD))
    create, verify, restore = found.steps[:3]
    assert (HELD, None, "main.candidate.origin") == (create.source, create.at, create.name)
    assert () == verify.gates
    assert "VerifyLive" not in kinds(found.steps)
    kept = f"main.held.{RESTORED}.before.origin.2.in-place"
    assert (HELD, kept) == (restore.source, restore.keep_as)
    assert not [each for each in found.warnings if "leaves the history window" in each]


def test_an_undo_and_its_undo_come_to_rest_with_every_timeline_on_one_branch():
    observed = WORLD
    for number, asked in enumerate((ASKED, IN_PLACE, ASKED, IN_PLACE), 1):
        observed = after(asked, observed)
        lineage = lineage_of(observed)
        assert asked.timeline == lineage.live.timeline
        assert number == lineage.newest.held.sequence
        assert 1 == len(lineage.held)
        assert plan(asked, observed).in_sync


def test_what_this_tool_has_restored_in_place_is_not_blamed_on_somebody_else():
    undone = after(IN_PLACE, after(ASKED, WORLD))
    assert not [each for each in plan(IN_PLACE, undone).warnings if "not by this tool" in each]
    by_hand = with_main(last_reset_at=hours_ago(2))
    assert [each for each in plan(IN_PLACE, by_hand).warnings if "not by this tool" in each]


def test_a_copy_whose_original_is_not_held_any_more_is_not_put_into_the_primary():
    twice = after(asking(OTHER, IN_PLACE), after(ASKED, WORLD))
    copied = killed_after(IN_PLACE, twice, CreateBranch)
    found = next_steps(IN_PLACE, changed(copied, HELD, name="renamed"))
    assert isinstance(found, Blocked)
    assert ["timeline-not-held"] == [each.rule for each in found.refusals]


def test_what_is_held_and_expires_is_refused_as_no_copy_of_it_can_be_made():
    restored = changed(after(ASKED, WORLD), HELD, expires_at=hours_ago(-2))
    assert ["source-expires"] == rules(IN_PLACE, restored)


# Candidates that are not, or no more, what is asked


def test_a_candidate_that_was_made_after_its_source_was_reset_by_hand_is_never_put_into_the_primary():
    made = killed_after(ASKED, WORLD, CreateBranch)
    assert ["candidate-differs"] == rules(ASKED, changed(made, "main", last_reset_at=hours_ago(1)))


def test_a_candidate_that_waited_while_another_timeline_was_restored_is_refused_as_its_source_is_another_by_now():
    waiting = killed_after(ASKED, WORLD, CreateBranch)
    other = after(asking(OTHER, IN_PLACE), waiting)
    said = [each for each in plan(asking(OTHER, IN_PLACE), other).warnings if f'"{CANDIDATE}" was prepared' in each]
    assert len(said) == 1
    assert CANDIDATE in names(other)
    assert rules(ASKED, other) == [], "its parent is what was preserved: it is still the history that was live then"
    moved = changed(other, CANDIDATE, parent_id=MAIN.id)
    assert ["candidate-differs"] == rules(ASKED, moved)


def test_what_has_changed_since_the_candidate_was_made_is_refused_before_the_primary_is_overwritten():
    made = killed_after(ASKED, WORLD, CreateBranch)
    assert ["restore-restricted"] == rules(ASKED, changed(made, "main", unrestorable="a snapshot is being restored"))
    full = replace(made, project=replace(made.project, branches_limit=len(made.branches)))
    assert ["branch-limit"] == rules(ASKED, full)


def killed_twice() -> Observed:
    """A restore that was killed right after it went into the primary, and so was its undo."""
    return killed_after(IN_PLACE, killed_after(ASKED, WORLD, RestoreBranch), RestoreBranch)


def test_a_spent_candidate_is_never_used_again_but_disposed_of_and_the_timeline_comes_from_where_it_is_held():
    observed = killed_twice()
    assert CANDIDATE == lineage_of(observed).stale_candidate.branch.name
    found = plan(ASKED, observed)
    assert ["RenameBranch", "DeleteBranch", "RenameBranch", "CreateBranch"] == kinds(found.steps[:4])
    assert (CANDIDATE, PROVED) == (found.steps[2].branch, found.steps[2].to)
    create = next(each for each in found.steps if isinstance(each, CreateBranch))
    assert f"main.held.{RESTORED}.before.origin.2.in-place" == create.source
    assert ["main.proved.origin", PROVED, PROVED] == [s.branch for s in found.steps if isinstance(s, DeleteBranch)]
    assert plan(ASKED, after(ASKED, observed)).in_sync


def test_both_copies_are_disposed_of_where_the_undo_is_finished():
    observed = after(IN_PLACE, killed_twice())
    assert not [name for name in names(observed) if ".candidate." in name or ".proved." in name]


def test_a_spent_candidate_is_disposed_of_only_once_the_primary_is_protected_again():
    protected = with_main(protected=True)
    observed = killed_after(IN_PLACE, killed_after(ASKED, protected, RestoreBranch), RestoreBranch)
    assert ["ProtectBranch"] == kinds(next_steps(ASKED, observed))
    assert named(after(ASKED, observed).branches, "main").protected


# The method is switched


def test_what_was_begun_in_a_branch_of_its_own_is_finished_there():
    prepared = killed_after(BY_BRANCH, WORLD, CreateHyperdrive)
    found = kinds(plan(ASKED, prepared).steps)
    assert "RestoreBranch" not in found
    assert "SwitchTraffic" in found
    swapping = killed_after(BY_BRANCH, WORLD, RenameBranch)
    assert "RestoreBranch" not in kinds(plan(ASKED, swapping).steps)


def test_a_candidate_to_which_nothing_points_yet_goes_into_the_primary_when_the_method_is_switched():
    candidate = killed_after(BY_BRANCH, WORLD, CreateBranch)
    found = plan(ASKED, candidate)
    assert not any(isinstance(step, CreateBranch) for step in found.steps)
    assert CANDIDATE == step_of(ASKED, candidate, RestoreBranch).proved_on


@pytest.mark.parametrize(("first", "second"), [(Method.BRANCH, Method.IN_PLACE), (Method.IN_PLACE, Method.BRANCH)])
def test_what_one_method_has_restored_the_other_undoes(first, second):
    restored = after(asking(RESTORE, DESIRED, first), WORLD)
    undo = asking(None, DESIRED, second)
    assert (second is Method.IN_PLACE) == ("RestoreBranch" in kinds(plan(undo, restored).steps))
    undone = after(undo, restored)
    assert ORIGIN == lineage_of(undone).live.timeline
    assert RESTORED in [each.timeline for each in lineage_of(undone).held]
    again = after(asking(RESTORE, DESIRED, first), undone)
    assert RESTORED == lineage_of(again).live.timeline


def test_users_who_were_switched_to_a_held_branch_already_stay_there_when_the_method_is_switched():
    restored = after(BY_BRANCH, WORLD)
    switched = killed_after(DESIRED, restored, SwitchTraffic)
    assert "RestoreBranch" not in kinds(plan(IN_PLACE, switched).steps)
    assert "RestoreBranch" in kinds(plan(IN_PLACE, killed_after(DESIRED, restored, VerifyBranch)).steps)


def test_a_restore_that_went_into_the_primary_is_finished_though_the_method_was_switched():
    put = killed_after(ASKED, WORLD, RestoreBranch)
    expected = ["VerifyBranch", "RestartPool", "RenameBranch", "DeleteBranch"]
    assert expected == kinds(plan(BY_BRANCH, put).steps)


# The last check


def failed_in_place() -> Observed:
    """Users are on what was restored in place, and it does not answer right."""
    desired, observed = asking(RESTORE, GATED), WORLD
    while isinstance(wave := next_steps(desired, observed), tuple) and not isinstance(wave[0], VerifyLive):
        for step in wave:
            observed = step.predict(observed)
    return replace(observed, failed=frozenset({wave[0].key}))


def test_a_last_check_that_fails_in_place_is_undone_in_place_and_refused_from_then_on():
    desired = asking(RESTORE, GATED)
    found = plan(desired, failed_in_place())
    assert (CANDIDATE, f"main.failed.{RESTORED}") == (found.steps[0].branch, found.steps[0].to)
    restore = next(each for each in found.steps if isinstance(each, RestoreBranch))
    assert (HELD, f"main.held.{RESTORED}.before.origin.2.in-place") == (restore.source, restore.keep_as)
    assert ["timeline-failed"] == [each.rule for each in found.refusals]
    back = after(desired, failed_in_place())
    assert ORIGIN == lineage_of(back).live.timeline
    assert ["timeline-failed"] == rules(desired, back)
    assert plan(GATED, back).in_sync


def test_a_run_that_dies_after_the_mark_is_followed_by_one_that_puts_back_and_does_not_check_again():
    desired = asking(RESTORE, GATED)
    marked = ended(plan(desired, failed_in_place()).steps[0].predict(failed_in_place()))
    assert "RestoreBranch" in kinds(plan(desired, marked).steps)
    assert "VerifyLive" not in kinds(plan(desired, marked).steps)
    assert ORIGIN == lineage_of(after(desired, marked)).live.timeline


def test_what_failed_in_place_is_put_back_by_names_too_where_the_file_asks_for_that_in_the_middle_of_it():
    by_branch = asking(RESTORE, GATED, Method.BRANCH)
    observed = failed_in_place()
    for step in plan(by_branch, observed).steps:
        observed = step.predict(observed)
        assert ["timeline-failed"] == rules(by_branch, observed)
        assert "VerifyLive" not in kinds(plan(by_branch, observed).steps)
    lineage = lineage_of(ended(observed))
    assert (ORIGIN, "main") == (lineage.live.timeline, lineage.live.branch.name)
    assert [RESTORED] == [each.timeline for each in lineage.held]
    assert () == plan(by_branch, ended(observed)).steps


# The one deletion


def proved(**changes: object) -> tuple[TimelineBranch, Lineage, Observed]:
    """What may be deleted: a restore in place that was checked, and the branch that it was proved on."""
    observed = killed_after(ASKED, WORLD, RenameBranch)
    observed = changed(observed, PROVED, **changes) if changes else observed
    lineage = lineage_of(observed)
    (timeline_branch,) = lineage.proved
    return timeline_branch, lineage, observed


def test_what_was_only_there_to_prove_is_deleted_once_all_is_checked():
    timeline_branch, lineage, observed = proved()
    assert [] == undeletable(timeline_branch, lineage, observed.branches)
    assert DeleteBranch(branch=PROVED, reason="") == next_steps(ASKED, observed)[0]


@pytest.mark.parametrize(
    ("changes", "reason"), [({"default": True}, "it is the default branch"), ({"protected": True}, "it is protected")]
)
def test_what_the_default_or_a_protection_is_on_is_left_alone(changes, reason):
    timeline_branch, lineage, observed = proved(**changes)
    (refusal,) = undeletable(timeline_branch, lineage, observed.branches)
    assert (reason,) == refusal.reasons


def test_what_another_branch_was_made_from_is_left_alone():
    timeline_branch, lineage, observed = proved()
    child = replace(MAIN, id="br-child", name="preview", parent_id=timeline_branch.branch.id)
    (refusal,) = undeletable(timeline_branch, lineage, (*observed.branches, child))
    assert ("preview was made from it",) == refusal.reasons


def test_what_no_name_says_is_done_is_left_alone():
    timeline_branch, lineage, observed = proved()
    (refusal,) = undeletable(timeline_branch, replace(lineage, proved=()), observed.branches)
    assert ("it is not one of ours",) == refusal.reasons


@pytest.mark.parametrize(("timeline", "ready"), [(ORIGIN, True), (RESTORED, False)])
def test_what_is_there_only_once_is_left_alone(timeline, ready):
    timeline_branch, lineage, observed = proved()
    live = replace(lineage.live, timeline=timeline, branch=replace(lineage.live.branch, ready=ready))
    (refusal,) = undeletable(timeline_branch, replace(lineage, live=live), observed.branches)
    assert (f"no other branch carries {RESTORED}",) == refusal.reasons


def test_what_must_stay_is_in_nobodys_way_and_is_told_with_its_reasons_and_what_to_do():
    _, _, observed = proved(protected=True)
    found = plan(ASKED, observed)
    assert found.in_sync
    (told,) = [each for each in found.warnings if PROVED in each]
    assert told == (
        f'"{PROVED}" has done its work and is not deleted: it is protected; change that, or delete it yourself when it '
        "is not needed (neon branches delete)"
    )


def test_a_name_that_is_taken_when_the_work_is_done_is_refused():
    put = killed_after(ASKED, WORLD, RestoreBranch)
    taken = replace(put, branches=(*put.branches, replace(MAIN, id="br-x", name=PROVED, default=False)))
    assert ["branch-name-taken"] == rules(ASKED, taken)


def test_a_name_that_will_be_needed_at_the_end_is_looked_at_before_anything_is_made():
    """A branch that had to stay has it: without this the refusal would come after the primary was overwritten."""
    stays = after(IN_PLACE, proved(protected=True)[2])
    assert [PROVED] == [each.branch.name for each in lineage_of(stays).proved]
    found = plan(ASKED, stays)
    assert ["branch-name-taken"] == [each.rule for each in found.refusals]
    assert () == found.steps
    assert [] == rules(ASKED, changed(stays, PROVED, protected=False)), "what can be deleted is in nobody's way"
    assert [] == rules(BY_BRANCH, stays), "by a branch of its own no such name is needed"


# The Hyperdrive config


def test_in_place_the_workers_stay_bound_to_the_config_that_leads_to_the_primary_whatever_its_name():
    restored = after(ASKED, WORLD)
    assert "tech961" == expected_config(ASKED, restored)
    assert "tech961" == expected_config(IN_PLACE, after(IN_PLACE, restored))


def test_the_config_of_a_timeline_that_no_branch_carries_or_that_cannot_be_told_is_what_a_new_one_is_called():
    new = f"tech961-{RESTORED}"
    assert new == expected_config(ASKED, WORLD)
    assert new == expected_config(ASKED, replace(WORLD, branches=Unknown("403"), configs=Unknown("403")))
    assert "" == expected_config(replace(ASKED, hyperdrive=None, workers=()), WORLD)
    assert "" == expected_config(replace(IN_PLACE, hyperdrive=None, workers=()), WORLD)


def test_a_timelines_own_name_that_leads_to_another_branch_by_now_gets_a_number():
    """Restored by a branch of its own, then in place to origin: the config named after the one leads to the other."""
    promoted = after(BY_BRANCH, WORLD)
    undone = after(IN_PLACE, promoted)
    again = plan(BY_BRANCH, undone)
    (create,) = [each for each in again.steps if isinstance(each, CreateHyperdrive)]
    assert f"tech961-{RESTORED}-2" == create.name
    final = after(BY_BRANCH, undone)
    config = named(final.configs, create.name)
    assert all(worker.serves_only(config.id) for worker in final.workers)
    assert plan(BY_BRANCH, final).in_sync
    assert {f"tech961-{RESTORED}", f"tech961-{RESTORED}-2", "tech961"} == {each.name for each in final.configs}


def test_a_config_of_our_name_that_leads_to_no_branch_is_not_passed_over():
    undone = after(IN_PLACE, after(BY_BRANCH, WORLD))
    astray = tuple(
        replace(each, host="gone.neon.tech") if each.name == f"tech961-{RESTORED}" else each for each in undone.configs
    )
    assert f"tech961-{RESTORED}" == expected_config(BY_BRANCH, replace(undone, configs=astray))


def test_a_step_for_a_branch_that_is_not_there_changes_nothing():
    restore = step_of(ASKED, WORLD, RestoreBranch)
    assert WORLD.branches == replace(restore, branch="other").predict(WORLD).branches
