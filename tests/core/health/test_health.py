"""What is judged of a set-up, from what was read of it."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.core.health.checks import GitRemote, LeaseSign, Missing, SetUp, State, Unneeded, Wrong
from reconciler.core.health.diagnosis import diagnose, state_for
from reconciler.core.model.desired import Method, Restore, Verify, Waivable, Waiver
from reconciler.core.model.hyperdrive import Strategy
from reconciler.core.model.observed import Annotation, Claim, Operation, Unbound, Unknown
from reconciler.core.values.timeline import Timeline, candidate_name
from tests.core.files import DESIRED, NOW, WORKER, asking, hours_ago
from tests.core.plans import after
from tests.core.rules.test_retention import ENDED
from tests.core.worlds import CONFIG, MAIN, PROJECT, SEEN, WORLD, with_main

HELD = Unneeded("not asked")
GOOD = SetUp(
    desired=DESIRED,
    observed=WORLD,
    keys=(("NEON_API_KEY", None),),
    bindings=((WORKER, "c0"),),
    login="role app",
    wrangler=HELD,
    node=HELD,
    remote=GitRemote("origin", "main"),
    lease=LeaseSign("refs/reconciler/lease/production"),
    protected=True,
)
REPOINT = replace(GOOD, desired=replace(DESIRED, hyperdrive=replace(DESIRED.hyperdrive, strategy=Strategy.REPOINT)))
IN_PLACE = replace(GOOD, desired=asking(None, method=Method.IN_PLACE))


def observed(setup=GOOD, **changes):
    return replace(setup, observed=replace(setup.observed, **changes))


def lifting(setup, guard):
    return replace(setup, desired=replace(setup.desired, waivers=(Waiver(guard, "they said so"),)))


def others(count, **changes):
    return tuple(
        replace(MAIN, id=f"br-{n}", name=f"dev-{n}", default=False, endpoint=None, **changes) for n in range(count)
    )


def found(setup, name):
    """The state of a check, and what it says."""
    diagnosis = diagnose(setup)
    (check,) = [each for each in diagnosis.checks if each.name == name]
    return state_for(check, diagnosis.method), f"{check.seen} -> {check.remedy}"


def configs(count):
    return (CONFIG, *(replace(CONFIG, id=f"x{n}", name=f"x{n}", host=f"x{n}.example") for n in range(count - 1)))


def running(**ago):
    return (Operation("create_branch", "br-other", NOW.before(timedelta(**ago))),)


WANTED = Timeline(hours_ago(1))
SWAPPING = (
    replace(MAIN, name=f"main.held.origin.before.{WANTED}"),
    replace(
        MAIN, id="br-new", name=candidate_name("main", WANTED), parent_id=MAIN.id, default=False, endpoint=None,
        mark=Annotation("production", WANTED),
    ),
)  # fmt: skip
CHILD = with_main(parent_id="br-root")
FULL_OF_ROOTS = {"project": replace(PROJECT, plan="free_v3"), "branches": (MAIN, *others(2))}
IN_LIVE = ((replace(WORKER, environment="live"), "c9"),)
CASES = [
    (GOOD, "primary", State.OK, "carries origin"),
    (GOOD, "restore in place", State.OK, "root branch"),
    (observed(project=replace(PROJECT, history=timedelta(hours=1))), "history window", State.WARNING, "only 1 h"),
    (observed(project=replace(PROJECT, history=timedelta())), "history window", State.FAILED, "keeps no history"),
    (replace(GOOD, observed=with_main(name="other")), "primary", State.FAILED, 'no branch is named "main"'),
    (observed(branches=SWAPPING), "primary", State.WARNING, "a run was interrupted.*-> run reconciler apply"),
    (observed(project=Unknown("no answer")), "Neon project", State.UNKNOWN, "no answer"),
    (observed(branches=Unknown("no answer")), "primary", State.UNKNOWN, "no answer"),
    (observed(branches=Unknown("no answer")), "Hyperdrive origin", State.UNKNOWN, "not known without the primary"),
    (replace(GOOD, observed=with_main(expires_at=NOW)), "primary", State.FAILED, "expires at"),
    (replace(GOOD, observed=CHILD), "restore in place", State.WARNING, "br-root is its parent"),
    (observed(project=replace(PROJECT, branches_limit=None)), "branches left", State.OK, "does not report"),
    (observed(branches=(MAIN, *others(22))), "branches left", State.WARNING, "23 of 25"),
    (observed(branches=(MAIN, *others(23))), "branches left", State.WARNING, "has 24 branches"),
    (observed(IN_PLACE, branches=(MAIN, *others(23))), "branches left", State.FAILED, "has 24 branches"),
    (observed(branches=(MAIN, *others(24))), "branches left", State.FAILED, "has 25 branches"),
    (lifting(observed(branches=(MAIN, *others(24))), Waivable.BRANCH_LIMIT), "branches left", State.WARNING, "0: 25"),
    (observed(project=replace(PROJECT, plan="")), "root branches left", State.OK, "no limit is known"),
    (observed(**FULL_OF_ROOTS), "root branches left", State.WARNING, "has 3 root branches"),
    (observed(IN_PLACE, **FULL_OF_ROOTS), "root branches left", State.FAILED, "has 3 root branches"),
    (observed(operations=Unknown("no answer")), "Neon at work", State.UNKNOWN, "no answer"),
    (observed(operations=running(seconds=30)), "Neon at work", State.WARNING, "create_branch .* for 30 s"),
    (observed(operations=running(hours=3)), "Neon at work", State.FAILED, "for 3 h.*-> .*refuses"),
    (lifting(observed(operations=running(hours=3)), Waivable.OPERATION_RUNNING), "Neon at work", State.WARNING, "3 h"),
    (replace(GOOD, login=HELD), "login", State.WARNING, "not asked -> name hyperdrive"),
    (replace(GOOD, login=Wrong("nobody")), "login", State.FAILED, "nobody"),
    (replace(GOOD, login=Unknown("silence")), "login", State.UNKNOWN, "silence"),
    (observed(configs=Unknown("no answer")), "Hyperdrive configs", State.UNKNOWN, "no answer"),
    (observed(configs=configs(10)), "Hyperdrive configs", State.WARNING, "10 of 25"),
    (observed(configs=configs(25)), "Hyperdrive configs", State.FAILED, "25"),
    (observed(REPOINT, configs=configs(25)), "Hyperdrive configs", State.OK, "25 are there"),
    (observed(IN_PLACE, configs=configs(25)), "Hyperdrive configs", State.WARNING, "25"),
    (observed(configs=()), "Hyperdrive origin", State.WARNING, 'none is named "tech961"'),
    (replace(GOOD, observed=with_main(endpoint=None)), "Hyperdrive origin", State.UNKNOWN, "has no compute"),
    (observed(configs=(replace(CONFIG, user="other"),)), "Hyperdrive origin", State.FAILED, "user is other"),
    (replace(GOOD, bindings=((WORKER, Unbound("only OTHER")),)), "binding HYPERDRIVE", State.FAILED, "only OTHER"),
    (replace(GOOD, bindings=((WORKER, Unknown("no file")),)), "binding HYPERDRIVE", State.UNKNOWN, "no file"),
    (replace(GOOD, bindings=IN_LIVE), "binding HYPERDRIVE in env.live", State.WARNING, "config c9"),
    (observed(workers=(Unknown("no answer"),)), "Worker of wrangler.jsonc", State.UNKNOWN, "no answer"),
    (observed(workers=(replace(SEEN, deployed=()),)), "Worker tech961-api", State.FAILED, "no deployment"),
    (replace(GOOD, keys=(("NEON_API_KEY", Wrong("not set")),)), "NEON_API_KEY", State.FAILED, "not set"),
    (replace(GOOD, wrangler="4.0.0"), "wrangler", State.OK, "4.0.0"),
    (replace(GOOD, wrangler="3.114.1"), "wrangler", State.FAILED, "too old"),
    (replace(GOOD, wrangler=Wrong("none")), "wrangler", State.FAILED, "none"),
    (replace(GOOD, wrangler="4.86.0", node="20.3.0"), "Node", State.OK, "20.3.0"),
    (replace(GOOD, wrangler="4.87.0", node="20.3.0"), "Node", State.FAILED, "needs 22"),
    (replace(GOOD, wrangler=HELD, node="18.1.0"), "Node", State.FAILED, "wrangler 4 needs 20"),
    (replace(GOOD, node=Wrong("none")), "Node", State.FAILED, "none"),
    (replace(GOOD, remote=HELD), "Git remote", State.OK, "not asked"),
    (replace(GOOD, remote=Missing("no repository", "git init")), "Git remote", State.WARNING, "-> git init"),
    (replace(GOOD, remote=Missing("no remote", "")), "Git remote", State.WARNING, "-> git remote add"),
    (replace(GOOD, remote=Unknown("silence")), "Git remote", State.UNKNOWN, "silence"),
    (replace(GOOD, lease=HELD), "lease", State.OK, "not asked"),
    (replace(GOOD, lease=Unknown("silence")), "lease", State.UNKNOWN, "silence"),
    (replace(GOOD, lease=LeaseSign("refs/x", "Ada is at work")), "lease", State.WARNING, "Ada is at work"),
    (replace(GOOD, protected=HELD), "branch protection", State.OK, "not asked"),
    (replace(GOOD, protected=Unknown("silence")), "branch protection", State.UNKNOWN, "silence"),
    (replace(GOOD, protected=False), "branch protection", State.WARNING, "main is not protected"),
    (replace(GOOD, protected=False, remote=HELD), "branch protection", State.WARNING, "the default branch is not"),
    (GOOD, "desired state", State.OK, "in sync, origin is live"),
    (replace(GOOD, desired=asking(Restore(hours_ago(1)))), "desired state", State.WARNING, "steps away, origin is"),
    (replace(GOOD, desired=asking(Restore(hours_ago(900)))), "desired state", State.FAILED, "older than the history"),
    (observed(branches=Unknown("no answer")), "desired state", State.UNKNOWN, "unknown until"),
    (replace(GOOD, observed=with_main(created_at=NOW)), "a restore", State.WARNING, "holds began at"),
    (replace(GOOD, observed=with_main(last_reset_at=NOW)), "a restore", State.WARNING, "holds began at .* a minute"),
    (observed(claims=(Claim("staging", PROJECT.id, "main"),)), "a restore", State.FAILED, "both claim"),
]  # fmt: skip


@pytest.mark.parametrize(("setup", "name", "state", "said"), CASES)
def test_a_check_has_a_state_and_numbers(setup, name, state, said):
    judged, text = found(setup, name)
    assert judged is state
    assert re.search(said, text), text


def test_without_hyperdrive_nothing_is_said_of_cloudflare():
    desired = replace(DESIRED, hyperdrive=None, workers=(), verify=Verify())
    names = [
        each.name
        for each in diagnose(observed(replace(GOOD, desired=desired, bindings=()), workers=(), configs=())).checks
    ]
    assert not [name for name in names if name.startswith(("Hyperdrive", "binding", "Worker"))]


def test_the_other_method_stops_only_itself():
    diagnosis = diagnose(replace(GOOD, observed=with_main(unrestorable="a child")))
    assert diagnosis.is_good
    assert diagnosis.verdict == 'a restore would work today by "branch", as the file says ("in-place" would fail)'
    diagnosis = diagnose(replace(IN_PLACE, observed=with_main(unrestorable="a child")))
    assert not diagnosis.is_good
    assert diagnosis.verdict == (
        'a restore would fail today by "in-place", as the file says; in its way: restore in place. '
        'By "branch" it would work'
    )


def test_after_an_undo_a_restore_needs_from():
    restored = after(asking(Restore(hours_ago(24)), GOOD.desired), GOOD.observed)
    undone = replace(after(GOOD.desired, restored), at=NOW.before(timedelta(hours=-2)))
    setup = replace(GOOD, observed=undone)
    diagnosis = diagnose(setup)
    assert diagnosis.is_good
    state, said = found(setup, "a restore")
    assert (state, 'it needs "from": can\'t determine which timeline was live' in said) == (State.WARNING, True)
    young = replace(undone, accounts=(), project=replace(PROJECT, history=timedelta()))
    assert not diagnose(replace(setup, observed=young)).is_good


def test_one_cause_is_said_once():
    gone = Unknown("not set", "make a key")
    setup = observed(
        replace(GOOD, keys=(("NEON_API_KEY", Wrong(gone.reason, gone.hint)),)), project=gone, branches=gone
    )
    diagnosis = diagnose(setup)
    assert [(each.name, each.seen) for each in diagnosis.checks[:3]] == [
        ("NEON_API_KEY", "not set"),
        ("Neon project", "not known: see NEON_API_KEY"),
        ("primary", "not known: see NEON_API_KEY"),
    ]
    assert diagnosis.verdict.endswith("in its way: NEON_API_KEY")


def test_the_first_unknown_says_an_unknown_cause():
    silence = Unknown("no answer came")
    diagnosis = diagnose(observed(project=silence, branches=silence))
    assert [each.seen for each in diagnosis.checks[:2]] == ["no answer came", "not known: see Neon project"]


HELD_TOO_LONG = [
    ("branches left", {"branches_limit": 3}, State.WARNING, "1: 2 of 3 are there, apply deletes 1 of these"),
    ("branches left", {"branches_limit": 20}, State.OK, "18: 2 of 20 are there, apply deletes 1 of these"),
    ("branches left", {"branches_limit": None}, State.OK, "2 branches, apply deletes 1 of these; Neon does not"),
    ("branches left", {"branches_limit": 1}, State.FAILED, "the project has 2 branches, its limit is 1"),
    ("root branches left", {}, State.OK, "24: 1 of 25 of plan scale are there"),
    ("Hyperdrive configs", {}, State.OK, "2 of 25 on Workers Paid are there, of 10 on Free, apply deletes 1 of these"),
]


@pytest.mark.parametrize(("name", "project", "state", "said"), HELD_TOO_LONG)
def test_what_is_held_too_long_is_room(name, project, state, said):
    setup = replace(GOOD, observed=replace(ENDED, project=replace(PROJECT, **project)))
    seen = found(setup, name)
    assert (seen[0], seen[1].startswith(said)) == (state, True), seen


def test_an_account_is_full_only_of_what_stays():
    setup = replace(GOOD, observed=replace(ENDED, configs=(*ENDED.configs, *configs(24)[1:])))
    assert found(setup, "Hyperdrive configs")[0] is State.WARNING
    more = replace(setup, observed=replace(ENDED, configs=(*ENDED.configs, *configs(25)[1:])))
    state, said = found(more, "Hyperdrive configs")
    assert (state, "has 26 Hyperdrive configs" in said) == (State.FAILED, True)
