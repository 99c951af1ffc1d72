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
from reconciler.core.steps.primary import DeleteBranch
from reconciler.core.values.instant import Instant
from reconciler.core.values.timeline import ORIGIN
from tests.core.files import (
    ASKED_IN_PLACE,
    BY_BRANCH,
    CANDIDATE,
    DESIRED,
    HELD_IN_PLACE,
    IN_PLACE,
    OTHER,
    PROVED,
    RESTORE,
    RESTORED,
    asking,
    gated,
    hours_ago,
)
from tests.core.plans import (
    after,
    carried_out,
    ended,
    killed_after,
    kinds,
    lineage_of,
    planned,
    rules,
    step_of,
    warnings,
)
from tests.core.worlds import CONFIG, MAIN, WORLD, changed, names, with_main, with_project

ASKED, HELD, KEPT_TWICE = ASKED_IN_PLACE, HELD_IN_PLACE, f"main.held.{RESTORED}.before.origin.2.in-place"
GATED, ASKED_GATED = gated(IN_PLACE), gated(ASKED)
WITHOUT_HYPERDRIVE = {"hyperdrive": None, "workers": ()}
CHILD = replace(
    WORLD, branches=(replace(MAIN, id="br-root", name="root", default=False), replace(MAIN, parent_id="br-root"))
)
PUT = killed_after(ASKED, WORLD, "RestoreBranch")
RESTORED_WORLD = after(ASKED, WORLD)
PROMOTED = after(BY_BRANCH, WORLD)

# The order of the steps


def test_a_first_restore_in_place_has_eight_steps():
    assert planned(ASKED_GATED, WORLD) == [
        "CreateBranch", "VerifyBranch", "RestoreBranch", "VerifyBranch", "RestartPool", "VerifyLive", "RenameBranch",
        "DeleteBranch",
    ]  # fmt: skip


def test_the_primary_gets_the_very_point_proved():
    create, verify, restore = plan(ASKED, WORLD).steps[:3]
    assert (CANDIDATE, "main", RESTORE.to) == (create.name, create.source, create.at)
    assert (CANDIDATE, ("listings",)) == (verify.branch, verify.gates)
    assert ("main", "main", CANDIDATE, HELD) == (restore.branch, restore.source, restore.proved_on, restore.keep_as)


def test_what_the_primary_held_is_kept_by_name():
    lineage = lineage_of(RESTORED_WORLD)
    assert ["main", HELD] == names(RESTORED_WORLD)
    assert (MAIN.id, RESTORED) == (lineage.live.branch.id, lineage.live.timeline)
    assert [ORIGIN] == [each.timeline for each in lineage.held]


def test_cloudflare_is_only_restarted():
    assert tuple(replace(each, restarted_at=None) for each in RESTORED_WORLD.configs) == WORLD.configs
    assert RESTORED_WORLD.workers == WORLD.workers


def test_without_hyperdrive_no_pool_is_restarted():
    alone = replace(ASKED, **WITHOUT_HYPERDRIVE)
    assert "RestartPool" not in planned(alone, replace(WORLD, configs=(), workers=()))


@pytest.mark.parametrize(("milliseconds", "again"), [(1_001, False), (999, True)])
def test_a_pool_restarted_since_is_not_restarted_again(milliseconds, again):
    """Neon cuts the time of a reset off to the second, so within it nothing is known."""
    restarted = Instant(named(PUT.branches, "main").last_reset_at.milliseconds + milliseconds)
    told = replace(PUT, configs=(replace(CONFIG, restarted_at=restarted),))
    assert again == ("RestartPool" in planned(ASKED, told))


def test_protection_is_off_only_during_the_restore():
    steps = planned(ASKED, with_main(protected=True))
    middle = steps.index("RestoreBranch")
    assert ["UnprotectBranch", "RestoreBranch", "ProtectBranch"] == steps[middle - 1 : middle + 2]
    assert warnings(ASKED, with_main(protected=True), '"main" is unprotected while it is being restored')
    assert "ProtectBranch" not in planned(ASKED, WORLD)


@pytest.mark.parametrize("last", ["UnprotectBranch", "RestoreBranch"])
@pytest.mark.parametrize("asked", [ASKED, IN_PLACE], ids=["still asked", "reverted"])
def test_protection_is_known_after_a_crash(last, asked):
    left = killed_after(ASKED, with_main(protected=True), last)
    assert not named(left.branches, "main").protected
    assert named(after(asked, left).branches, "main").protected


@pytest.mark.parametrize("undo", [False, True])
def test_a_child_restored_in_place_changes_parent(undo):
    observed, desired = (after(ASKED, CHILD), IN_PLACE) if undo else (CHILD, ASKED)
    (told,) = warnings(desired, observed, "is not a root branch: Neon documents")
    assert f'It becomes a child of "{HELD}"' in told
    restored = after(ASKED, CHILD)
    assert named(restored.branches, HELD).id == named(restored.branches, "main").parent_id


@pytest.mark.parametrize(
    "words", ["rewinds every database and role", "its query cache", f'"{HELD}" keeps origin whole', "a root branch"]
)
def test_the_plan_says_what_it_costs(words):
    assert warnings(ASKED, WORLD, words)


def test_no_child_is_announced_for_a_candidate():
    assert not warnings(ASKED, WORLD, "is a child of"), "the candidate does not stay"


# Undo


def test_an_undo_proves_a_held_copy():
    found = plan(GATED, after(ASKED_GATED, WORLD))
    create, verify, restore = found.steps[:3]
    assert (HELD, None, "main.candidate.origin") == (create.source, create.at, create.name)
    assert (HELD, KEPT_TWICE) == (restore.source, restore.keep_as)
    assert ((), False) == (verify.gates, "VerifyLive" in kinds(found.steps))
    assert not any("leaves the history window" in each for each in found.warnings)


def test_a_reset_by_hand_is_blamed_on_others():
    assert not warnings(IN_PLACE, after(IN_PLACE, RESTORED_WORLD), "not by reconciler")
    assert warnings(IN_PLACE, with_main(last_reset_at=hours_ago(2)), "not by reconciler")


def test_a_copy_without_its_original_is_not_restored():
    copied = killed_after(IN_PLACE, after(asking(OTHER, IN_PLACE), RESTORED_WORLD), "CreateBranch")
    found = next_steps(IN_PLACE, changed(copied, HELD, name="renamed"))
    assert isinstance(found, Blocked)
    assert ["timeline-not-held"] == [each.rule for each in found.refusals]


# Candidates that are not, or no longer, what is asked


WAITING = killed_after(ASKED, WORLD, "CreateBranch")
PASSED_BY = after(asking(OTHER, IN_PLACE), WAITING)


@pytest.mark.parametrize(
    ("observed", "rule"),
    [
        (changed(WAITING, "main", last_reset_at=hours_ago(1)), ["candidate-differs"]),
        (PASSED_BY, []),  # its parent is what was preserved: it is still the history that was live then
        (changed(PASSED_BY, CANDIDATE, parent_id=MAIN.id), ["candidate-differs"]),
        (changed(WAITING, "main", unrestorable="a snapshot is being restored"), ["restore-restricted"]),
        (with_project(WAITING, branches_limit=len(WAITING.branches)), ["branch-limit"]),
    ],
    ids=["reset by hand", "another was restored", "of another parent", "restricted", "full"],
)
def test_a_candidate_is_judged_again_before_the_restore(observed, rule):
    assert rule == rules(ASKED, observed)


def test_a_candidate_of_another_timeline_is_announced():
    assert len(warnings(asking(OTHER, IN_PLACE), PASSED_BY, f'"{CANDIDATE}" was prepared')) == 1


def killed_twice(world: Observed = WORLD) -> Observed:
    """A restore that was killed right after it went into the primary, and so was its undo."""
    return killed_after(IN_PLACE, killed_after(ASKED, world, "RestoreBranch"), "RestoreBranch")


def test_a_stale_candidate_is_made_again():
    observed = killed_twice()
    assert CANDIDATE == lineage_of(observed).stale_candidate.branch.name
    steps = plan(ASKED, observed).steps
    assert ["RenameBranch", "DeleteBranch", "RenameBranch", "CreateBranch"] == kinds(steps[:4])
    assert (CANDIDATE, PROVED, KEPT_TWICE) == (steps[2].branch, steps[2].to, steps[3].source)
    assert ["main.proved.origin", PROVED, PROVED] == [s.branch for s in steps if isinstance(s, DeleteBranch)]
    done = after(IN_PLACE, observed)
    assert not [name for name in names(done) if ".candidate." in name or ".proved." in name]


def test_protection_comes_before_disposing_of_copies():
    observed = killed_twice(with_main(protected=True))
    assert ["ProtectBranch"] == kinds(next_steps(ASKED, observed))
    assert named(after(ASKED, observed).branches, "main").protected


# The method is switched


@pytest.mark.parametrize(
    ("desired", "observed", "in_place"),
    [
        (ASKED, killed_after(BY_BRANCH, WORLD, "CreateBranch"), True),
        (ASKED, killed_after(BY_BRANCH, WORLD, "CreateHyperdrive"), False),
        (ASKED, killed_after(BY_BRANCH, WORLD, "RenameBranch"), False),
        (IN_PLACE, killed_after(DESIRED, PROMOTED, "VerifyBranch"), True),
        (IN_PLACE, killed_after(DESIRED, PROMOTED, "SwitchTraffic"), False),
    ],
    ids=["nothing points to it", "a config does", "names are swapped", "undo: verified", "undo: users are on it"],
)
def test_what_users_may_reach_is_finished_by_branch(desired, observed, in_place):
    assert in_place == ("RestoreBranch" in planned(desired, observed))


def test_a_candidate_is_used_by_either_method():
    candidate = killed_after(BY_BRANCH, WORLD, "CreateBranch")
    assert "CreateBranch" not in planned(ASKED, candidate)
    assert CANDIDATE == step_of(ASKED, candidate, "RestoreBranch").proved_on


@pytest.mark.parametrize(("first", "second"), [(Method.BRANCH, Method.IN_PLACE), (Method.IN_PLACE, Method.BRANCH)])
def test_what_one_method_restored_the_other_undoes(first, second):
    restored = after(asking(RESTORE, method=first), WORLD)
    undo = asking(None, method=second)
    assert (second is Method.IN_PLACE) == ("RestoreBranch" in planned(undo, restored))
    undone = after(undo, restored)
    assert ORIGIN == lineage_of(undone).live.timeline
    assert RESTORED in [each.timeline for each in lineage_of(undone).held]
    assert RESTORED == lineage_of(after(asking(RESTORE, method=first), undone)).live.timeline


def test_a_restored_primary_is_finished_by_either_method():
    assert ["VerifyBranch", "RestartPool", "RenameBranch", "DeleteBranch"] == planned(BY_BRANCH, PUT)


# The last check


def failed_in_place() -> Observed:
    """Users are on what was restored in place, and it does not answer right."""
    observed = WORLD
    while isinstance(wave := next_steps(ASKED_GATED, observed), tuple) and kinds(wave) != ["VerifyLive"]:
        observed = carried_out(wave, observed)
    return replace(observed, failed=frozenset({wave[0].key}))


FAILED = failed_in_place()


def test_a_failed_last_check_is_undone_in_place():
    found = plan(ASKED_GATED, FAILED)
    assert (CANDIDATE, f"main.failed.{RESTORED}") == (found.steps[0].branch, found.steps[0].to)
    restore = step_of(ASKED_GATED, FAILED, "RestoreBranch")
    assert (HELD, KEPT_TWICE) == (restore.source, restore.keep_as)
    assert ["timeline-failed"] == rules(ASKED_GATED, FAILED)


def test_what_failed_in_place_stays_refused():
    back = after(ASKED_GATED, FAILED)
    assert ORIGIN == lineage_of(back).live.timeline
    assert ["timeline-failed"] == rules(ASKED_GATED, back)
    assert plan(GATED, back).in_sync


def test_a_failed_timeline_is_not_checked_again():
    marked = ended(plan(ASKED_GATED, FAILED).steps[0].predict(FAILED))
    steps = planned(ASKED_GATED, marked)
    assert (True, False) == ("RestoreBranch" in steps, "VerifyLive" in steps)
    assert ORIGIN == lineage_of(after(ASKED_GATED, marked)).live.timeline


def test_a_failed_restore_can_be_undone_by_branch():
    by_branch, observed = gated(BY_BRANCH), FAILED
    for step in plan(by_branch, observed).steps:
        observed = step.predict(observed)
        assert (["timeline-failed"], False) == (
            rules(by_branch, observed), "VerifyLive" in planned(by_branch, observed),
        )  # fmt: skip
    lineage = lineage_of(ended(observed))
    assert (ORIGIN, "main") == (lineage.live.timeline, lineage.live.branch.name)
    assert [RESTORED] == [each.timeline for each in lineage.held]
    assert [] == planned(by_branch, ended(observed))


# The one deletion


def proved(**changes: object) -> tuple[TimelineBranch, Lineage, Observed]:
    """What may be deleted: a restore in place that was checked, and the branch that it was proved on."""
    observed = changed(killed_after(ASKED, WORLD, "RenameBranch"), PROVED, **changes)
    lineage = lineage_of(observed)
    (timeline_branch,) = lineage.proved
    return timeline_branch, lineage, observed


def test_what_proved_a_restore_is_deleted_after_it():
    timeline_branch, lineage, observed = proved()
    assert [] == undeletable(timeline_branch, lineage, observed.branches)
    assert DeleteBranch(branch=PROVED, reason="") == next_steps(ASKED, observed)[0]


PREVIEW = replace(MAIN, id="br-child", name="preview", parent_id=proved()[0].branch.id)


@pytest.mark.parametrize(
    ("changes", "lost", "live", "more", "reason"),
    [
        ({"default": True}, {}, {}, (), "it is the default branch"),
        ({"protected": True}, {}, {}, (), "it is protected"),
        ({}, {}, {}, (PREVIEW,), "preview was created from it"),
        ({}, {"proved": ()}, {}, (), "it is not one of ours"),
        ({}, {}, {"timeline": ORIGIN}, (), f"no other branch carries {RESTORED}"),
        ({}, {}, {"ready": False}, (), f"no other branch carries {RESTORED}"),
    ],
    ids=["default", "protected", "parent", "not ours", "only copy", "other copy not ready"],
)
def test_a_proof_is_left_alone_where(changes, lost, live, more, reason):
    timeline_branch, lineage, observed = proved(**changes)
    branch = replace(lineage.live.branch, ready=live.get("ready", True))
    now = replace(lineage.live, timeline=live.get("timeline", RESTORED), branch=branch)
    (refusal,) = undeletable(timeline_branch, replace(lineage, live=now, **lost), (*observed.branches, *more))
    assert (refusal.rule, refusal.reasons) == ("deletion-forbidden", (reason,))


def test_a_proof_that_stays_has_its_reason():
    observed = proved(protected=True)[2]
    assert plan(ASKED, observed).in_sync
    (told,) = warnings(ASKED, observed, PROVED)
    assert "it is protected" in told
    assert "(neon branches delete)" in told


def test_a_taken_name_for_the_proof_is_refused():
    taken = replace(PUT, branches=(*PUT.branches, replace(MAIN, id="br-x", name=PROVED, default=False)))
    assert ["branch-name-taken"] == rules(ASKED, taken)


def test_the_name_of_the_proof_is_checked_first():
    """A branch that had to stay has it: without this the refusal would come after the primary was overwritten."""
    stays = after(IN_PLACE, proved(protected=True)[2])
    assert [PROVED] == [each.branch.name for each in lineage_of(stays).proved]
    assert (["branch-name-taken"], []) == (rules(ASKED, stays), planned(ASKED, stays))
    assert [] == rules(ASKED, changed(stays, PROVED, protected=False)), "what can be deleted is in nobody's way"
    assert [] == rules(BY_BRANCH, stays), "by a branch of its own no such name is needed"


# The Hyperdrive config


@pytest.mark.parametrize(
    ("desired", "observed", "name"),
    [
        (ASKED, RESTORED_WORLD, "tech961"),
        (IN_PLACE, after(IN_PLACE, RESTORED_WORLD), "tech961"),
        (ASKED, WORLD, f"tech961-{RESTORED}"),
        (ASKED, replace(WORLD, branches=Unknown("403"), configs=Unknown("403")), f"tech961-{RESTORED}"),
        (replace(ASKED, **WITHOUT_HYPERDRIVE), WORLD, ""),
        (replace(IN_PLACE, **WITHOUT_HYPERDRIVE), WORLD, ""),
    ],
    ids=["live", "undone", "not restored", "unreadable", "no hyperdrive", "no hyperdrive, no restore"],
)
def test_the_config_of_a_timeline_is(desired, observed, name):
    assert name == expected_config(desired, observed)


def test_a_used_config_name_gets_a_number():
    """Restored by a branch of its own, then in place to origin: the config named after the one leads to the other."""
    undone = after(IN_PLACE, PROMOTED)
    create = step_of(BY_BRANCH, undone, "CreateHyperdrive")
    assert f"tech961-{RESTORED}-2" == create.name
    final = after(BY_BRANCH, undone)
    config = named(final.configs, create.name)
    assert all(worker.serves_only(config.id) for worker in final.workers)
    assert plan(BY_BRANCH, final).in_sync
    assert {f"tech961-{RESTORED}", f"tech961-{RESTORED}-2", "tech961"} == {each.name for each in final.configs}


def test_a_config_that_leads_nowhere_is_kept():
    undone = after(IN_PLACE, PROMOTED)
    astray = tuple(
        replace(each, host="gone.neon.tech") if each.name == f"tech961-{RESTORED}" else each for each in undone.configs
    )
    assert f"tech961-{RESTORED}" == expected_config(BY_BRANCH, replace(undone, configs=astray))


def test_a_step_for_a_missing_branch_changes_nothing():
    restore = step_of(ASKED, WORLD, "RestoreBranch")
    assert WORLD.branches == replace(restore, branch="other").predict(WORLD).branches
