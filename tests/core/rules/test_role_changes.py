"""A restore rewinds roles and databases as well: what is known of that is told before, and nobody is locked out."""

from dataclasses import replace

import pytest

from reconciler.core.model.desired import Lift, Liftable, Method, Restore
from reconciler.core.model.observed import Annotation, Branch, Unknown, named
from reconciler.core.model.roles_and_databases import RoleOrDatabase, RolesAndDatabases
from reconciler.core.plan.plan import plan
from reconciler.core.rules.restore.role_changes import changes, replaced, since, worth_reading
from reconciler.core.values.instant import Instant
from reconciler.core.values.timeline import ORIGIN, Timeline
from tests.core.files import CREATED, DESIRED, NOW, asking, hours_ago
from tests.core.plans import after, killed_after, rules
from tests.core.rules.test_last_check import GATED, run
from tests.core.worlds import MAIN, WORLD, changed

RESTORE = Restore(hours_ago(24), "inc-42")
ASKED = asking(RESTORE)
TIMELINE = Timeline(RESTORE.to, RESTORE.id)
CANDIDATE = Branch(
    "br-candidate",
    f"main.candidate.{TIMELINE}",
    hours_ago(1),
    MAIN.id,
    resolved_at=RESTORE.to,
    lsn="0/1",
    mark=Annotation("production", TIMELINE),
    endpoint=replace(MAIN.endpoint, id="ep-candidate", host="ep-candidate.neon.tech"),
)
MADE = replace(WORLD, branches=(MAIN, CANDIDATE))
OLD, YOUNG = CREATED, hours_ago(2)


def account(name, created=OLD, updated=None):
    return RoleOrDatabase(name, created, updated or created)


def listed(branch, roles=("app",), databases=("tech961",)):
    """What Neon lists of a branch; a bare name is of something as old as the project."""
    items = (
        tuple(each if isinstance(each, RoleOrDatabase) else account(each) for each in some)
        for some in (roles, databases)
    )
    return RolesAndDatabases(branch, *items)


def knowing(*accounts, observed=WORLD):
    return replace(observed, accounts=accounts)


def said(desired, observed):
    """The warnings about roles and databases."""
    return [
        each for each in plan(desired, observed).warnings if each.startswith(("role ", "database ", "and ", "which"))
    ]


# Before the branch of the moment exists


def test_what_is_younger_than_the_moment_will_not_exist_and_is_named_with_its_time():
    observed = knowing(listed("br-main", ("app", account("reporting", YOUNG)), ("tech961", account("stats", YOUNG))))
    when = f"was created at {YOUNG}, after {RESTORE.to}, and will not exist: a restore rewinds roles and databases too"
    assert said(ASKED, observed) == [f'role "reporting" {when}', f'database "stats" {when}']
    assert said(ASKED, knowing(listed("br-main"))) == []


def test_a_password_that_is_younger_than_the_moment_is_told_with_what_hyperdrive_gets():
    observed = knowing(listed("br-main", (account("app", OLD, YOUNG),)))
    (told,) = said(ASKED, observed)
    assert told.startswith(
        f'role "app" was changed at {YOUNG}, after {RESTORE.to}, most often its password: Hyperdrive'
    )
    (told,) = said(asking(RESTORE, method=Method.IN_PLACE), observed)
    assert "a restore in place keeps the password, by what is known" in told
    protected = changed(observed, "main", protected=True)
    assert said(ASKED, protected) == []  # every role has a new one there, which is told of the branch
    assert len(said(asking(RESTORE, method=Method.IN_PLACE), protected)) == 1


def test_of_many_only_the_first_ones_are_named():
    many = tuple(account(f"r{number:02}", YOUNG) for number in range(13))
    told = said(ASKED, knowing(listed("br-main", ("app", *many))))
    assert (len(told), told[-1]) == (11, "and 3 more like the last")


def test_where_the_moment_belongs_to_what_is_held_the_live_roles_that_it_never_had_will_not_exist():
    restored = after(asking(Restore(hours_ago(30), "a")), WORLD)
    desired = asking(replace(RESTORE, source=ORIGIN))
    live, held = named(restored.branches, "main"), MAIN
    observed = knowing(
        listed(live.id, ("app", account("new", NOW))), listed(held.id, (account("app", OLD, OLD),)), observed=restored
    )
    (told,) = said(desired, observed)
    assert told.startswith('role "new" was created at ')


def test_the_times_on_a_branch_that_was_preserved_in_place_tell_nothing_and_that_is_said():
    in_place = asking(Restore(hours_ago(30), "a"), method=Method.IN_PLACE)
    restored = after(in_place, WORLD)
    (held,) = [each for each in restored.branches if ".held." in each.name]
    observed = knowing(
        listed("br-main"), listed(held.id, (account("app", NOW),), (account("tech961", NOW),)), observed=restored
    )
    desired = asking(replace(RESTORE, source=ORIGIN), in_place)
    found = plan(desired, observed)
    assert f'"{held.name}" was made by a restore: which roles and databases there were is not known before' in (
        found.warnings
    )
    assert "login-too-young" not in rules(desired, observed)


def test_nothing_is_said_where_nothing_was_read_or_nothing_is_pending():
    assert said(ASKED, WORLD) == []
    assert said(DESIRED, knowing(listed("br-main", (account("app", OLD, YOUNG),)))) == []
    assert said(ASKED, knowing(listed("br-other"))) == []


def test_what_cannot_be_read_is_said_and_keeps_nobody_from_a_restore():
    found = plan(ASKED, replace(WORLD, accounts=Unknown("Neon: 403")))
    assert found.refusals == ()
    assert "which roles and databases a restore changes can't be told: Neon: 403" in found.warnings


# The login


@pytest.mark.parametrize("kind", ["role", "database"])
def test_a_moment_before_hyperdrives_role_or_database_is_refused_before_anything_is_made(kind):
    role, database = (
        account(name, YOUNG if of == kind else OLD) for of, name in (("role", "app"), ("database", "tech961"))
    )
    observed = knowing(listed("br-main", (role,), (database,)))
    (refusal,) = plan(ASKED, observed).refusals
    assert refusal.rule == "login-too-young"
    name = "app" if kind == "role" else "tech961"
    assert refusal.message.startswith(f'{kind} "{name}" was created at {YOUNG}, and did not exist at {RESTORE.to}: ')
    assert f"ask for a moment after {YOUNG}" in refusal.hint
    lifted = replace(ASKED, lift=(Lift(Liftable.LOGIN_TOO_YOUNG, "made by SQL"),))
    assert plan(lifted, observed).steps
    assert plan(ASKED, replace(observed, branches=MADE.branches)).steps  # its own login tells


def test_a_role_that_is_as_old_as_its_branch_or_as_its_reset_may_be_older():
    """Neon may note what came with a branch when it makes the branch."""
    child = changed(WORLD, "main", parent_id="br-root", created_at=hours_ago(24.01))
    noted = knowing(listed("br-main", (account("app", hours_ago(23.95)),)), observed=child)
    assert rules(ASKED, noted) == []
    reset = changed(WORLD, "main", last_reset_at=hours_ago(24.01))
    assert rules(ASKED, knowing(listed("br-main", (account("app", hours_ago(23.95)),)), observed=reset)) == []
    assert rules(ASKED, knowing(listed("br-main", (account("app", hours_ago(23.95)),)))) == ["login-too-young"]


# Once the branch exists


@pytest.mark.parametrize("method", Method)
def test_what_the_two_lists_say_is_said_exactly(method):
    observed = knowing(
        listed("br-main", ("app", "reporting"), ("tech961", "stats")),
        listed(CANDIDATE.id, ("app", "former"), ("tech961", "old")),
        observed=MADE,
    )
    assert said(asking(RESTORE, method=method), observed) == [
        f'role "reporting" is not on "{CANDIDATE.name}", and will not exist',
        f'role "former" comes back: it is on "{CANDIDATE.name}"',
        f'database "stats" is not on "{CANDIDATE.name}", and will not exist',
        f'database "old" comes back: it is on "{CANDIDATE.name}"',
    ]


def test_what_a_restore_changes_is_known_once_its_branch_can_be_compared_and_not_when_it_is_live():
    both = (listed("br-main", ("app", "reporting")), listed(CANDIDATE.id, ("app", "former")))
    found = changes(ASKED, knowing(*both, observed=MADE))
    assert [str(each) for each in found] == ['role "reporting" is gone', 'role "former" is back']
    assert changes(ASKED, knowing(both[0], observed=MADE)) is None
    assert changes(ASKED, knowing(both[1], observed=MADE)) is None
    assert changes(ASKED, replace(MADE, accounts=Unknown("403"))) is None
    assert changes(ASKED, knowing(*both)) is None
    assert changes(DESIRED, knowing(*both)) is None
    assert changes(ASKED, replace(MADE, branches=Unknown("403"))) is None
    assert changes(ASKED, replace(MADE, branches=())) is None
    assert changes(ASKED, knowing(*both, observed=killed_after(ASKED, MADE, "RenameBranch"))) is None


def test_what_differs_from_what_was_replaced_is_said_by_both_names():
    restored = after(ASKED, WORLD)
    lineage = plan(ASKED, restored).lineage
    held, live = lineage.newest.branch, lineage.live.branch
    both = (listed(held.id, ("app", "reporting")), listed(live.id, ("app", "former")))
    assert since(knowing(*both, observed=restored), lineage) == (
        f'role "reporting" is on "{held.name}", and not on "main"',
        f'role "former" is on "main", and not on "{held.name}"',
    )
    assert since(knowing(both[0], observed=restored), lineage) == ()
    assert since(replace(restored, accounts=Unknown("403")), lineage) == (
        "which roles and databases differ from what was replaced can't be told: 403",
    )
    assert since(WORLD, plan(DESIRED, WORLD).lineage) == ()
    assert replaced(plan(ASKED, killed_after(ASKED, WORLD, "RenameBranch")).lineage) is None


def test_an_undo_is_compared_with_what_is_held():
    restored = after(ASKED, WORLD)
    live = named(restored.branches, "main")
    observed = knowing(listed(live.id, ("app", "since")), listed("br-main", ("app",)), observed=restored)
    (told,) = said(DESIRED, observed)
    assert told.startswith('role "since" is not on "main.held.origin.before.')


def test_a_timeline_that_has_failed_is_not_what_is_compared_but_what_is_put_back():
    desired = asking(RESTORE, GATED)
    left, _ = run(desired, WORLD, steps=[s.wire_name for s in plan(desired, WORLD).steps].index("VerifyLive") + 2)
    failed = next(each for each in left.branches if ".failed." in each.name)
    observed = knowing(listed("br-main", ("app",)), listed(failed.id, ("app", "other")), observed=left)
    assert said(desired, observed) == []
    assert worth_reading(desired, left.branches) == ()


# What is worth a request


def test_only_a_pending_restore_is_worth_reading_roles_for():
    assert worth_reading(DESIRED, WORLD.branches) == ()
    assert worth_reading(ASKED, WORLD.branches) == ("br-main",)
    assert worth_reading(ASKED, MADE.branches) == ("br-main", CANDIDATE.id)
    assert worth_reading(ASKED, (MAIN, replace(CANDIDATE, ready=False))) == ()
    assert worth_reading(ASKED, Unknown("403")) == ()
    assert worth_reading(ASKED, (replace(MAIN, name="other"),)) == ()
    assert worth_reading(asking(Restore(Instant(0))), WORLD.branches) == ()
    held = f"main.held.origin.before.{TIMELINE}"
    assert worth_reading(ASKED, (replace(MAIN, name=held), CANDIDATE)) == ()
    observed = knowing(listed("br-main", ("a",)), listed(CANDIDATE.id), observed=MADE)
    swapping = changed(observed, "main", name=held)
    assert said(ASKED, swapping) == []


def test_an_undo_of_what_can_not_be_made_any_more_is_worth_no_request():
    gone = after(ASKED, WORLD)
    branches = tuple(
        replace(each, name=f"main.held.{Timeline(hours_ago(40))}.before.{TIMELINE}") if each.name != "main" else each
        for each in gone.branches
    )
    assert worth_reading(DESIRED, branches) == ()
