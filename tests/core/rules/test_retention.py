"""The holding pen: what is held until when, what keeps it then, and in which order the rest goes."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given

from reconciler.core.lineage.infer import infer_lineage
from reconciler.core.lineage.lineage import Lineage
from reconciler.core.model.desired import Restore
from reconciler.core.model.observed import (
    Annotation,
    Claim,
    DeployedVersion,
    Endpoint,
    HyperdriveConfig,
    Observed,
    Unknown,
    UploadedVersion,
    Use,
    named,
)
from reconciler.core.model.refusal import Refusal
from reconciler.core.plan.plan import plan
from reconciler.core.rules.context.limits import BranchLimitReached, ConfigLimitReached, RootBranchLimitReached
from reconciler.core.rules.context.planning import Blocked, PlanningContext, read
from reconciler.core.rules.restore.guards import NameTaken
from reconciler.core.rules.retention.pruning import make_room
from reconciler.core.rules.retention.retained import RetainedBranch, units
from reconciler.core.steps.hyperdrive import DeleteHyperdrive
from reconciler.core.steps.primary import DeleteBranch, RenameBranch
from reconciler.core.values.instant import Instant
from reconciler.core.values.timeline import ORIGIN
from tests.core.in_place_worlds import (
    ASKED,
    BY_BRANCH,
    HELD,
    IN_PLACE,
    RESTORE,
    RESTORED,
    changed,
    kinds,
    lineage_of,
    names,
    rules,
)
from tests.core.plan.test_properties import histories
from tests.core.worlds import DESIRED, WORLD, after, asking, with_main

# Within the history that there still is when a hold has ended.
LATER = Restore(WORLD.at.after(timedelta(days=7)), "later", source=ORIGIN)
LEAF = f"main.held.{RESTORED}.before.origin.2"
LEAF_CONFIG = f"tech961-{RESTORED}"


def later(observed: Observed, span: timedelta) -> Observed:
    """The world after some time, in which the Workers of the account were asked what they use."""
    workers = tuple(replace(each, uploaded=()) for each in observed.workers)  # nobody looks for them any more
    return replace(observed, at=observed.at.after(span), uses=(), workers=workers)


UNDONE = after(DESIRED, after(BY_BRANCH, WORLD))
ENDED = later(UNDONE, timedelta(days=8))
RECENT = later(UNDONE, timedelta(hours=2))


def unit(observed: Observed, name: str, desired=DESIRED) -> RetainedBranch:
    (found,) = [each for each in units(desired, observed, lineage_of(observed, desired)) if each.branch.name == name]
    return found


def of_leaf(observed: Observed, desired=DESIRED) -> RetainedBranch:
    return unit(observed, LEAF, desired)


def test_what_an_undo_has_replaced_goes_when_its_hold_has_ended_its_config_first_and_all_is_in_sync_then():
    found = plan(DESIRED, ENDED)
    assert found.steps == (
        DeleteHyperdrive(name=LEAF_CONFIG, branch=LEAF, reason=""),
        DeleteBranch(branch=LEAF, reason=""),
    )
    assert [len(wave) for wave in found.waves] == [1, 1]
    done = after(DESIRED, ENDED)
    assert (names(done), [each.name for each in done.configs]) == (["main"], ["tech961"])
    assert plan(DESIRED, done).in_sync


def test_a_run_that_dies_between_config_and_branch_is_continued_by_the_branch():
    dead = plan(DESIRED, ENDED).steps[0].predict(ENDED)
    assert kinds(plan(DESIRED, dead).steps) == ["DeleteBranch"]


def test_what_is_deleted_for_good_is_said_with_the_plan():
    (told,) = [each for each in plan(DESIRED, ENDED).warnings if "deleted for good" in each]
    assert LEAF in told
    assert not any("deleted for good" in each for each in plan(DESIRED, UNDONE).warnings)


@pytest.mark.parametrize("span", [timedelta(), timedelta(days=6, hours=23)])
def test_nothing_goes_within_its_hold(span):
    assert plan(DESIRED, later(UNDONE, span)).in_sync
    assert "left)" in of_leaf(later(UNDONE, span)).fate(later(UNDONE, span).at)


def test_a_hold_is_changed_in_the_file_and_for_ever_never_ends():
    brief, ever = (replace(DESIRED, primary=replace(DESIRED.primary, hold=hold)) for hold in (timedelta(hours=1), None))
    undone = replace(UNDONE, project=replace(WORLD.project, history=timedelta(hours=1)))
    assert plan(brief, later(undone, timedelta(minutes=58))).in_sync
    assert kinds(plan(brief, later(undone, timedelta(minutes=61))).steps) == ["DeleteHyperdrive", "DeleteBranch"]
    assert plan(ever, ENDED).in_sync
    assert of_leaf(ENDED, ever).fate(ENDED.at) == "kept for ever"


def test_who_uses_it_is_not_known_so_it_stays():
    found = plan(DESIRED, replace(ENDED, uses=Unknown("no answer")))
    assert found.in_sync
    (told,) = [each for each in found.warnings if "no answer" in each]
    assert f'the hold of "{LEAF}" has ended; it stays' in told


def test_when_it_was_replaced_is_not_told_so_it_stays():
    world = changed(ENDED, LEAF, updated_at=None)
    assert plan(DESIRED, world).in_sync
    assert of_leaf(world).fate(world.at) == "kept: Neon does not tell when it was replaced"


def with_worker(**changes: object) -> Observed:
    return replace(ENDED, workers=(replace(ENDED.workers[0], **changes),))


def leading_config() -> str:
    return named(ENDED.configs, LEAF_CONFIG).id


KEPT = {
    "another Worker": (
        replace(ENDED, uses=(Use("other", leading_config()),)),
        f'Worker other is bound to Hyperdrive config "{LEAF_CONFIG}"',
    ),
    "a staged version": (
        with_worker(deployed=(*ENDED.workers[0].deployed, DeployedVersion("v9", 0, leading_config()))),
        f'Worker tech961-api is bound to Hyperdrive config "{LEAF_CONFIG}"',
    ),
    "an upload": (
        with_worker(uploaded=(UploadedVersion("v9", "label", leading_config()),)),
        f'Worker tech961-api is bound to Hyperdrive config "{LEAF_CONFIG}"',
    ),
    "protected": (changed(ENDED, LEAF, protected=True), "it is protected: unprotect it, and it goes"),
    "another environment's mark": (
        changed(ENDED, LEAF, mark=Annotation("staging", RESTORED)),
        'it is annotated for environment "staging"',
    ),
    "another environment's primary": (
        replace(ENDED, claims=(Claim("staging", DESIRED.primary.project, LEAF),)),
        'it is the primary of environment "staging"',
    ),
    "Neon is at work": (changed(ENDED, LEAF, ready=False), "Neon is at work on it"),
    "a parent": (
        replace(
            ENDED,
            branches=(
                *ENDED.branches,
                replace(
                    ENDED.branches[0], id="br-x", name="x", default=False, parent_id=named(ENDED.branches, LEAF).id
                ),
            ),
        ),
        "x was made from it",
    ),
    "a config of somebody else": (
        replace(
            ENDED, configs=(*ENDED.configs, replace(named(ENDED.configs, LEAF_CONFIG), id="c9", name="tech961-reports"))
        ),
        'Hyperdrive config "tech961-reports" leads to it, and was not made for a timeline',
    ),
}


@pytest.mark.parametrize(("world", "reason"), KEPT.values(), ids=KEPT)
def test_what_is_used_or_needed_or_not_ours_stays_with_its_config_and_says_why(world, reason):
    assert not any(isinstance(step, DeleteBranch | DeleteHyperdrive) for step in plan(DESIRED, world).steps)
    assert reason in of_leaf(world).stays
    assert reason in of_leaf(world).fate(world.at)


# A protected primary was restored, and put back eight days ago.
SHIELDED = later(after(DESIRED, after(BY_BRANCH, with_main(protected=True))), timedelta(days=8))
BY_THE_FILE = replace(DESIRED, primary=replace(DESIRED.primary, unprotect_held=True))


def test_what_was_protected_as_the_primary_stays_as_that_may_be_a_wish_and_every_plan_and_status_says_what_to_do():
    found, said = plan(DESIRED, SHIELDED), "it is protected, as it was the primary: unprotect it, or set"
    assert found.in_sync
    assert of_leaf(SHIELDED).stays[0].startswith(said)
    assert f"and it is kept: {said}" in of_leaf(SHIELDED).fate(SHIELDED.at)
    (told,) = [each for each in found.warnings if "its protection keeps it" in each]
    assert told.startswith(f'the hold of "{LEAF}" has ended, and its protection keeps it: {said}')
    assert not any("its protection" in each for each in plan(DESIRED, later(SHIELDED, -timedelta(days=5))).warnings)


def test_once_somebody_has_unprotected_it_it_goes():
    assert kinds(plan(DESIRED, changed(SHIELDED, LEAF, protected=False)).steps) == ["DeleteHyperdrive", "DeleteBranch"]


def test_by_the_files_word_what_was_protected_as_the_primary_is_unprotected_in_the_step_that_deletes_it():
    steps = plan(BY_THE_FILE, SHIELDED).steps
    assert steps == (
        DeleteHyperdrive(name=LEAF_CONFIG, branch=LEAF, reason=""),
        DeleteBranch(branch=LEAF, unprotects=True, reason=""),
    )
    assert steps[1].describe() == f'take protection from branch "{LEAF}", and delete it'
    done = after(BY_THE_FILE, SHIELDED)
    assert (names(done), plan(BY_THE_FILE, done).in_sync, done.branches[0].protected) == (["main"], True, True)
    assert plan(BY_THE_FILE, later(SHIELDED, -timedelta(days=5))).in_sync


def test_what_somebody_protected_that_was_not_so_as_the_primary_stays_whatever_the_file_says():
    world = changed(ENDED, LEAF, protected=True)
    desired = replace(BY_THE_FILE, primary=replace(BY_THE_FILE.primary, protected=False))
    assert plan(desired, world).in_sync
    assert "it is protected: unprotect it, and it goes" in of_leaf(world, desired).stays


def test_what_was_unprotected_by_a_run_that_died_then_is_held_once_more_and_goes():
    dead = changed(SHIELDED, LEAF, protected=False, updated_at=SHIELDED.at)
    assert plan(BY_THE_FILE, dead).in_sync
    assert kinds(plan(BY_THE_FILE, later(dead, timedelta(days=8))).steps) == ["DeleteHyperdrive", "DeleteBranch"]


def test_a_pooled_host_leads_to_the_same_branch():
    world = changed(ENDED, LEAF, endpoint=Endpoint("ep-r", "ep-r.neon.tech"))
    pooled = HyperdriveConfig("c9", "mine", "ep-r-pooler.neon.tech", 5432, "tech961", "app")
    assert of_leaf(replace(world, configs=(pooled,))).stays == (
        'Hyperdrive config "mine" leads to it, and was not made for a timeline',
    )


def test_a_moment_at_which_it_was_live_would_be_taken_for_another_branchs_while_it_can_be_asked_for():
    world = replace(ENDED, project=replace(WORLD.project, history=timedelta(days=30)))
    (reason,) = of_leaf(world).stays
    assert "can be asked for, and would be taken for another branch's" in reason
    assert plan(DESIRED, world).in_sync
    assert kinds(plan(DESIRED, later(world, timedelta(days=23))).steps) == ["DeleteHyperdrive", "DeleteBranch"]


def test_what_a_wrangler_jsonc_names_stays():
    world = with_worker(file_hyperdrive_id=leading_config())
    assert f'wrangler.jsonc names Hyperdrive config "{LEAF_CONFIG}"' in of_leaf(world).stays


def test_a_compute_that_nobody_can_tell_the_users_of_stays():
    desired = replace(DESIRED, hyperdrive=None, workers=(), verify=replace(DESIRED.verify, role=""))
    world = replace(ENDED, workers=(), configs=())
    assert plan(desired, world).in_sync
    assert any("nothing tells whether its compute is still used" in each for each in of_leaf(world, desired).stays)


def test_the_projects_first_branch_and_the_parent_of_the_primary_stay_for_ever_and_it_is_said():
    world = later(after(BY_BRANCH, WORLD), timedelta(days=30))
    assert plan(BY_BRANCH, world).in_sync
    held = unit(world, f"main.held.origin.before.{RESTORED}", BY_BRANCH)
    assert held.stays[:2] == ("main was made from it", "Neon never deletes a project's first branch")


def test_a_failed_timeline_stays_as_long_as_the_file_asks_for_it_or_it_would_be_tried_again():
    failed = f"main.failed.{RESTORED}"
    world = changed(ENDED, LEAF, name=failed)
    asked = asking(RESTORE)
    assert unit(world, failed, asked).stays == ("the file asks for its timeline",)
    assert rules(asked, world) == ["timeline-failed"]
    assert kinds(plan(DESIRED, world).steps) == ["DeleteHyperdrive", "DeleteBranch"]


def test_in_place_the_newest_held_branch_tells_what_is_live_and_stays():
    world = later(after(ASKED, WORLD), timedelta(days=30))
    assert plan(ASKED, world).in_sync
    assert any("tells which branch carries which" in each for each in unit(world, HELD, ASKED).stays)


def test_in_place_what_was_replaced_before_the_last_time_goes_and_the_last_one_stays():
    twice = after(asking(LATER, IN_PLACE), after(ASKED, WORLD))
    world = later(twice, timedelta(days=30))
    steps = plan(asking(LATER, IN_PLACE), world).steps
    assert {step.branch for step in steps} <= {HELD}
    final = after(asking(LATER, IN_PLACE), world)
    assert lineage_of(final).live.timeline == lineage_of(world).live.timeline


def test_where_only_room_is_missing_what_is_held_too_long_goes_first_and_the_restore_goes_on():
    world = replace(ENDED, project=replace(WORLD.project, branches_limit=2))
    found = kinds(plan(asking(LATER), world).steps)
    assert found[:3] == ["DeleteHyperdrive", "DeleteBranch", "CreateBranch"]


def test_where_nothing_has_ended_the_missing_room_is_refused():
    world = replace(later(UNDONE, timedelta(days=6)), project=replace(WORLD.project, branches_limit=2))
    assert rules(asking(replace(LATER, to=WORLD.at)), world) == ["branch-limit"]


def refused_for_room(observed: Observed, *full: Refusal) -> list[str]:
    context = read(DESIRED, observed)
    assert isinstance(context, PlanningContext)
    refused = make_room(context, Blocked(full))
    assert isinstance(refused, Blocked)
    return [each.hint for each in refused.refusals]


def test_a_refusal_for_room_says_of_what_is_held_when_that_goes():
    until = of_leaf(RECENT).until
    said = f"; the hold of {RESTORED} ends at {until}: with a shorter primary.hold it goes earlier"
    branches, roots, configs = refused_for_room(
        RECENT,
        BranchLimitReached(2, 2, 1),
        RootBranchLimitReached(2, 2, "launch", 1),
        ConfigLimitReached(25, 25, "tech961-x"),
    )
    assert [said in each for each in (branches, roots, configs)] == [True, False, True]


@pytest.mark.parametrize(
    "observed",
    [
        changed(RECENT, LEAF, updated_at=None),
        replace(ENDED, uses=Unknown("no answer")),
        replace(RECENT, uses=(Use("other", leading_config()),)),
        changed(RECENT, LEAF, ready=False),
    ],
    ids=["when is not told", "it has ended", "used", "at work"],
)
def test_a_refusal_for_room_promises_nothing_of_what_does_not_go_with_its_hold(observed):
    (hint,) = refused_for_room(observed, BranchLimitReached(2, 2, 1))
    assert hint == BranchLimitReached(2, 2, 1).hint


def test_what_is_refused_for_more_than_room_is_refused_in_the_same_words():
    full = BranchLimitReached(2, 2, 1), NameTaken("main.candidate.x")
    assert refused_for_room(RECENT, *full) == [each.hint for each in full]


def test_what_the_restore_would_be_made_from_does_not_make_room():
    full = replace(ENDED, project=replace(WORLD.project, branches_limit=2))
    assert rules(asking(replace(LATER, source=RESTORED)), full) == ["branch-limit"]


def test_a_run_that_restores_deletes_nothing_that_was_held_before_and_the_hours_after_it_do():
    restored = plan(asking(LATER), ENDED)
    assert not any(isinstance(step, DeleteBranch | DeleteHyperdrive) for step in restored.steps)
    assert plan(asking(LATER), after(asking(LATER), ENDED)).in_sync


def test_a_hold_never_begins_before_what_replaced_the_branch_was_there():
    restored = after(BY_BRANCH, WORLD)
    held = f"main.held.origin.before.{RESTORED}"
    untold = changed(restored, held, updated_at=Instant(0))
    assert unit(untold, held, BY_BRANCH).replaced_at == named(restored.branches, "main").created_at


def test_a_swap_that_ends_long_after_it_began_deletes_nothing_of_what_it_replaced():
    world = later(changed(UNDONE, "main", name=f"main.held.origin.before.{RESTORED}"), timedelta(days=30))
    steps = plan(DESIRED, world).steps
    assert [each.to for each in steps if isinstance(each, RenameBranch)] == ["main"]
    assert not any(isinstance(step, DeleteBranch | DeleteHyperdrive) for step in steps)


def test_in_the_middle_of_a_swap_nothing_goes_even_where_room_is_missing():
    swapping = changed(after(BY_BRANCH, WORLD), "main", name=f"main.candidate.{RESTORED}")
    world = later(swapping, timedelta(days=30))
    assert not any(isinstance(step, DeleteBranch | DeleteHyperdrive) for step in plan(DESIRED, world).steps)


@given(histories())
def test_no_plan_deletes_what_is_live_or_asked_for_or_a_parent_or_within_its_hold_or_not_ours(history):
    desired, observed = history
    for observed in (later(observed, timedelta(days=days)) for days in (0, 5, 30)):
        lineage = infer_lineage(desired, observed.branches)
        if not isinstance(lineage, Lineage):
            continue
        held = {each.branch.name: each for each in units(desired, observed, lineage)}
        seen = observed
        for step in plan(desired, observed).steps:
            if isinstance(step, DeleteBranch) and ".proved." not in step.branch:
                branch, tells = named(seen.branches, step.branch), infer_lineage(desired, seen.branches)
                assert held[step.branch].until <= seen.at
                assert not any(each.parent_id == branch.id for each in seen.branches)
                assert held[step.branch].timeline_branch.timeline != desired.timeline
                assert branch.id != tells.live.branch.id
                rest = infer_lineage(desired, step.predict(seen).branches)
                assert rest.live == tells.live
            if isinstance(step, DeleteHyperdrive):
                assert held[step.branch].until <= seen.at
                assert step.name != desired.hyperdrive.name
                assert named(seen.configs, step.name).host == named(seen.branches, step.branch).endpoint.host
            seen = step.predict(seen)


def test_the_time_of_the_last_change_and_the_size_move_no_digest():
    moved = changed(UNDONE, LEAF, size=17, updated_at=Instant(UNDONE.at.milliseconds + 1))
    assert plan(asking(LATER), moved).digest == plan(asking(LATER), UNDONE).digest
    assert ORIGIN == lineage_of(moved).live.timeline


def test_a_restore_that_was_never_asked_for_has_nothing_held():
    assert units(DESIRED, WORLD, lineage_of(WORLD)) == ()
    assert units(DESIRED, replace(WORLD, branches=Unknown("no answer")), lineage_of(WORLD)) == ()
    assert Restore(WORLD.at)
