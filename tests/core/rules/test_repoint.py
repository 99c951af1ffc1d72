"""Repoint: one config serves, and a restore points it to another branch, once everything is proved."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.model.desired import Desired, Method, Restore, Waivable, Waiver
from reconciler.core.model.hyperdrive import CACHING_OFF, Caching, Strategy
from reconciler.core.model.observed import Branch, DeployedVersion, Endpoint, Observed, Unknown
from reconciler.core.plan.plan import plan
from reconciler.core.rules.hyperdrive.repoint import about_to_move
from reconciler.core.rules.next_steps import next_steps
from reconciler.core.values.timeline import ORIGIN, failed_name
from tests.core.files import BY_BRANCH, CANDIDATE, DESIRED, RESTORE, WORKER, asked, asking, gated, hours_ago, primary
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
    taken_until,
    warnings,
)
from tests.core.worlds import CONFIG, MAIN, SEEN, WORLD, with_configs, world_for

REPOINT = replace(DESIRED, hyperdrive=replace(DESIRED.hyperdrive, strategy=Strategy.REPOINT))
ALONE, ALONE_WORLD = replace(REPOINT, workers=()), replace(WORLD, workers=())
ASKED = asking(RESTORE, REPOINT)
GATED, FENCED = gated(ASKED), primary(ASKED, fence=True)
IN_PLACE = asking(RESTORE, REPOINT, Method.IN_PLACE)
OTHER = Restore(hours_ago(12), "b", source=ORIGIN)
TOLD = with_configs(modified_at=hours_ago(48))
REPOINTED = after(ASKED, WORLD)
HALFWAY = killed_after(ASKED, WORLD, "RepointHyperdrive")
REBOUND = after(BY_BRANCH, WORLD)
MOVES = ["RepointHyperdrive", "RestartPool", "AwaitCache"]


def restarted(hours: int) -> Observed:
    return with_configs(TOLD, restarted_at=hours_ago(hours))


@pytest.mark.parametrize(("desired", "world"), [(REPOINT, WORLD), (ALONE, ALONE_WORLD)], ids=["worker", "none"])
def test_a_restore_and_its_undo_repoint_the_config(desired, world):
    steps = [*MOVES, "RenameBranch", "RenameBranch", "SetDefaultBranch"]
    assert ["CreateBranch", "VerifyBranch", *steps] == planned(asking(RESTORE, desired), world)
    restored = after(asking(RESTORE, desired), world)
    assert plan(asking(RESTORE, desired), restored).in_sync
    assert ["VerifyBranch", *steps] == planned(desired, restored)
    undone = after(desired, restored)
    assert [(CONFIG.name, CONFIG.host)] == [(each.name, each.host) for each in undone.configs]
    assert (world.workers, True) == (undone.workers, plan(desired, undone).in_sync)


def test_the_step_names_both_branches_and_the_login():
    step = step_of(ASKED, WORLD, "RepointHyperdrive")
    assert ("tech961", "main", CANDIDATE) == (step.hyperdrive, step.leaves, step.branch)
    assert ("tech961", "app") == (step.database, step.role)


# The fence


def test_what_is_left_is_fenced_right_before():
    steps = planned(FENCED, WORLD)
    move = steps.index("RepointHyperdrive")
    assert steps[move - 1] == "FenceBranch"
    assert warnings(FENCED, WORLD, f"until step {move + 1} has switched tech961")


def test_a_killed_run_fences_again():
    assert kinds(next_steps(FENCED, killed_after(FENCED, WORLD, "RepointHyperdrive")))[0] == "FenceBranch"


@pytest.mark.parametrize(("desired", "stays"), [(ASKED, 2), (FENCED, 0)], ids=["no fence", "fence"])
def test_writes_stay_only_without_a_fence(desired, stays):
    assert sum("stay there: " in each or 'stay on "main"' in each for each in warnings(desired, WORLD)) == stays


# Killed runs, and what was changed by hand

KILLED = killed_after(ASKED, restarted(40), "RepointHyperdrive")
STRAY = (DeployedVersion("v9", 100, "elsewhere"),)


def renaming() -> Observed:
    steps = plan(ASKED, WORLD).steps
    held = next(n for n, step in enumerate(steps) if ".held." in getattr(step, "to", ""))
    return ended(carried_out(steps[: held + 1], WORLD))


def led_to_held() -> Observed:
    (held,) = lineage_of(REPOINTED).held
    return with_configs(REPOINTED, host=held.branch.endpoint.host)


STEPS = {
    "the restart is in the future": (ASKED, KILLED, MOVES[1:]),
    "the pool is restarted": (ASKED, killed_after(ASKED, KILLED, "RestartPool"), MOVES[2:]),
    "no time of the change is told": (ASKED, with_configs(KILLED, modified_at=None, restarted_at=None), MOVES[1:]),
    "the names are being swapped": (ASKED, renaming(), ["RenameBranch", "SetDefaultBranch"]),
    "changed after its last restart": (REPOINT, restarted(50), ["RestartPool"]),
    "the same by rebind": (DESIRED, restarted(50), []),
    "never restarted": (REPOINT, TOLD, []),
    "led to a held branch by hand": (ASKED, led_to_held(), MOVES),
    "another binding was deployed": (
        REPOINT, replace(WORLD, workers=(replace(SEEN, deployed=STRAY, file_hyperdrive_id="elsewhere"),)),
        ["WriteBinding", "UploadVersion", "SwitchTraffic"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("desired", "observed", "steps"), STEPS.values(), ids=STEPS)
def test_a_run_goes_on_where(desired, observed, steps):
    found = planned(desired, observed)
    assert steps == found[: len(steps)]
    assert len(found) == len(steps) or desired is ASKED
    assert plan(desired, after(desired, observed)).in_sync


# The cache


@pytest.mark.parametrize(
    ("caching", "seconds"), [(Caching(), 75), (Caching(max_age=3600, stale_while_revalidate=0), 3600)]
)
def test_cached_answers_are_waited_out(caching, seconds):
    observed = with_configs(caching=caching)
    steps = planned(GATED, observed)
    assert "VerifyLive" == steps[steps.index("AwaitCache") + 1]
    assert seconds == step_of(GATED, observed, "AwaitCache").seconds


def test_without_a_cache_nothing_is_waited_for():
    assert "AwaitCache" not in planned(ASKED, with_configs(caching=CACHING_OFF))


# Who moves too


def test_other_workers_that_move_are_named():
    shared = replace(WORLD, sharers=(SEEN.script, "cron", "reports"))
    (told,) = warnings(ASKED, shared, "repointing")
    assert "cron, reports" in told
    assert (False, True) == (SEEN.script in told, "`wrangler rollback` does not" in told)
    assert plan(ASKED, shared).digest != plan(ASKED, WORLD).digest, "who is bound to it is part of what is approved"
    assert not warnings(ASKED, WORLD, "the file does not name them")


def test_unreadable_bindings_are_refused():
    (refusal,) = plan(ASKED, replace(WORLD, sharers=Unknown("it answers 500", "wait"))).refusals
    assert ("unreadable", "wait") == (refusal.rule, refusal.hint)
    assert 'bound to Hyperdrive config "tech961"' in refusal.message


@pytest.mark.parametrize(
    ("desired", "observed", "moves"),
    [
        (REPOINT, WORLD, False),
        (BY_BRANCH, WORLD, False),
        (ASKED, WORLD, True),
        (REPOINT, REPOINTED, True),
        (ASKED, replace(WORLD, configs=()), False),
        (ASKED, replace(WORLD, configs=Unknown("gone")), False),
        (ASKED, replace(WORLD, branches=Unknown("gone")), False),
    ],
    ids=["in sync", "by rebind", "a restore", "its undo", "no config", "configs unread", "branches unread"],
)
def test_bindings_are_read_where_a_config_moves(desired, observed, moves):
    assert moves == (about_to_move(desired, observed) is not None)


# The last check


def test_a_failed_last_check_points_the_config_back():
    switched = taken_until(GATED, TOLD, "AwaitCache")
    failed = replace(switched, failed=frozenset({step_of(GATED, TOLD, "VerifyLive").key}))
    steps = plan(GATED, failed).steps
    assert ["RenameBranch", *MOVES] == kinds(steps)
    assert (failed_name("main", GATED.timeline), "main") == (steps[1].leaves, steps[1].branch)
    renamed, moved = (ended(carried_out(steps[:count], failed)) for count in (1, 2))
    assert MOVES == planned(GATED, renamed)
    assert ["RestartPool"] == planned(GATED, moved), "its connections still point to what has failed"
    assert ["timeline-failed"] == rules(GATED, after(GATED, failed))


# Methods and strategies alternate


@pytest.mark.parametrize(
    ("observed", "in_place"),
    [(WORLD, True), (taken_until(ASKED, WORLD, "VerifyBranch"), True), (HALFWAY, False)],
    ids=["at first", "before the repoint", "after it"],
)
def test_in_place_nothing_is_repointed(observed, in_place):
    steps = planned(IN_PLACE, observed)
    assert in_place == ("RestoreBranch" in steps)
    assert ("RestartPool" in steps, "RepointHyperdrive" in steps) == (True, False)


BACK = after(REPOINT, REBOUND)
SERVING = f"tech961-{BY_BRANCH.timeline}"


def test_from_rebind_the_serving_config_is_repointed():
    assert plan(ASKED, REBOUND).in_sync
    assert SERVING == step_of(REPOINT, REBOUND, "RepointHyperdrive").hyperdrive
    assert ({MAIN.endpoint.host}, True) == ({each.host for each in BACK.configs}, plan(REPOINT, BACK).in_sync)


@pytest.mark.parametrize(
    ("desired", "observed"),
    [(ASKED, BACK), (replace(ASKED, workers=()), replace(BACK, workers=()))],
    ids=["the Worker is bound to it", "it was changed last"],
)
def test_of_two_configs_the_serving_one_is_repointed(desired, observed):
    assert SERVING == step_of(desired, observed, "RepointHyperdrive").hyperdrive


@pytest.mark.parametrize(
    ("desired", "observed", "name"),
    [
        (asking(OTHER), REPOINTED, f"tech961-{asking(OTHER).timeline}"),
        (DESIRED, REPOINTED, "tech961-2"),
        (DESIRED, after(asking(OTHER), REPOINTED), "tech961-2"),
        (ASKED, replace(WORLD, configs=()), "tech961"),
    ],
    ids=["another restore by rebind", "an undo by rebind", "a later undo", "by repoint, the first"],
)
def test_a_config_is_made_under_its_name(desired, observed, name):
    assert name == step_of(desired, observed, "CreateHyperdrive").name
    assert plan(desired, after(desired, observed)).in_sync


def test_from_repoint_to_rebind_nothing_changes():
    assert plan(BY_BRANCH, REPOINTED).in_sync


# What can be tried before users are on it


@pytest.mark.parametrize("workers", [1, 2])
def test_a_stray_worker_is_not_tried_early(workers):
    """Until it is repointed, the config answers with what is to be restored, which is nothing to be judged by."""
    stray = replace(SEEN, deployed=STRAY)
    other = replace(SEEN, config="other.jsonc", script="tech961-jobs")
    desired = replace(GATED, workers=(*GATED.workers, replace(WORKER, config="other.jsonc"))[:workers])
    told = planned(desired, replace(WORLD, workers=(stray, other)[:workers]))
    switched = ["RepointHyperdrive", "SwitchTraffic", "RestartPool", "AwaitCache", "VerifyLive"]
    assert [each for each in told if each in (*switched, "StageVersion", "VerifyWorker")] == switched


FIRST = ["CreateHyperdrive", "StageVersion", "VerifyWorker", "SwitchTraffic"]


def test_the_first_config_is_tried_before_users():
    unbound = replace(SEEN, deployed=(DeployedVersion("v0", 100, None),))
    told = planned(GATED, replace(WORLD, configs=(), workers=(unbound,)))
    assert FIRST == [each for each in told if each in FIRST]


@pytest.mark.parametrize("strategy", Strategy)
def test_the_last_check_judges_a_lost_config(strategy):
    desired = replace(GATED, hyperdrive=replace(GATED.hyperdrive, strategy=strategy))
    told = planned(desired, replace(WORLD, configs=()))
    assert ["CreateHyperdrive", "SwitchTraffic", "VerifyLive"] == [e for e in told if e in (*FIRST, "VerifyLive")]


# Configs that are not taken

STAGING = Branch("br-staging", "staging", hours_ago(48), "br-main", endpoint=Endpoint("ep-s", "ep-staging.neon.tech"))


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"host": "db.example.com"}, "hyperdrive-differs"),
        ({"host": "ep-staging.neon.tech"}, "hyperdrive-differs"),
        ({"database": "other"}, "hyperdrive-differs"),
        ({"user": "other"}, "hyperdrive-differs"),
        ({"host": "ep-main-pooler.neon.tech"}, "pooled-origin"),
    ],
)
@pytest.mark.parametrize("desired", [ASKED, REPOINT], ids=["restore", "in sync"])
def test_a_config_that_differs_is_refused(desired, changes, rule):
    assert [rule] == rules(desired, with_configs(replace(WORLD, branches=(MAIN, STAGING)), **changes))


def test_a_waived_pooled_host_is_left():
    waived = replace(ASKED, waivers=(Waiver(Waivable.POOLED_ORIGIN, "we know"),))
    pooled = with_configs(host="ep-main-pooler.neon.tech")
    assert "main" == step_of(waived, pooled, "RepointHyperdrive").leaves
    assert plan(replace(waived, primary=REPOINT.primary), pooled).in_sync


@st.composite
def histories(draw: st.DrawFn) -> tuple[Desired, Observed]:
    """Restores and undos by both strategies and both methods, each apply having been killed after any step."""
    desired = draw(asked().filter(lambda each: each.hyperdrive is not None))
    observed = world_for(desired, protected=draw(st.booleans()))

    def ask() -> Desired:
        chosen = replace(desired.hyperdrive, strategy=draw(st.sampled_from(Strategy)))
        restore = draw(st.sampled_from([None, RESTORE, OTHER]))
        return asking(restore, replace(desired, hyperdrive=chosen), draw(st.sampled_from(Method)))

    for _ in range(draw(st.integers(0, 4))):
        steps = plan(ask(), observed).steps
        observed = ended(carried_out(steps[: draw(st.integers(0, len(steps)))], observed))
    return ask(), observed


@given(histories())
def test_the_serving_config_ends_at_live(history):
    desired, observed = history
    found = plan(desired, observed)
    if found.refusals:
        return
    observed = carried_out(found.steps, observed)
    assert plan(desired, ended(observed)).in_sync
    host = lineage_of(observed, desired).live.branch.endpoint.host
    serving = {seen.serving.hyperdrive_id for seen in observed.workers}
    assert all(each.host == host for each in observed.configs if each.id in serving)
    assert any(each.host == host for each in observed.configs)


@given(histories())
def test_users_move_once_and_after_every_proof(history):
    desired, observed = history
    desired = replace(desired, hyperdrive=replace(desired.hyperdrive, strategy=Strategy.REPOINT))
    steps = plan(desired, observed).steps
    moves = [n for n, step in enumerate(kinds(steps)) if step == "RepointHyperdrive"]
    assert len(moves) <= 1
    before, later = (steps[: moves[0]], steps[moves[0] :]) if moves else ((), ())
    assert not {"SwitchTraffic", "VerifyLive"} & set(kinds(before))
    assert not any(".held." in getattr(step, "to", "") for step in before)
    assert not {"CreateHyperdrive", "UploadVersion"} & set(kinds(later))
    assert not any(kinds([step]) == ["VerifyBranch"] and step.branch == later[0].branch for step in later)
