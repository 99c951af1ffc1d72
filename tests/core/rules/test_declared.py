"""Declared branches, by the rules alone: what is asked for, what is refused, and what is said."""

from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.core.health.diagnosis import diagnose
from reconciler.core.model.declared_branch import in_order, lifetime, record, records
from reconciler.core.model.desired import FOREVER, DeclaredBranch, Waivable, Waiver
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
from reconciler.core.steps.declared import (
    CreateDatabase,
    CreateDeclaredBranch,
    DeleteDeclaredBranch,
    ExpireDeclaredBranch,
    ProtectDeclaredBranch,
    ResetDeclaredBranch,
)
from reconciler.core.values.instant import Instant
from tests.core.files import BY_BRANCH, CREATED, DESIRED, NOW, gated, hours_ago
from tests.core.health.test_health import GOOD
from tests.core.health.test_health import observed as observed_as
from tests.core.plans import after, ended, planned, taken_until, warnings
from tests.core.worlds import MAIN, PROJECT, WORLD, with_main

STAGING = DeclaredBranch("staging")
RESET = DeclaredBranch("staging", reset="b")
DAYS = timedelta(days=9)


def asked(*branches, desired=DESIRED):
    return replace(desired, branches=branches)


def ours(name="staging", reset="", *, schema_only=False, **more):
    mark = DeclaredAnnotation("production", name, reset, schema_only)
    endpoint = Endpoint(f"ep-{name}", f"ep-{name}.neon.tech")
    return Branch(
        f"br-{name}", name, CREATED, more.pop("parent_id", MAIN.id), **{"child": mark, "endpoint": endpoint} | more
    )


def world(*branches, **more):
    return replace(WORLD, branches=(MAIN, *branches), **more)


def kept(reset, hours, of="staging", **more):
    return Branch(f"br-{reset}", f"{of}.before-reset.{reset}", hours_ago(hours), MAIN.id, **more)


def with_databases(*names):
    return world(ours(), databases=(Databases("br-staging", names),))


def refused(desired, observed):
    return [(each.rule, each.message) for each in plan(desired, observed).refusals]


def made(name, source="main", reset="", compute=True):
    return CreateDeclaredBranch(
        name=name, source=source, environment="production", reset=reset, schema_only=False, compute=compute, reason=""
    )


FULL = DeclaredBranch("staging", None, "first", timedelta(days=7), None, True, "reports")
BEFORE = world(databases=(Databases(MAIN.id, ("tech961",)),))


def test_a_branch_is_made_as_declared():
    found = plan(
        asked(FULL, DeclaredBranch("drill", "staging2"), DeclaredBranch("staging2", protected=True, compute=False)),
        BEFORE,
    )
    assert found.steps == (
        made("staging", reset="first"),
        ExpireDeclaredBranch(branch="staging", seconds=7 * 86_400, at=None, reason=""),
        CreateDatabase(branch="staging", database="reports", owner="app", reason=""),
        made("staging2", compute=False),
        ProtectDeclaredBranch(branch="staging2", protected=True, reason=""),
        made("drill", "staging2"),
    )
    assert found.refusals == ()


def test_what_is_as_declared_needs_nothing():
    assert plan(asked(FULL), after(asked(FULL), BEFORE)).in_sync


def test_a_minute_changes_no_digest():
    assert plan(asked(FULL), BEFORE).digest == plan(asked(FULL), ended(BEFORE)).digest


AGED = ours(expires_at=lifetime(DAYS, ours()))
RECORDED = (ours(reset="a", last_reset_at=hours_ago(1)), kept("b", 1))
MOVED = ours(parent_id="br-old", expires_at=Instant(CREATED.milliseconds + 20 * 86_400_000))
NO_COMPUTE, EXPIRING = DeclaredBranch("staging", compute=False), DeclaredBranch("staging", expires=DAYS)
UNPROTECTED, REPORTS = DeclaredBranch("staging", protected=False), DeclaredBranch("staging", database="reports")
STEPS = {
    "a compute is added": (STAGING, world(ours(endpoint=None)), ["AddCompute"]),
    "and never taken away": (NO_COMPUTE, world(ours()), []),
    "nor added where not wanted": (NO_COMPUTE, world(ours(endpoint=None)), []),
    "a reset": (RESET, world(ours(reset="a")), ["ResetChild"]),
    "done, by its annotation": (RESET, world(ours(reset="b")), []),
    "done, by what was kept": (RESET, world(*RECORDED), []),
    "kept of another branch": (RESET, world(ours(reset="a"), kept("b", 1, of="other")), ["ResetChild"]),
    "to another branch": (replace(RESET, expires=timedelta(days=20)), world(MOVED), ["ResetChild", "ExpireChild"]),
    "users are elsewhere": (RESET, world(ours()), ["ResetChild"]),
    "records beside a branch not ours": (STAGING, world(ours(child=None), kept("b", 1), kept("a", 2)), []),
    "an expiry is set": (EXPIRING, world(ours()), ["ExpireChild"]),
    "and left": (EXPIRING, world(AGED), []),
    "and put right": (EXPIRING, world(ours(expires_at=hours_ago(-1))), ["ExpireChild"]),
    "and cleared": (DeclaredBranch("staging", expires=FOREVER), world(AGED), ["ClearExpiry"]),
    "where there is one": (DeclaredBranch("staging", expires=FOREVER), world(ours()), []),
    "an expiry that is not declared": (STAGING, world(AGED), []),
    "protection is taken": (UNPROTECTED, world(ours(protected=True)), ["ProtectChild"]),
    "where there is some": (UNPROTECTED, world(ours()), []),
    "protection that is not declared": (STAGING, world(ours(protected=True)), []),
    "protection is left": (DeclaredBranch("staging", protected=True), world(ours(protected=True)), []),
    "a database is made": (REPORTS, with_databases("tech961"), ["CreateDatabase"]),
    "where it is missing": (REPORTS, with_databases("reports"), []),
    "for certain": (REPORTS, world(ours()), []),
}


@pytest.mark.parametrize(("child", "observed", "steps"), STEPS.values(), ids=STEPS)
def test_steps_of_a_declared_branch(child, observed, steps):
    assert steps == planned(asked(child), observed)


def test_a_branch_that_neon_still_makes_is_awaited():
    assert planned(asked(STAGING), world(ours(ready=False)))[0] == "AwaitBranch"


# Resets


def test_a_reset_restarts_the_life_of_the_branch():
    observed = world(replace(MOVED, parent_id=MAIN.id), ours("drill", parent_id="br-staging"))
    seen = ResetDeclaredBranch(branch="staging", source="main", keep_as="staging.before-reset.b", reason="").predict(
        observed
    )
    staging, drill, kept_ = seen.branches[1:]
    assert staging.expires_at - NOW == timedelta(days=20)
    assert (staging.last_reset_at, staging.parent_id) == (NOW, MAIN.id)
    assert (kept_.parent_id, drill.parent_id) == (MAIN.id, kept_.id)


def test_only_the_newest_kept_branch_stays():
    (step,) = plan(asked(RESET), world(*RECORDED, kept("a", 2))).steps
    assert step == DeleteDeclaredBranch(branch="staging.before-reset.a", reason="")


def test_a_kept_branch_with_a_compute_stays():
    observed = world(*RECORDED, kept("a", 2, endpoint=MAIN.endpoint))
    assert plan(asked(RESET), observed).in_sync
    assert warnings(asked(RESET), observed, "was kept at an older reset, but it is not deleted: ")


HOSTED = HyperdriveConfig("c1", "other", "ep-staging.neon.tech", 5432, "tech961", "app")
NOT_RESET = {
    "default": (RESET, world(ours(default=True)), "it is the default branch"),
    "protected": (RESET, world(ours(protected=True)), "it is protected, and Neon does not reset protected branches"),
    "reset by hand": (RESET, world(ours(last_reset_at=hours_ago(1))), "no branch keeps what it held before"),
    "no parent": (replace(RESET, parent="gone"), world(), 'can\'t be created from "gone" or reset to it: there is no'),
    "a parent that is gone": (replace(RESET, parent="gone"), world(ours()), "there is no such branch"),
    "a parent that expires": (
        replace(RESET, parent="p"), world(ours("p", expires_at=hours_ago(-9)), ours()), "it expires at"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("child", "observed", "said"), NOT_RESET.values(), ids=NOT_RESET)
def test_a_reset_or_creation_is_refused(child, observed, said):
    ((_, message),) = refused(asked(child, DeclaredBranch("p")), observed)
    assert said in message


def test_a_branch_that_serves_users_is_not_reset():
    served = replace(WORLD.workers[0], deployed=(DeployedVersion("v1", 50, "c1"), DeployedVersion("v0", 50, "c0")))
    observed = world(ours(), configs=(*WORLD.configs, HOSTED), workers=(served,))
    (refusal,) = child_guards.reset(read(asked(RESET), observed), RESET, ours())
    assert refusal.message == '"staging" must not be reset: users are served from it, through Hyperdrive config "other"'


def test_a_config_without_users_stops_no_reset():
    desired = replace(asked(RESET), hyperdrive=None, workers=())
    assert planned(desired, world(ours(), configs=(HOSTED,), workers=())) == ["ResetChild"]


def test_what_carries_a_timeline_is_not_reset():
    (refusal,) = child_guards.reset(read(asked(), WORLD), DeclaredBranch("main"), MAIN)
    assert "it carries origin" in refusal.message


# Whose it is


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
def test_a_branch_of_others_is_not_harmed(child, words, mark):
    ((rule, message),) = refused(asked(child), world(ours(child=mark)))
    assert (rule, f"and {words} could cost its owner data" in message) == ("child-not-ours", True)


@pytest.mark.parametrize("made", [True, False])
def test_a_schema_only_branch_stays_so(made):
    ((rule, message),) = refused(asked(DeclaredBranch("staging", schema_only=not made)), world(ours(schema_only=made)))
    assert (rule, "was created with the schema only" in message) == ("child-differs", made)


def test_undeclared_branches_are_deleted_leaf_first():
    gone = [ours("a"), ours("b", parent_id="br-a"), kept("x", 1, of="a")]
    assert ["a.before-reset.x", "b", "a"] == [step.branch for step in plan(asked(), world(*gone)).steps]


BOTH = (*WORLD.configs, HOSTED)
STAY = {
    "default": (ours("a", default=True), {}, "it is the default branch"),
    "protected": (ours("a", protected=True), {}, "it is protected"),
    "a config": (ours("a", endpoint=ours().endpoint), {"configs": BOTH}, "Hyperdrive points to it (other)"),
    "a child of others": (ours("a"), {"of": "br-a"}, "s was created from it"),
    "a primary": (ours("a"), {"claims": (Claim("demo", PROJECT.id, "a"),)}, "it is the primary of demo"),
    "a declared branch": (ours("a"), {"declared": "a"}, "the file creates new from it"),
}  # fmt: skip


@pytest.mark.parametrize(("branch", "more", "reason"), STAY.values(), ids=STAY)
def test_an_undeclared_branch_is_kept_by(branch, more, reason):
    others = [Branch("br-s", "s", CREATED, more["of"])] if "of" in more else []
    desired = asked(DeclaredBranch("new", more["declared"], expires=hours_ago(1))) if "declared" in more else asked()
    observed = world(branch, *others, **{key: more[key] for key in ("configs", "claims") if key in more})
    assert plan(desired, observed).in_sync
    assert warnings(desired, observed, f'"a" is no longer declared, but it is not deleted: {reason}')


def test_a_branch_after_its_time_is_not_made():
    desired = asked(DeclaredBranch("new", expires=hours_ago(1)))
    assert plan(desired, WORLD).in_sync
    assert warnings(desired, WORLD, f'"new" expired at {hours_ago(1)}')


def test_without_a_list_ours_are_named_and_left():
    assert plan(DESIRED, world(ours("a"))).in_sync
    assert warnings(DESIRED, world(ours("a")), 'set "branches": [] to delete it')
    assert plan(DESIRED, world(Branch("br-x", "x", CREATED, MAIN.id))).warnings == ()


# Life


def test_an_expiry_may_be_a_moment():
    (step,) = plan(asked(DeclaredBranch("staging", expires=hours_ago(-5))), world(ours())).steps
    assert (step.at, step.seconds) == (hours_ago(-5), None)


@pytest.mark.parametrize(
    ("branches", "expires", "said"),
    [
        ([ours(default=True)], DAYS, "it is the default branch"),
        ([ours(protected=True)], DAYS, "it is protected"),
        ([ours()], timedelta(days=1), "has passed"),
        ([ours()], hours_ago(-24 * 31), "is more than 30 days ahead"),
        ([ours(), Branch("br-x", "x", CREATED, "br-staging")], DAYS, "must not expire: x was created from it"),
    ],
)
def test_an_expiry_is_refused(branches, expires, said):
    ((rule, message),) = refused(asked(DeclaredBranch("staging", expires=expires)), world(*branches))
    assert (rule, said in message) == ("child-kept", True)


# Room

LAUNCH = replace(PROJECT, plan="launch")
NARROW = replace(LAUNCH, branches_limit=3)
ROOTS = [Branch(f"br-{n}", f"root{n}", CREATED, protected=n < 2) for n in range(4)]


@pytest.mark.parametrize(
    ("child", "branches", "project", "room"),
    [
        (STAGING, [ours("a"), ours("b")], NARROW, ("branches", 3, 3)),
        (
            DeclaredBranch("shape", schema_only=True),
            ROOTS,
            replace(LAUNCH, branches_limit=None),
            ("root branches", 5, 5),
        ),
        (DeclaredBranch("staging", protected=True), [*ROOTS, ours()], LAUNCH, ("protected branches", 2, 2)),
    ],
)
def test_missing_room_is_refused_with_numbers(child, branches, project, room):
    declared = asked(child, DeclaredBranch("a"), DeclaredBranch("b")) if project is NARROW else asked(child)
    (refusal,) = plan(declared, world(*branches, project=project)).refusals
    assert (refusal.rule, refusal.kind, refusal.count, refusal.limit) == ("child-limit", *room)


def test_a_restore_waits_for_no_declared_branch():
    desired = asked(STAGING, DeclaredBranch("shape", schema_only=True), desired=BY_BRANCH)
    found = plan(desired, world(ours("one"), project=NARROW))
    assert (found.is_about_declared_branches, len(found.steps) > 3) == (True, True)
    assert {(each.kind, each.count, each.limit) for each in found.refusals} == {("branches", 3, 3)}


def test_the_branch_limit_can_be_waived():
    desired = replace(asked(STAGING), waivers=(Waiver(Waivable.BRANCH_LIMIT, "ticket"),))
    assert planned(desired, world(project=replace(LAUNCH, branches_limit=1))) == ["CreateChild"]


def test_branches_wait_for_a_failed_last_check():
    desired = asked(STAGING, desired=gated(BY_BRANCH))
    observed = taken_until(desired, WORLD, "SwitchTraffic")
    check = next(step for step in plan(desired, observed).steps if step.wire_name == "VerifyLive")
    found = plan(desired, replace(observed, failed=frozenset({check.key})))
    assert [each.rule for each in found.refusals] == ["timeline-failed"]
    assert not any(isinstance(step, CreateDeclaredBranch) for step in found.steps)


def test_unreadable_databases_are_refused():
    unknown = world(ours(), databases=(Databases("br-staging", Unknown("503")),))
    assert refused(asked(REPORTS), unknown) == [
        ("child-databases-unknown", 'can\'t read which databases "staging" has: 503')
    ]


# What is said


def test_a_branch_of_an_older_timeline_stays():
    desired = asked(STAGING, desired=BY_BRANCH)
    assert warnings(desired, world(ours()), '"staging" was created from origin and still holds that')
    assert "ResetChild" not in planned(desired, world(ours()))


PROTECTED = replace(with_main(protected=True).branches[0])
THREE = asked(RESET, DeclaredBranch("drill", "staging"), DeclaredBranch("preview"))
FAMILY = replace(WORLD, branches=(PROTECTED, ours(), ours("drill", parent_id="br-staging")))


@pytest.mark.parametrize(
    "words",
    [
        'resetting "staging" drops its connections for a few seconds',
        '"drill" becomes a child of that',
        '"main" is protected, so every role has a new password on "preview"',
    ],
)
def test_what_a_reset_costs_is_said(words):
    assert warnings(THREE, FAMILY, words)
    assert not warnings(asked(RESET), world(ours()), "becomes a child")


def test_unread_workers_are_no_verdict():
    assert plan(THREE, replace(FAMILY, workers=(Unknown("503"),))).unreadable


def test_names_of_kept_branches_are_read_back():
    assert (record(kept("sprint-12", 1)).reset, record(MAIN)) == ("sprint-12", None)
    assert [each.reset for each in records("staging", [kept("b", 1), kept("a", 2), kept("c", 3, of="x")])] == ["a", "b"]


def test_parents_come_first():
    declared = (DeclaredBranch("c", "b"), DeclaredBranch("b", "a"), DeclaredBranch("a"), DeclaredBranch("z"))
    assert [each.name for each in in_order(declared)] == ["a", "z", "b", "c"]


def test_a_refused_branch_leaves_a_restore_healthy():
    setup = replace(GOOD, desired=replace(GOOD.desired, branches=(RESET,)))
    diagnosis = diagnose(observed_as(setup, branches=(*setup.observed.branches, ours(child=None))))
    (check,) = [each for each in diagnosis.checks if each.name == "desired state"]
    assert (diagnosis.is_good, "was not created by this environment" in check.seen) == (True, True)
