"""What others are at, and what other files claim, is refused with its name and numbers."""

from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.core.model.observed import Claim, Operation
from reconciler.core.plan.plan import plan
from reconciler.core.rules.context.concurrency import conflicts, in_the_way
from reconciler.core.rules.context.planning import Blocked
from reconciler.core.rules.next_steps import next_steps
from tests.core.files import ASKED_IN_PLACE, BY_BRANCH, DESIRED, NOW
from tests.core.plans import after, kinds, planned, rules, taken_until, warnings
from tests.core.worlds import PROJECT, SEEN, WORLD, with_main

OURS = Claim("production", "p", "main", (("", "api"),))
PROTECTED = with_main(protected=True)


def with_operations(observed, *operations):
    """The world in which Neon has been at work: what, on which branch, and for how many seconds."""
    found = (Operation(name, branch, NOW.before(timedelta(seconds=age))) for name, branch, age in operations)
    return replace(observed, operations=tuple(found))


def running(seconds, branch="br-main", observed=WORLD):
    return with_operations(observed, ("create_branch", branch, seconds))


TWO = with_operations(WORLD, ("new", "br-gone", 1), ("old", "br-gone", 200))


@pytest.mark.parametrize(
    ("observed", "words"),
    [
        (running(300), '(create_branch on branch "main") for 5 min; reconciler waits 2 min'),
        (TWO, '(old on branch "br-gone")'),
        (replace(running(3), waited=timedelta(minutes=2)), "for 2 min;"),
    ],
    ids=["for too long", "the oldest of two", "waited for in vain"],
)
def test_a_running_operation_is_refused(observed, words):
    (refusal,) = plan(BY_BRANCH, observed).refusals
    assert (refusal.rule, words in refusal.message, "Neon Console" in refusal.hint) == ("operation-running", True, True)


def test_an_operation_that_just_began_is_awaited():
    assert rules(BY_BRANCH, running(3)) == []
    assert warnings(BY_BRANCH, running(3), "create_branch for 3.0 s: apply waits 2 min at most for its end")


def test_without_writes_operations_do_not_matter():
    assert plan(DESIRED, running(3000)).in_sync
    assert in_the_way(DESIRED, running(1), ()) == ()


def test_an_operation_on_our_candidate_is_ours():
    made = after(BY_BRANCH, WORLD)
    (candidate,) = [each for each in made.branches if each.mark is not None]
    made = replace(made, branches=tuple(replace(each, default=False) for each in made.branches))
    observed = running(3000, candidate.id, made)
    assert (rules(BY_BRANCH, observed), bool(planned(BY_BRANCH, observed))) == ([], True)


FOREIGN = {"CreateBranch", "UnprotectBranch", "RestoreBranch"}


def test_an_operation_is_ours_after_the_restore():
    """Before that it may be anybody's, and what is asked then is the restore itself, which must not come twice."""
    observed, steps = PROTECTED, plan(ASKED_IN_PLACE, PROTECTED).steps
    for step in steps:
        found = next_steps(ASKED_IN_PLACE, running(300, observed.branches[0].id, observed))
        assert isinstance(found, Blocked) == (kinds([step])[0] in FOREIGN)
        observed = step.predict(observed)
    assert "ProtectBranch" in kinds(steps)


def test_an_operation_on_the_kept_branch_is_ours():
    observed = taken_until(ASKED_IN_PLACE, PROTECTED, "RestoreBranch")
    (kept,) = [each for each in observed.branches if each.name.endswith(".in-place")]
    assert kinds(next_steps(ASKED_IN_PLACE, running(300, kept.id, observed))) == ["ProtectBranch"]
    other = replace(kept, id="br-other", name="preview", parent_id=None)
    observed = replace(observed, branches=(*observed.branches, other))
    assert isinstance(next_steps(ASKED_IN_PLACE, running(300, other.id, observed)), Blocked)


def test_the_digest_ignores_operations_and_other_files():
    other = replace(running(1), claims=(Claim("staging", "other", "main"),))
    assert plan(BY_BRANCH, WORLD).digest == plan(BY_BRANCH, other).digest


# What other files claim


@pytest.mark.parametrize("desired", [DESIRED, BY_BRANCH], ids=["in sync", "restore"])
@pytest.mark.parametrize(
    ("claim", "rule"),
    [
        (Claim("staging", PROJECT.id, "main"), "branch-claimed-twice"),
        (Claim("staging", "elsewhere", "main", (("", SEEN.script),)), "worker-claimed-twice"),
    ],
)
def test_what_two_files_claim_is_refused(desired, claim, rule):
    (refusal,) = plan(desired, replace(WORLD, claims=(claim,))).refusals
    assert refusal.rule == rule
    assert "production.jsonc and staging.jsonc both" in refusal.message


def in_account(name, account):
    return Claim(name, name, "main", ((account, "api"),))


@pytest.mark.parametrize(
    ("ours", "theirs", "claimed"),
    [
        (OURS, Claim("b", "p", "dev"), []),
        (OURS, Claim("b", "q", "main"), []),
        (OURS, Claim("b", "p", "dev", (("", "api-staging"),)), []),
        (in_account("a", "1"), in_account("b", "2"), []),
        *(
            (in_account("a", a), in_account("b", b), ["worker"])
            for a, b in (("1", "1"), ("1", ""), ("", "2"), ("", ""))
        ),
        (OURS, replace(OURS, environment="staging"), ["branch", "worker"]),
    ],
)
def test_two_claims_conflict_by(ours, theirs, claimed):
    assert [f"{each}-claimed-twice" for each in claimed] == [each.rule for each in conflicts(ours, theirs)]
    assert list(conflicts(ours, theirs)) == list(conflicts(theirs, ours))
