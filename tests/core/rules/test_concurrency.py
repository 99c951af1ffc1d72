"""What others are at, and what other files claim, is refused with its name and numbers."""

from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.core.model.desired import Method, Restore
from reconciler.core.model.observed import Claim, Operation
from reconciler.core.plan.plan import plan
from reconciler.core.rules.context.concurrency import conflicts, in_the_way
from reconciler.core.rules.context.planning import Blocked
from reconciler.core.rules.next_steps import next_steps
from reconciler.core.steps.branch import CreateBranch
from reconciler.core.steps.primary import ProtectBranch, RestoreBranch, UnprotectBranch
from tests.core.files import DESIRED, NOW, asking, hours_ago
from tests.core.plans import after
from tests.core.worlds import PROJECT, SEEN, WORLD, with_main

RESTORE = Restore(hours_ago(24), "inc-42")
OURS = Claim("production", "p", "main", (("", "api"),))


def seconds_ago(seconds):
    return NOW.before(timedelta(seconds=seconds))


def running(seconds, branch="br-main"):
    return replace(WORLD, operations=(Operation("create_branch", branch, seconds_ago(seconds)),))


def test_an_operation_that_has_lasted_too_long_is_named_with_its_branch_and_its_age():
    (refusal,) = plan(asking(RESTORE), running(300)).refusals
    assert refusal.rule == "operation-running"
    assert 'for 5 min on something that is not ours (create_branch on branch "main"), and 2 min' in refusal.message
    assert "Neon Console" in refusal.hint


def test_of_many_operations_the_oldest_is_named_and_a_branch_that_is_gone_by_its_id():
    operations = [Operation(name, "br-gone", seconds_ago(age)) for name, age in (("new", 1), ("old", 200))]
    (refusal,) = plan(asking(RESTORE), replace(WORLD, operations=tuple(operations))).refusals
    assert '(old on branch "br-gone")' in refusal.message


def test_an_operation_that_has_just_begun_is_a_warning_and_becomes_a_refusal_when_it_was_waited_for_in_vain():
    young = running(3)
    assert plan(asking(RESTORE), young).refusals == ()
    assert "create_branch for 3.0 s: its end is waited for, 2 min at most" in " ".join(
        plan(asking(RESTORE), young).warnings
    )
    (refusal,) = plan(asking(RESTORE), replace(young, waited=timedelta(minutes=2))).refusals
    assert ("operation-running", True) == (refusal.rule, "for 2 min on" in refusal.message)


def test_operations_are_in_nobodys_way_where_nothing_is_written_to_neon():
    assert plan(DESIRED, running(3000)).in_sync


def test_an_operation_on_our_own_candidate_is_ours():
    made = after(asking(RESTORE), WORLD)
    (candidate,) = [each for each in made.branches if each.mark is not None]
    made = replace(made, operations=(Operation("start_compute", candidate.id, seconds_ago(3000)),))
    undone = plan(asking(RESTORE), replace(made, branches=tuple(replace(b, default=False) for b in made.branches)))
    assert undone.refusals == ()
    assert undone.steps


def with_running(observed, branch, since):
    return replace(observed, operations=(Operation("create_branch", branch.id, since),))


def test_an_operation_of_our_own_restore_in_place_is_ours_once_the_primary_carries_the_timeline():
    """Before that it may be anybody's, and what is asked then is the restore itself, which must not come twice."""
    desired, observed = asking(RESTORE, method=Method.IN_PLACE), with_main(protected=True)
    for step in plan(desired, observed).steps:
        asked = next_steps(desired, observed)
        old = with_running(observed, observed.branches[0], seconds_ago(300))
        refused = isinstance(next_steps(desired, old), Blocked)
        assert refused == isinstance(step, CreateBranch | UnprotectBranch | RestoreBranch), asked
        observed = step.predict(observed)
    assert "ProtectBranch" in [step.wire_name for step in plan(desired, with_main(protected=True)).steps]


def test_what_neon_still_does_with_what_was_preserved_is_ours_too():
    desired, observed = asking(RESTORE, method=Method.IN_PLACE), with_main(protected=True)
    for step in plan(desired, observed).steps:
        if isinstance(step, ProtectBranch):
            break
        observed = step.predict(observed)
    (kept,) = [each for each in observed.branches if each.name.endswith(".in-place")]
    assert next_steps(desired, with_running(observed, kept, seconds_ago(300))) == (step,)
    other = replace(kept, id="br-other", name="preview", parent_id=None)
    observed = replace(observed, branches=(*observed.branches, other))
    assert isinstance(next_steps(desired, with_running(observed, other, seconds_ago(300))), Blocked)


def test_the_digest_of_a_plan_does_not_depend_on_passing_operations_or_on_other_files():
    other = replace(running(1), claims=(Claim("staging", "other", "main"),))
    assert plan(asking(RESTORE), WORLD).digest == plan(asking(RESTORE), other).digest


@pytest.mark.parametrize(
    ("claim", "rule"),
    [
        (Claim("staging", PROJECT.id, "main"), "branch-claimed-twice"),
        (Claim("staging", "elsewhere", "main", (("", SEEN.script),)), "worker-claimed-twice"),
    ],
)
def test_what_another_file_claims_too_is_refused_also_when_in_sync(claim, rule):
    for asked in (DESIRED, asking(RESTORE)):
        (refusal,) = plan(asked, replace(WORLD, claims=(claim,))).refusals
        assert refusal.rule == rule
        assert "production.jsonc and staging.jsonc both" in refusal.message
        assert refusal.hint


@pytest.mark.parametrize(
    "other", [Claim("b", "p", "dev"), Claim("b", "q", "main"), Claim("b", "p", "dev", (("", "api-staging"),))]
)
def test_what_differs_in_project_branch_or_script_is_no_conflict(other):
    assert list(conflicts(OURS, other)) == []


def test_one_script_in_two_accounts_is_no_conflict_where_both_say_their_account():
    def claim(name, account):
        return Claim(name, name, "main", ((account, "api"),))

    assert list(conflicts(claim("a", "1"), claim("b", "2"))) == []
    for accounts in (("1", "1"), ("1", ""), ("", "2"), ("", "")):
        (found,) = conflicts(claim("a", accounts[0]), claim("b", accounts[1]))
        assert found.rule == "worker-claimed-twice"


def test_both_claims_of_two_files_are_told_at_once_and_alike_from_either_side():
    other = replace(OURS, environment="staging")
    assert ["branch-claimed-twice", "worker-claimed-twice"] == [each.rule for each in conflicts(OURS, other)]
    assert list(conflicts(OURS, other)) == list(conflicts(other, OURS))


def test_no_operation_is_in_the_way_of_steps_that_do_not_write_to_neon():
    assert in_the_way(DESIRED, running(1), ()) == ()
