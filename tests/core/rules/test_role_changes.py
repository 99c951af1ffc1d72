"""A restore rewinds roles and databases as well: what is known of that is told before, and nobody is locked out."""

from dataclasses import replace

import pytest

from reconciler.core.model.desired import Method, Restore, Waivable, Waiver
from reconciler.core.model.observed import Unknown, named
from reconciler.core.model.roles_and_databases import RoleOrDatabase, RolesAndDatabases
from reconciler.core.plan.plan import plan
from reconciler.core.rules.restore.role_changes import branches_to_read, changes, replaced, since
from reconciler.core.values.instant import Instant
from reconciler.core.values.timeline import ORIGIN, Timeline
from tests.core.files import (
    BY_BRANCH,
    CANDIDATE,
    CREATED,
    DESIRED,
    HELD,
    NOW,
    RESTORE,
    RESTORED,
    asking,
    gated,
    hours_ago,
)
from tests.core.plans import after, killed_after, lineage_of, planned, rules, warnings
from tests.core.rules.test_last_check import run
from tests.core.worlds import MADE, MAIN, WORLD, changed, with_main

PAIR = replace(WORLD, branches=(MAIN, MADE))
OLD, YOUNG = CREATED, hours_ago(2)
IN_PLACE = asking(RESTORE, method=Method.IN_PLACE)
LIVE = after(BY_BRANCH, WORLD)


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
    return [each for each in warnings(desired, observed) if each.startswith(("role ", "database ", "and ", "which"))]


PASSWORD = knowing(listed("br-main", (account("app", OLD, YOUNG),)))
MANY = knowing(listed("br-main", ("app", *(account(f"r{number:02}", YOUNG) for number in range(13)))))

# Before the branch of the moment exists


def test_what_is_younger_than_the_moment_is_named():
    observed = knowing(listed("br-main", ("app", account("reporting", YOUNG)), ("tech961", account("stats", YOUNG))))
    when = f"was created at {YOUNG}, after {RESTORE.to}, and will not exist: a restore rewinds roles and databases too"
    assert said(BY_BRANCH, observed) == [f'role "reporting" {when}', f'database "stats" {when}']


@pytest.mark.parametrize(
    ("desired", "observed", "words"),
    [
        (
            BY_BRANCH,
            PASSWORD,
            f'role "app" was changed at {YOUNG}, after {RESTORE.to}, most likely its password: Hyper',
        ),
        (IN_PLACE, PASSWORD, "as far as is known, a restore in place keeps it"),
        (IN_PLACE, changed(PASSWORD, "main", protected=True), "a restore in place keeps it"),
    ],
    ids=["by branch", "in place", "in place, protected"],
)
def test_a_password_younger_than_the_moment_is_named(desired, observed, words):
    (told,) = said(desired, observed)
    assert words in told


def test_of_many_only_the_first_are_named():
    told = said(BY_BRANCH, MANY)
    assert (len(told), told[-1]) == (11, "and 3 more like the last")


SOURCE = asking(replace(RESTORE, source=ORIGIN))
EARLIER = after(asking(Restore(hours_ago(30), "a")), WORLD)


def test_roles_unknown_to_the_source_are_named():
    live = named(EARLIER.branches, "main")
    both = listed(live.id, ("app", account("new", NOW))), listed(MAIN.id)
    (told,) = said(SOURCE, knowing(*both, observed=EARLIER))
    assert told.startswith('role "new" was created at ')


def test_times_on_a_preserved_branch_say_nothing():
    in_place = asking(Restore(hours_ago(30), "a"), method=Method.IN_PLACE)
    restored = after(in_place, WORLD)
    (held,) = (each.branch for each in lineage_of(restored).held)
    lists = listed("br-main"), listed(held.id, (account("app", NOW),), (account("tech961", NOW),))
    desired, observed = asking(SOURCE.primary.restore, in_place), knowing(*lists, observed=restored)
    assert warnings(
        desired,
        observed,
        f'"{held.name}" was created by a restore: which roles and databases existed is not known yet',
    )
    assert "login-too-young" not in rules(desired, observed)


QUIET = {
    "all is older": (BY_BRANCH, knowing(listed("br-main"))),
    "nothing was read": (BY_BRANCH, WORLD),
    "nothing is pending": (DESIRED, PASSWORD),
    "another branch was read": (BY_BRANCH, knowing(listed("br-other"))),
    "every role has a new password": (BY_BRANCH, changed(PASSWORD, "main", protected=True)),
    "the names are being swapped": (
        BY_BRANCH, changed(knowing(listed("br-main", ("a",)), listed(MADE.id), observed=PAIR), "main", name=HELD)
    ),
}  # fmt: skip


@pytest.mark.parametrize(("desired", "observed"), QUIET.values(), ids=QUIET)
def test_nothing_is_said_where(desired, observed):
    assert said(desired, observed) == []


def test_unread_roles_stop_no_restore():
    observed = replace(WORLD, accounts=Unknown("Neon: 403"))
    assert rules(BY_BRANCH, observed) == []
    assert "which roles and databases a restore changes is unknown: Neon: 403" in warnings(BY_BRANCH, observed)


# The login


@pytest.mark.parametrize(("kind", "name"), [("role", "app"), ("database", "tech961")])
def test_a_moment_before_the_login_existed_is_refused(kind, name):
    role, database = (account(each, YOUNG if each == name else OLD) for each in ("app", "tech961"))
    observed = knowing(listed("br-main", (role,), (database,)))
    (refusal,) = plan(BY_BRANCH, observed).refusals
    assert refusal.rule == "login-too-young"
    assert refusal.message.startswith(f'{kind} "{name}" was created at {YOUNG} and did not exist at {RESTORE.to}: ')
    assert f"ask for a moment after {YOUNG}" in refusal.hint
    waived = replace(BY_BRANCH, waivers=(Waiver(Waivable.LOGIN_TOO_YOUNG, "made by SQL"),))
    assert planned(waived, observed)
    assert planned(BY_BRANCH, replace(observed, branches=PAIR.branches)), "its own login decides"


NOTED = listed("br-main", (account("app", hours_ago(23.95)),))


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"parent_id": "br-root", "created_at": hours_ago(24.01)}, []),
        ({"last_reset_at": hours_ago(24.01)}, []),
        ({}, ["login-too-young"]),
    ],
    ids=["its branch is as old", "its reset is as old", "it is younger"],
)
def test_a_role_may_be_older_than_listed(changes, refused):
    """Neon may note what came with a branch when it makes the branch."""
    assert rules(BY_BRANCH, knowing(NOTED, observed=with_main(**changes))) == refused


# Once the branch exists

TWO = listed("br-main", ("app", "reporting")), listed(MADE.id, ("app", "former"))


@pytest.mark.parametrize("desired", [BY_BRANCH, IN_PLACE], ids=["branch", "in place"])
def test_two_lists_are_compared_exactly(desired):
    observed = knowing(
        listed("br-main", ("app", "reporting"), ("tech961", "stats")),
        listed(MADE.id, ("app", "former"), ("tech961", "old")),
        observed=PAIR,
    )
    assert said(desired, observed) == [
        f'role "reporting" is not on "{CANDIDATE}", and will not exist',
        f'role "former" comes back: it is on "{CANDIDATE}"',
        f'database "stats" is not on "{CANDIDATE}", and will not exist',
        f'database "old" comes back: it is on "{CANDIDATE}"',
    ]


def test_changes_are_known_once_both_are_read():
    found = changes(BY_BRANCH, knowing(*TWO, observed=PAIR))
    assert [str(each) for each in found] == ['role "reporting" is gone', 'role "former" is back']


UNCOMPARED = {
    "the candidate unread": (BY_BRANCH, knowing(TWO[0], observed=PAIR)),
    "the primary unread": (BY_BRANCH, knowing(TWO[1], observed=PAIR)),
    "nothing read": (BY_BRANCH, replace(PAIR, accounts=Unknown("403"))),
    "no candidate": (BY_BRANCH, knowing(*TWO)),
    "nothing asked": (DESIRED, knowing(*TWO)),
    "branches unread": (BY_BRANCH, replace(PAIR, branches=Unknown("403"))),
    "no branches": (BY_BRANCH, replace(PAIR, branches=())),
    "a swap": (BY_BRANCH, knowing(*TWO, observed=killed_after(BY_BRANCH, PAIR, "RenameBranch"))),
}


@pytest.mark.parametrize(("desired", "observed"), UNCOMPARED.values(), ids=UNCOMPARED)
def test_changes_are_not_known_where(desired, observed):
    assert changes(desired, observed) is None


def test_what_differs_since_is_said_by_both_names():
    lineage = lineage_of(LIVE)
    held, live = lineage.newest.branch, lineage.live.branch
    both = listed(held.id, ("app", "reporting")), listed(live.id, ("app", "former"))
    assert since(knowing(*both, observed=LIVE), lineage) == (
        f'role "reporting" is on "{held.name}", and not on "main"',
        f'role "former" is on "main", and not on "{held.name}"',
    )
    assert since(knowing(both[0], observed=LIVE), lineage) == ()


def test_unread_differences_since_are_said():
    assert since(replace(LIVE, accounts=Unknown("403")), lineage_of(LIVE)) == (
        "which roles and databases the restore changed is unknown: 403",
    )


def test_without_a_replacement_nothing_differs():
    assert since(WORLD, lineage_of(WORLD)) == ()
    assert replaced(lineage_of(killed_after(BY_BRANCH, WORLD, "RenameBranch"))) is None


def test_an_undo_is_compared_with_what_is_held():
    live = named(LIVE.branches, "main")
    (told,) = said(DESIRED, knowing(listed(live.id, ("app", "since")), listed("br-main"), observed=LIVE))
    assert told.startswith('role "since" is not on "main.held.origin.before.')


def test_a_failed_timeline_is_not_compared():
    desired = gated(BY_BRANCH)
    left, _ = run(desired, WORLD, steps=planned(desired, WORLD).index("VerifyLive") + 2)
    failed = next(each for each in left.branches if ".failed." in each.name)
    assert said(desired, knowing(listed("br-main"), listed(failed.id, ("app", "other")), observed=left)) == []
    assert branches_to_read(desired, left.branches) == ()


# What is worth a request

GONE = tuple(
    replace(each, name=f"main.held.{Timeline(hours_ago(40))}.before.{RESTORED}") if each.name != "main" else each
    for each in LIVE.branches
)
READ = {
    "nothing asked": (DESIRED, WORLD.branches, ()),
    "a restore": (BY_BRANCH, WORLD.branches, ("br-main",)),
    "its candidate": (BY_BRANCH, PAIR.branches, ("br-main", MADE.id)),
    "its candidate not ready": (BY_BRANCH, (MAIN, replace(MADE, ready=False)), ()),
    "branches unread": (BY_BRANCH, Unknown("403"), ()),
    "no primary": (BY_BRANCH, (replace(MAIN, name="other"),), ()),
    "no source": (asking(Restore(Instant(0))), WORLD.branches, ()),
    "a swap": (BY_BRANCH, (replace(MAIN, name=HELD), MADE), ()),
    "an undo of what is gone": (DESIRED, GONE, ()),
}


@pytest.mark.parametrize(("desired", "branches", "read"), READ.values(), ids=READ)
def test_roles_are_read_for(desired, branches, read):
    assert branches_to_read(desired, branches) == read
