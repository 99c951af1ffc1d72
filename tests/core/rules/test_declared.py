"""Declared branches, by the rules alone: what is asked for, what is refused, and what is told."""

from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.core.health.diagnosis import diagnose
from reconciler.core.model.declared_branch import in_order, lifetime, record, records
from reconciler.core.model.desired import FOREVER, DeclaredBranch, HttpGate, Lift, Liftable, Restore
from reconciler.core.model.observed import (
    Branch,
    Claim,
    Databases,
    DeclaredAnnotation,
    DeployedVersion,
    Endpoint,
    HyperdriveConfig,
    Unknown,
)
from reconciler.core.plan.plan import plan
from reconciler.core.rules.context.planning import read
from reconciler.core.rules.declared import guards as child_guards
from reconciler.core.rules.declared.guards import (
    DeclaredBranchDiffers,
    DeclaredBranchKept,
    DeclaredBranchLimitReached,
    DeclaredBranchNotOurs,
    DeclaredDatabasesUnknown,
    DeclaredParentUnusable,
)
from reconciler.core.steps.branch import AddCompute, AwaitBranch, ClearExpiry
from reconciler.core.steps.declared import (
    CreateDatabase,
    CreateDeclaredBranch,
    DeleteDeclaredBranch,
    ExpireDeclaredBranch,
    ProtectDeclaredBranch,
    ResetDeclaredBranch,
)
from reconciler.core.values.instant import Instant
from tests.core.health.test_health import GOOD
from tests.core.health.test_health import observed as observed_as
from tests.core.worlds import CREATED, DESIRED, MAIN, NOW, PROJECT, WORLD, asking, ended, hours_ago

STAGING = DeclaredBranch("staging")


def asked(*branches, desired=DESIRED):
    return replace(desired, branches=branches)


def ours(name, reset="", *, schema_only=False, **more):
    mark = DeclaredAnnotation("production", name, reset, schema_only)
    endpoint = Endpoint(f"ep-{name}", f"ep-{name}.neon.tech")
    return Branch(
        f"br-{name}", name, CREATED, more.pop("parent_id", MAIN.id), child=mark, **{"endpoint": endpoint} | more
    )


def world(*branches, **more):
    return replace(WORLD, branches=(MAIN, *branches), **more)


def kept(reset, hours, of="staging", **more):
    return Branch(f"br-{reset}", f"{of}.before-reset.{reset}", hours_ago(hours), MAIN.id, **more)


def kinds(desired, observed):
    return [type(step) for step in plan(desired, observed).steps]


def refused(desired, observed):
    return [(each.rule, each.message) for each in plan(desired, observed).refusals]


FULL = DeclaredBranch("staging", None, "first", timedelta(days=7), None, True, "reports")


def test_a_branch_is_made_as_declared_and_the_plan_has_every_step_of_it():
    observed = world(databases=(Databases(MAIN.id, ("tech961",)),))
    found = plan(
        asked(FULL, DeclaredBranch("drill", "staging2"), DeclaredBranch("staging2", protected=True, compute=False)),
        observed,
    )
    assert found.steps == (
        CreateDeclaredBranch(
            name="staging",
            source="main",
            environment="production",
            reset="first",
            schema_only=False,
            compute=True,
            reason="",
        ),
        ExpireDeclaredBranch(branch="staging", seconds=7 * 86_400, at=None, reason=""),
        CreateDatabase(branch="staging", database="reports", owner="app", reason=""),
        CreateDeclaredBranch(
            name="staging2",
            source="main",
            environment="production",
            reset="",
            schema_only=False,
            compute=False,
            reason="",
        ),
        ProtectDeclaredBranch(branch="staging2", protected=True, reason=""),
        CreateDeclaredBranch(
            name="drill",
            source="staging2",
            environment="production",
            reset="",
            schema_only=False,
            compute=True,
            reason="",
        ),
    )
    assert found.refusals == ()


def test_what_is_as_declared_needs_nothing_and_a_minute_changes_neither_plan_nor_digest():
    desired = asked(FULL)
    before = world(databases=(Databases(MAIN.id, ("tech961",)),))
    assert plan(desired, before).digest == plan(desired, ended(before)).digest
    observed = before
    for step in plan(desired, observed).steps:
        observed = step.predict(observed)
    assert plan(desired, ended(observed)).in_sync


def test_a_branch_that_neon_is_still_making_is_waited_for():
    assert kinds(asked(STAGING), world(ours("staging", ready=False)))[0] is AwaitBranch


def test_a_compute_is_added_and_never_taken_away():
    assert kinds(asked(STAGING), world(ours("staging", endpoint=None))) == [AddCompute]
    assert kinds(asked(DeclaredBranch("staging", compute=False)), world(ours("staging"))) == []
    assert kinds(asked(DeclaredBranch("staging", compute=False)), world(ours("staging", endpoint=None))) == []


# Resets.


def test_a_reset_is_asked_for_until_annotations_or_a_kept_branch_say_that_it_was_done():
    desired = asked(DeclaredBranch("staging", reset="b"))
    assert kinds(desired, world(ours("staging", "a"))) == [ResetDeclaredBranch]
    assert kinds(desired, world(ours("staging", "b"))) == []
    assert kinds(desired, world(ours("staging", "a", last_reset_at=hours_ago(1)), kept("b", 1))) == []
    assert kinds(desired, world(ours("staging", "a"), kept("b", 1, of="other"))) == [ResetDeclaredBranch]


def test_a_reset_keeps_what_the_branch_held_and_its_life_begins_anew():
    until = Instant(CREATED.milliseconds + 20 * 86_400_000)
    observed = world(ours("staging", expires_at=until), ours("drill", parent_id="br-staging"))
    after = ResetDeclaredBranch(branch="staging", source="main", keep_as="staging.before-reset.b", reason="").predict(
        observed
    )
    staging, drill, record_ = after.branches[1:]
    assert staging.expires_at - NOW == timedelta(days=20)
    assert drill.parent_id == record_.id
    assert (staging.last_reset_at, staging.parent_id, record_.parent_id) == (NOW, MAIN.id, MAIN.id)


def test_a_reset_to_another_branch_than_the_parent_leaves_the_expiry_to_be_set():
    until = Instant(CREATED.milliseconds + 20 * 86_400_000)
    desired = asked(DeclaredBranch("staging", reset="b", expires=timedelta(days=20)))
    assert kinds(desired, world(ours("staging", parent_id="br-old", expires_at=until))) == [
        ResetDeclaredBranch,
        ExpireDeclaredBranch,
    ]


def test_of_what_resets_have_kept_only_the_newest_stays():
    desired = asked(DeclaredBranch("staging", reset="b"))
    observed = world(ours("staging", last_reset_at=hours_ago(1)), kept("b", 1), kept("a", 2))
    (step,) = plan(desired, observed).steps
    assert step == DeleteDeclaredBranch(branch="staging.before-reset.a", reason="")
    spared = world(ours("staging", last_reset_at=hours_ago(1)), kept("b", 1), kept("a", 2, endpoint=MAIN.endpoint))
    found = plan(desired, spared)
    assert found.in_sync
    assert any(
        "was kept at an older reset and is not deleted: somebody has given it" in each for each in found.warnings
    )
    others = Branch("br-x", "staging", CREATED, MAIN.id, endpoint=MAIN.endpoint)
    assert kinds(asked(STAGING), world(others, kept("b", 1), kept("a", 2))) == []


RESET = DeclaredBranch("staging", reset="b")
HOSTED = HyperdriveConfig("c1", "other", "ep-staging.neon.tech", 5432, "tech961", "app")


@pytest.mark.parametrize(
    ("branches", "more", "said"),
    [
        ([ours("staging", default=True)], {}, "it is the default branch"),
        ([ours("staging", protected=True)], {}, "it is protected, and Neon resets no such branch"),
        ([ours("staging", last_reset_at=hours_ago(1))], {}, "no branch keeps what it held before"),
        ([], {"parent": "gone"}, 'can\'t be made from "gone" or reset to it: there is no such branch'),
        ([ours("p", expires_at=hours_ago(-9))], {"parent": "p"}, "it expires at"),
    ],
)
def test_what_must_not_be_reset_or_made_is_refused_with_the_reason(branches, more, said):
    extra = [] if branches and branches[0].name == "staging" else [ours("staging")]
    for each in (extra, []) if more else (extra,):
        (message,) = [
            message
            for _, message in refused(asked(replace(RESET, **more), DeclaredBranch("p")), world(*branches, *each))
        ]
        assert said in message


def test_a_branch_from_which_users_are_served_is_not_reset():
    served = replace(WORLD.workers[0], deployed=(DeployedVersion("v1", 50, "c1"), DeployedVersion("v0", 50, "c0")))
    desired = replace(asked(RESET), hyperdrive=None, workers=())
    assert kinds(desired, world(ours("staging"), configs=(HOSTED,), workers=())) == [ResetDeclaredBranch]
    observed = world(ours("staging"), configs=(*WORLD.configs, HOSTED), workers=(served,))
    reasons = [each.message for each in child_guards.reset(read(asked(RESET), observed), RESET, ours("staging"))]
    assert reasons == ['"staging" must not be reset: users are served from it, by Hyperdrive config "other"']
    timeline_branch = DeclaredBranch("main")
    assert "it carries origin" in child_guards.reset(read(asked(), WORLD), timeline_branch, MAIN)[0].message


# Whose it is.


@pytest.mark.parametrize(
    ("child", "words"),
    [
        (DeclaredBranch("staging", reset="b", expires=timedelta(days=1)), "reset, expires"),
        (DeclaredBranch("staging", protected=False, schema_only=True), "protected: false, schema_only"),
    ],
)
@pytest.mark.parametrize(
    "mark", [None, DeclaredAnnotation("other", "staging"), DeclaredAnnotation("production", "renamed")]
)
def test_nothing_that_could_harm_is_done_to_what_somebody_else_has_made(child, words, mark):
    observed = world(replace(ours("staging"), child=mark))
    ((rule, message),) = refused(asked(child), observed)
    assert rule == "child-not-ours"
    assert f"and {words} could cost its owner data" in message


@pytest.mark.parametrize(("made", "declared"), [(True, False), (False, True)])
def test_a_branch_made_with_the_schema_only_stays_so(made, declared):
    ((rule, message),) = refused(
        asked(DeclaredBranch("staging", schema_only=declared)), world(ours("staging", schema_only=made))
    )
    assert rule == "child-differs"
    assert ("was made with the schema only" in message) is made


def test_what_is_not_declared_any_more_is_deleted_leaf_first_unless_something_hangs_on_it():
    gone = [ours("a"), ours("b", parent_id="br-a"), kept("x", 1, of="a")]
    names = [step.branch for step in plan(asked(), world(*gone)).steps]
    assert names == ["a.before-reset.x", "b", "a"]
    somebodys = Branch("br-s", "s", CREATED, "br-d")
    stay = {
        "a": ours("a", default=True),
        "b": ours("b", protected=True),
        "c": ours("c"),
        "d": ours("d"),
        "e": ours("e"),
        "f": ours("f"),
    }
    configs = (*WORLD.configs, replace(HOSTED, host="ep-c.neon.tech"))
    claimed = (Claim("demo", PROJECT.id, "e"),)
    observed = world(*stay.values(), somebodys, configs=configs, claims=claimed)
    desired = asked(DeclaredBranch("new", "f", expires=hours_ago(1)))
    found = plan(desired, observed)
    assert found.in_sync
    told = " ".join(found.warnings)
    for name, reason in {
        "a": "it is the default branch",
        "b": "it is protected",
        "c": "Hyperdrive leads to it (other)",
        "d": "s was made from it",
        "e": "it is the primary of demo",
        "f": "the file makes new from it",
    }.items():
        assert f'"{name}" is not declared any more and is not deleted: {reason}' in told
    assert f'"new" was to be there until {hours_ago(1)}, and is not made any more' in told


def test_where_the_file_says_nothing_of_branches_none_is_touched_and_ours_are_told():
    found = plan(DESIRED, world(ours("a")))
    assert found.in_sync
    assert any('"branches": [] would delete it' in each for each in found.warnings)
    assert plan(DESIRED, world(Branch("br-x", "x", CREATED, MAIN.id))).warnings == ()


# Life and protection.


def test_an_expiry_is_counted_from_creation_or_reset_set_once_and_cleared_by_forever():
    span = timedelta(days=9)
    desired = asked(DeclaredBranch("staging", expires=span))
    assert kinds(desired, world(ours("staging"))) == [ExpireDeclaredBranch]
    right = lifetime(span, ours("staging"))
    assert kinds(desired, world(ours("staging", expires_at=right))) == []
    assert kinds(desired, world(ours("staging", expires_at=hours_ago(-1)))) == [ExpireDeclaredBranch]
    at = hours_ago(-5)
    (step,) = plan(asked(DeclaredBranch("staging", expires=at)), world(ours("staging"))).steps
    assert (step.at, step.seconds) == (at, None)
    forever = asked(DeclaredBranch("staging", expires=FOREVER))
    assert kinds(forever, world(ours("staging", expires_at=right))) == [ClearExpiry]
    assert kinds(forever, world(ours("staging"))) == []
    assert kinds(asked(STAGING), world(ours("staging", expires_at=right))) == []


@pytest.mark.parametrize(
    ("changes", "expires", "said"),
    [
        ({"default": True}, timedelta(days=9), "it is the default branch"),
        ({"protected": True}, timedelta(days=9), "it is protected"),
        ({}, timedelta(days=1), "has passed"),
        ({}, hours_ago(-24 * 31), "is more than 30 days ahead"),
    ],
)
def test_an_expiry_that_neon_does_not_take_is_refused(changes, expires, said):
    ((rule, message),) = refused(asked(DeclaredBranch("staging", expires=expires)), world(ours("staging", **changes)))
    assert rule == "child-kept"
    assert said in message


def test_a_branch_with_children_does_not_expire():
    observed = world(ours("staging"), Branch("br-x", "x", CREATED, "br-staging"))
    ((_, message),) = refused(asked(DeclaredBranch("staging", expires=timedelta(days=9))), observed)
    assert message.endswith("must not expire: x was made from it")


def test_protection_is_set_and_taken_as_declared_and_left_alone_otherwise():
    protected = world(ours("staging", protected=True))
    (step,) = plan(asked(DeclaredBranch("staging", protected=False)), protected).steps
    assert step == ProtectDeclaredBranch(branch="staging", protected=False, reason="")
    assert kinds(asked(STAGING), protected) == []
    assert kinds(asked(DeclaredBranch("staging", protected=True)), protected) == []
    assert kinds(asked(DeclaredBranch("staging", protected=False)), world(ours("staging"))) == []


# Room.


def test_where_there_is_no_room_that_is_told_with_the_numbers_and_the_primary_is_restored_all_the_same():
    project = replace(PROJECT, plan="launch", branches_limit=3)
    restore = asking(Restore(hours_ago(24), "inc-42"))
    desired = asked(STAGING, DeclaredBranch("shape", schema_only=True), desired=restore)
    found = plan(desired, world(ours("one"), project=project, workers=WORLD.workers))
    assert found.is_about_declared_branches
    assert len(found.steps) > 3
    assert {(each.kind, each.count, each.limit) for each in found.refusals} == {("branches", 3, 3)}
    lifted = replace(asked(STAGING), lift=(Lift(Liftable.BRANCH_LIMIT, "ticket"),))
    assert kinds(lifted, world(project=replace(project, branches_limit=1))) == [CreateDeclaredBranch]
    roots = [Branch(f"br-{n}", f"root{n}", CREATED) for n in range(4)]
    ((rule, message),) = refused(
        asked(DeclaredBranch("shape", schema_only=True)), world(*roots, project=replace(project, branches_limit=None))
    )
    assert (rule, message.endswith("the project has 5 root branches, and may have 5")) == ("child-limit", True)
    guarded = [replace(each, protected=True) for each in roots[:2]]
    ((_, message),) = refused(
        asked(DeclaredBranch("staging", protected=True)),
        world(*guarded, ours("staging"), project=replace(project, branches_limit=None)),
    )
    assert message.endswith("the project has 2 protected branches, and may have 2")


def test_what_failed_its_last_check_is_told_and_branches_wait():
    restore = Restore(hours_ago(24), "inc-42")
    gated = replace(DESIRED, verify=replace(DESIRED.verify, http=(HttpGate("health", "https://961tech.example/"),)))
    desired = asked(STAGING, desired=asking(restore, gated))
    observed = WORLD
    for step in plan(desired, observed).steps:
        if step.wire_name == "VerifyLive":
            observed = replace(observed, failed=frozenset({step.key}))
            break
        observed = step.predict(observed)
    found = plan(desired, observed)
    assert [each.rule for each in found.refusals] == ["timeline-failed"]
    assert not any(isinstance(step, CreateDeclaredBranch) for step in found.steps)


# Databases.


def test_a_database_is_made_where_it_is_missing_and_never_where_that_is_not_known():
    desired = asked(DeclaredBranch("staging", database="reports"))
    assert kinds(desired, world(ours("staging"), databases=(Databases("br-staging", ("tech961",)),))) == [
        CreateDatabase
    ]
    assert kinds(desired, world(ours("staging"), databases=(Databases("br-staging", ("reports",)),))) == []
    assert kinds(desired, world(ours("staging"))) == []
    unknown = world(ours("staging"), databases=(Databases("br-staging", Unknown("503")),))
    assert refused(desired, unknown) == [
        ("child-databases-unknown", 'which databases "staging" has could not be read: 503')
    ]


# What is told.


def test_a_branch_of_an_older_timeline_is_told_and_not_reset():
    restore = Restore(hours_ago(24), "inc-42")
    desired = asked(STAGING, desired=asking(restore))
    found = plan(desired, world(ours("staging")))
    assert any(each.startswith('"staging" was made from origin and stays so') for each in found.warnings)
    assert not any(isinstance(step, ResetDeclaredBranch) for step in found.steps)


def test_what_a_reset_costs_and_new_passwords_are_told():
    observed = replace(
        WORLD, branches=(replace(MAIN, protected=True), ours("staging"), ours("drill", parent_id="br-staging"))
    )
    desired = asked(RESET, DeclaredBranch("drill", "staging"), DeclaredBranch("preview"))
    told = " ".join(plan(desired, observed).warnings)
    assert 'resetting "staging" drops its connections for some seconds' in told
    assert '"drill" becomes a child of that' in told
    assert '"main" is protected, so every role has a new password on "preview"' in told
    lone = plan(asked(RESET), world(ours("staging"))).warnings
    assert all("becomes a child" not in each for each in lone)
    assert plan(desired, replace(observed, workers=(Unknown("503"),))).unreadable


def test_names_of_what_resets_keep_are_read_back_and_others_are_not():
    assert record(kept("sprint-12", 1)).reset == "sprint-12"
    assert record(MAIN) is None
    assert [each.reset for each in records("staging", [kept("b", 1), kept("a", 2), kept("c", 3, of="x")])] == ["a", "b"]


def test_parents_come_first_and_else_the_order_of_the_file_stays():
    made = (DeclaredBranch("c", "b"), DeclaredBranch("b", "a"), DeclaredBranch("a"), DeclaredBranch("z"))
    assert [each.name for each in in_order(made)] == ["a", "z", "b", "c"]


@pytest.mark.parametrize(
    ("refusal", "way_out"),
    [
        (DeclaredParentUnusable("a", "b", "x"), "without one it is the primary"),
        (DeclaredBranchNotOurs("a", ("reset",)), "give the declared branch another name"),
        (DeclaredBranchDiffers("a", "x"), "it is made anew then"),
        (DeclaredBranchKept("a", "expire", ("x",)), "take it out of the branch's entry"),
        (DeclaredBranchLimitReached("a", "branches", 3, 3), "the primary does not wait for this"),
        (DeclaredDatabasesUnknown("a", "503"), "run it again when this can be read"),
    ],
)
def test_each_refusal_of_a_branch_names_a_way_out(refusal, way_out):
    assert way_out in refusal.hint
    assert refusal.about_declared_branch


def test_a_refused_branch_does_not_make_the_doctor_say_that_a_restore_would_fail():
    theirs = replace(ours("staging"), child=None)
    setup = replace(GOOD, desired=replace(GOOD.desired, branches=(RESET,)))
    setup = observed_as(setup, branches=(*setup.observed.branches, theirs))
    diagnosis = diagnose(setup)
    (check,) = [each for each in diagnosis.checks if each.name == "desired state"]
    assert diagnosis.is_good
    assert "was not made for this environment" in check.seen
