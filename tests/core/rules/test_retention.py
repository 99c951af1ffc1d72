"""Retention: what is held until when, what keeps it then, and in which order the rest goes."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given

from reconciler.core.lineage.infer import infer_lineage
from reconciler.core.lineage.lineage import Lineage
from reconciler.core.model.desired import DeclaredBranch, Desired, Restore
from reconciler.core.model.observed import (
    Annotation,
    Claim,
    DeployedVersion,
    Endpoint,
    Observed,
    Unknown,
    UploadedVersion,
    Use,
    named,
)
from reconciler.core.model.observed import HyperdriveConfig as Config
from reconciler.core.model.refusal import Refusal
from reconciler.core.plan.plan import plan
from reconciler.core.rules.context.limits import BranchLimitReached, ConfigLimitReached, RootBranchLimitReached
from reconciler.core.rules.context.planning import Blocked, PlanningContext, read
from reconciler.core.rules.restore.guards import NameTaken
from reconciler.core.rules.retention.pruning import make_room
from reconciler.core.rules.retention.retained import RetainedBranch, units
from reconciler.core.steps.hyperdrive import DeleteHyperdrive
from reconciler.core.steps.primary import DeleteBranch
from reconciler.core.values.instant import Instant
from reconciler.core.values.timeline import ORIGIN
from tests.core.files import (
    ASKED_IN_PLACE,
    BY_BRANCH,
    DESIRED,
    HELD,
    HELD_IN_PLACE,
    IN_PLACE,
    RESTORED,
    asking,
    primary,
)
from tests.core.plan.test_properties import histories
from tests.core.plans import after, lineage_of, planned, rules, warnings
from tests.core.worlds import WORLD, changed, names, with_main, with_project

# Within the history that there still is when a hold has ended.
LATER = Restore(WORLD.at.after(timedelta(days=7)), "later", source=ORIGIN)
LEAF = f"main.held.{RESTORED}.before.origin.2"
LEAF_CONFIG = f"tech961-{RESTORED}"
DAY = timedelta(days=1)
BOTH = ["DeleteHyperdrive", "DeleteBranch"]


def later(observed: Observed, span: timedelta) -> Observed:
    """The world after some time, in which the Workers of the account were asked what they use."""
    workers = tuple(replace(each, uploaded=()) for each in observed.workers)  # what was uploaded is not read then
    return replace(observed, at=observed.at.after(span), uses=(), workers=workers)


UNDONE = after(DESIRED, after(BY_BRANCH, WORLD))
ENDED = later(UNDONE, 8 * DAY)
RECENT = later(UNDONE, timedelta(hours=2))
FULL = with_project(ENDED, branches_limit=2)


def unit(observed: Observed, name: str, desired: Desired = DESIRED) -> RetainedBranch:
    (found,) = [each for each in units(desired, observed, lineage_of(observed, desired)) if each.branch.name == name]
    return found


def of_leaf(observed: Observed, desired: Desired = DESIRED) -> RetainedBranch:
    return unit(observed, LEAF, desired)


def deletes(desired: Desired, observed: Observed) -> bool:
    return any(isinstance(step, DeleteBranch | DeleteHyperdrive) for step in plan(desired, observed).steps)


def test_a_config_goes_before_its_branch():
    found = plan(DESIRED, ENDED)
    assert found.waves == (
        (DeleteHyperdrive(name=LEAF_CONFIG, branch=LEAF, reason=""),), (DeleteBranch(branch=LEAF, reason=""),)
    )  # fmt: skip
    done = after(DESIRED, ENDED)
    assert (names(done), [each.name for each in done.configs]) == (["main"], ["tech961"])
    assert plan(DESIRED, done).in_sync


HOUR = timedelta(hours=1)
SHORT = with_project(UNDONE, history=HOUR)
LONG = with_project(ENDED, history=30 * DAY)
# A protected primary was restored, and put back eight days ago.
SHIELDED = later(after(DESIRED, after(BY_BRANCH, with_main(protected=True))), 8 * DAY)
BY_THE_FILE = primary(unprotect_held=True)
UNPROTECTED = changed(SHIELDED, LEAF, protected=False, updated_at=SHIELDED.at)


@pytest.mark.parametrize(
    ("desired", "observed", "steps"),
    [
        (DESIRED, later(UNDONE, timedelta()), []),
        (DESIRED, later(UNDONE, 7 * DAY - HOUR), []),
        (primary(hold=HOUR), later(SHORT, timedelta(minutes=58)), []),
        (primary(hold=HOUR), later(SHORT, timedelta(minutes=61)), BOTH),
        (primary(hold=None), ENDED, []),
        (DESIRED, plan(DESIRED, ENDED).steps[0].predict(ENDED), ["DeleteBranch"]),
        (DESIRED, replace(ENDED, uses=Unknown("no answer")), []),
        (DESIRED, LONG, []),
        (DESIRED, later(LONG, 23 * DAY), BOTH),
        (BY_THE_FILE, later(SHIELDED, -5 * DAY), []),
        (DESIRED, changed(SHIELDED, LEAF, protected=False), BOTH),
        (BY_THE_FILE, UNPROTECTED, []),
        (BY_THE_FILE, later(UNPROTECTED, 8 * DAY), BOTH),
        (DESIRED, changed(ENDED, LEAF, name=f"main.failed.{RESTORED}"), BOTH),
        (BY_BRANCH, later(after(BY_BRANCH, WORLD), 30 * DAY), []),
        (ASKED_IN_PLACE, later(after(ASKED_IN_PLACE, WORLD), 30 * DAY), []),
    ],
    ids=[
        "at once", "just before its end", "before a short end", "after a short end", "held for ever",
        "the config is gone", "who uses it is unknown", "its moments can be asked for", "and no longer",
        "protected within its hold", "unprotected by hand", "unprotected just now", "held once more",
        "it failed, and is not asked for", "the first branch", "in place, the newest",
    ],
)  # fmt: skip
def test_what_is_held_goes_after_its_hold(desired, observed, steps):
    assert steps == planned(desired, observed)


def test_the_plan_says_what_is_deleted_for_good():
    (told,) = warnings(DESIRED, ENDED, "deleted for good")
    assert LEAF in told
    assert not warnings(DESIRED, UNDONE, "deleted for good")


@pytest.mark.parametrize(
    ("desired", "observed", "words"),
    [
        (DESIRED, later(UNDONE, 6 * DAY), "left)"),
        (primary(hold=None), ENDED, "kept for ever"),
        (DESIRED, changed(ENDED, LEAF, updated_at=None), "kept: Neon does not report when it was replaced"),
        (DESIRED, SHIELDED, "and it is kept: it was protected as the primary"),
    ],
)
def test_its_fate_says(desired, observed, words):
    assert words in of_leaf(observed, desired).fate(observed.at)


def test_unknown_users_are_named_with_what_stays():
    (told,) = warnings(DESIRED, replace(ENDED, uses=Unknown("no answer")), "no answer")
    assert f'the hold of "{LEAF}" has ended, but it stays' in told


def with_worker(**changes: object) -> Observed:
    return replace(ENDED, workers=(replace(ENDED.workers[0], **changes),))


LEAF_BRANCH, CONFIG_OF_LEAF = named(ENDED.branches, LEAF), named(ENDED.configs, LEAF_CONFIG)
CONFIG_ID = CONFIG_OF_LEAF.id
MADE_FROM_IT = replace(ENDED.branches[0], id="br-x", name="x", default=False, parent_id=LEAF_BRANCH.id)
BOUND = f'Worker tech961-api is bound to Hyperdrive config "{LEAF_CONFIG}"'
POOLED = Config("c9", "mine", "ep-r-pooler.neon.tech", 5432, "tech961", "app")
STAGED = (*ENDED.workers[0].deployed, DeployedVersion("v9", 0, CONFIG_ID))
KEPT = {
    "another Worker": (
        replace(ENDED, uses=(Use("other", CONFIG_ID),)),
        f'Worker other is bound to Hyperdrive config "{LEAF_CONFIG}"',
    ),
    "a staged version": (with_worker(deployed=STAGED), BOUND),
    "an upload": (with_worker(uploaded=(UploadedVersion("v9", "label", CONFIG_ID),)), BOUND),
    "a wrangler.jsonc": (
        with_worker(file_hyperdrive_id=CONFIG_ID), f'wrangler.jsonc names Hyperdrive config "{LEAF_CONFIG}"'
    ),
    "protected": (changed(ENDED, LEAF, protected=True), "it is protected: to have it deleted, unprotect it"),
    "protected as the primary": (SHIELDED, "it was protected as the primary: to have it deleted, unprotect it, or set"),
    "another environment's mark": (
        changed(ENDED, LEAF, mark=Annotation("staging", RESTORED)), 'it is annotated for environment "staging"'
    ),
    "another environment's primary": (
        replace(ENDED, claims=(Claim("staging", DESIRED.primary.project, LEAF),)),
        'it is the primary of environment "staging"',
    ),
    "Neon is at work": (changed(ENDED, LEAF, ready=False), "Neon is running an operation on it"),
    "a parent": (replace(ENDED, branches=(*ENDED.branches, MADE_FROM_IT)), "x was created from it"),
    "a config of somebody else": (
        replace(ENDED, configs=(*ENDED.configs, replace(CONFIG_OF_LEAF, id="c9", name="tech961-reports"))),
        'Hyperdrive config "tech961-reports" points to it, and was not created for a timeline',
    ),
    "a pooled host": (
        replace(changed(ENDED, LEAF, endpoint=Endpoint("ep-r", "ep-r.neon.tech")), configs=(*ENDED.configs, POOLED)),
        'Hyperdrive config "mine" points to it, and was not created for a timeline',
    ),
    "a moment that can be asked for": (LONG, "can be asked for, and would be taken for another branch's"),
}  # fmt: skip


@pytest.mark.parametrize(("world", "reason"), KEPT.values(), ids=KEPT)
def test_what_must_stay_says_why(world, reason):
    assert "DeleteHyperdrive" not in planned(DESIRED, world)[:1]
    assert any(reason in each for each in of_leaf(world).stays)
    assert reason in of_leaf(world).fate(world.at)


def test_a_compute_with_unknown_users_stays():
    desired = replace(DESIRED, hyperdrive=None, workers=(), verify=replace(DESIRED.verify, role=""))
    world = replace(ENDED, workers=(), configs=())
    assert plan(desired, world).in_sync
    assert any("so whether its compute is still used is unknown" in each for each in of_leaf(world, desired).stays)


def test_the_first_branch_stays_for_ever():
    world = later(after(BY_BRANCH, WORLD), 30 * DAY)
    assert unit(world, HELD, BY_BRANCH).stays[:2] == (
        "main was created from it", "Neon never deletes a project's first branch",
    )  # fmt: skip


def test_a_failed_timeline_stays_while_asked_for():
    failed = f"main.failed.{RESTORED}"
    world = changed(ENDED, LEAF, name=failed)
    assert unit(world, failed, BY_BRANCH).stays == ("the file asks for its timeline",)
    assert rules(BY_BRANCH, world) == ["timeline-failed"]


def test_in_place_the_newest_held_branch_stays():
    world = later(after(ASKED_IN_PLACE, WORLD), 30 * DAY)
    assert any("which branch carries which" in each for each in unit(world, HELD_IN_PLACE, ASKED_IN_PLACE).stays)


def test_in_place_only_older_replacements_go():
    desired = asking(LATER, IN_PLACE)
    world = later(after(desired, after(ASKED_IN_PLACE, WORLD)), 30 * DAY)
    assert {step.branch for step in plan(desired, world).steps} <= {HELD_IN_PLACE}
    assert lineage_of(after(desired, world)).live.timeline == lineage_of(world).live.timeline


# Protection of what was the primary


def test_a_former_primary_that_is_protected_is_named():
    (told,) = warnings(DESIRED, SHIELDED, "but it stays: it was protected")
    assert told.startswith(f'the hold of "{LEAF}" has ended, but it stays: it was protected as')
    assert not warnings(DESIRED, later(SHIELDED, -5 * DAY), "its protection")


def test_the_file_may_unprotect_it_to_delete_it():
    steps = plan(BY_THE_FILE, SHIELDED).steps
    assert steps == (
        DeleteHyperdrive(name=LEAF_CONFIG, branch=LEAF, reason=""),
        DeleteBranch(branch=LEAF, unprotects=True, reason=""),
    )
    assert steps[1].describe() == f'unprotect branch "{LEAF}", and delete it'
    done = after(BY_THE_FILE, SHIELDED)
    assert (names(done), plan(BY_THE_FILE, done).in_sync, done.branches[0].protected) == (["main"], True, True)


def test_a_protection_by_hand_is_kept():
    world, desired = changed(ENDED, LEAF, protected=True), primary(BY_THE_FILE, protected=False)
    assert plan(desired, world).in_sync
    assert "it is protected: to have it deleted, unprotect it" in of_leaf(world, desired).stays


# Room


def test_what_is_held_too_long_makes_room():
    assert planned(asking(LATER), FULL)[:3] == ["DeleteHyperdrive", "DeleteBranch", "CreateBranch"]


@pytest.mark.parametrize(
    ("restore", "observed"),
    [
        (replace(LATER, to=WORLD.at), with_project(later(UNDONE, 6 * DAY), branches_limit=2)),
        (replace(LATER, source=RESTORED), FULL),
    ],
    ids=["nothing has ended", "it is the source"],
)
def test_missing_room_is_refused_where(restore, observed):
    assert rules(asking(restore), observed) == ["branch-limit"]


def refused_for_room(observed: Observed, *full: Refusal) -> list[str]:
    context = read(DESIRED, observed)
    assert isinstance(context, PlanningContext)
    refused = make_room(context, Blocked(full))
    assert isinstance(refused, Blocked)
    return [each.hint for each in refused.refusals]


NO_ROOM = BranchLimitReached(2, 2, 1)


def test_a_refusal_says_when_there_is_room():
    said = f"; the hold of {RESTORED} ends at {of_leaf(RECENT).until}. A shorter primary.hold ends it earlier"
    full = NO_ROOM, RootBranchLimitReached(2, 2, "launch", 1), ConfigLimitReached(25, 25, "tech961-x")
    assert [said in each for each in refused_for_room(RECENT, *full)] == [True, False, True]


@pytest.mark.parametrize(
    ("observed", "more"),
    [
        (changed(RECENT, LEAF, updated_at=None), ()),
        (replace(ENDED, uses=Unknown("no answer")), ()),
        (replace(RECENT, uses=(Use("other", CONFIG_ID),)), ()),
        (changed(RECENT, LEAF, ready=False), ()),
        (RECENT, (NameTaken("main.candidate.x"),)),
    ],
    ids=["when is not told", "it has ended", "used", "at work", "refused for more"],
)
def test_a_refusal_for_room_promises_nothing_where(observed, more):
    assert refused_for_room(observed, NO_ROOM, *more) == [each.hint for each in (NO_ROOM, *more)]


# Order of restores and deletions


@pytest.mark.parametrize(
    ("desired", "observed"),
    [
        (asking(LATER), ENDED),
        (DESIRED, later(changed(UNDONE, "main", name=HELD), 30 * DAY)),
        (DESIRED, later(changed(after(BY_BRANCH, WORLD), "main", name=f"main.candidate.{RESTORED}"), 30 * DAY)),
    ],
    ids=["a restore", "the end of a swap", "the middle of a swap"],
)
def test_nothing_is_deleted_during(desired, observed):
    assert not deletes(desired, observed)
    assert not deletes(desired, after(desired, observed)), "nor right after"


def test_a_hold_begins_with_its_replacement():
    restored = after(BY_BRANCH, WORLD)
    untold = changed(restored, HELD, updated_at=Instant(0))
    assert unit(untold, HELD, BY_BRANCH).replaced_at == named(restored.branches, "main").created_at


@given(histories())
def test_no_plan_deletes_what_is_needed_or_held(history):
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
                assert infer_lineage(desired, step.predict(seen).branches).live == tells.live
            if isinstance(step, DeleteHyperdrive):
                assert held[step.branch].until <= seen.at
                assert step.name != desired.hyperdrive.name
                assert named(seen.configs, step.name).host == named(seen.branches, step.branch).endpoint.host
            seen = step.predict(seen)


def test_size_and_last_change_move_no_digest():
    moved = changed(UNDONE, LEAF, size=17, updated_at=Instant(UNDONE.at.milliseconds + 1))
    assert plan(asking(LATER), moved).digest == plan(asking(LATER), UNDONE).digest


@pytest.mark.parametrize("observed", [WORLD, replace(WORLD, branches=Unknown("no answer"))])
def test_without_a_restore_nothing_is_held(observed):
    assert units(DESIRED, observed, lineage_of(WORLD)) == ()


# Beside declared branches

COPY = DeclaredBranch("copy", parent=LEAF)
SCHEMA, RESET = replace(COPY, schema_only=True), replace(COPY, reset="sprint-12")
MADE_FIRST = after(replace(DESIRED, branches=(DeclaredBranch("copy"),)), replace(ENDED, uses=Unknown("not now")))


def declaring(*children: DeclaredBranch, desired: Desired = DESIRED) -> Desired:
    return replace(desired, branches=children)


@pytest.mark.parametrize(
    ("child", "observed", "stays"),
    [
        (COPY, FULL, ("the file creates copy from it",)),
        (COPY, after(declaring(COPY), ENDED), ("copy was created from it",)),
        (COPY, MADE_FIRST, ()),
        (RESET, MADE_FIRST, ("the file creates copy from it",)),
        (replace(COPY, expires=ENDED.at), ENDED, ()),
    ],
    ids=["to be made", "made", "made from another", "to be reset to it", "its time is over"],
)
def test_the_parent_of_a_declared_branch_stays(child, observed, stays):
    assert of_leaf(observed, declaring(child)).stays == stays


EXPIRING = changed(RECENT, LEAF, expires_at=RECENT.at.after(14 * DAY))
NOWHERE = declaring(DeclaredBranch("mine", parent="nowhere"))


@pytest.mark.parametrize(
    ("desired", "observed", "steps", "refused"),
    [
        (declaring(COPY), FULL, [], ["child-limit"]),
        (declaring(COPY), ENDED, ["CreateChild"], []),
        (declaring(SCHEMA), ENDED, ["CreateChild", *BOTH], []),
        (declaring(COPY, desired=primary(expire_on_neon=True)), EXPIRING, ["ClearExpiry", "CreateChild"], []),
        (NOWHERE, ENDED, BOTH, ["child-parent"]),
        (NOWHERE, after(NOWHERE, ENDED), [], ["child-parent"]),
    ],
    ids=["no room", "a copy", "a schema", "its source would expire", "a refused one", "a refused one, then"],
)
def test_beside_a_declared_branch(desired, observed, steps, refused):
    assert (steps, refused) == (planned(desired, observed), rules(desired, observed))


@pytest.mark.parametrize(
    "world",
    [
        replace(ENDED, configs=tuple(replace(each, database="x") for each in ENDED.configs)),
        replace(ENDED, claims=(Claim("staging", DESIRED.primary.project, "main"),)),
        changed(ENDED, "main", last_reset_at=WORLD.at),
    ],
    ids=["the config that serves differs", "two files claim it", "what is live is not known"],
)
def test_a_refused_primary_deletes_nothing(world):
    assert rules(DESIRED, world)
    assert planned(DESIRED, world) == []
