"""Repoint: one config serves, and a restore leads it to another branch, once everything is proved."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.lineage.infer import infer_lineage
from reconciler.core.lineage.lineage import Lineage
from reconciler.core.model.desired import Desired, HttpGate, Lift, Liftable, Method, Restore
from reconciler.core.model.hyperdrive import CACHING_OFF, Caching, Strategy
from reconciler.core.model.observed import Branch, DeployedVersion, Endpoint, Observed, Unknown
from reconciler.core.plan.plan import plan
from reconciler.core.rules.hyperdrive.repoint import about_to_move
from reconciler.core.rules.next_steps import next_steps
from reconciler.core.steps.branch import FenceBranch, VerifyBranch
from reconciler.core.steps.hyperdrive import AwaitCache, CreateHyperdrive, RepointHyperdrive, RestartPool
from reconciler.core.steps.primary import RenameBranch
from reconciler.core.steps.worker import SwitchTraffic, UploadVersion, VerifyLive
from reconciler.core.values.timeline import ORIGIN, candidate_name, failed_name
from tests.core.worlds import (
    CONFIG,
    DESIRED,
    MAIN,
    SEEN,
    WORKER,
    WORLD,
    after,
    asked,
    asking,
    ended,
    hours_ago,
    world_for,
)

REPOINT = replace(DESIRED, hyperdrive=replace(DESIRED.hyperdrive, strategy=Strategy.REPOINT))
ALONE, ALONE_WORLD = replace(REPOINT, workers=()), replace(WORLD, workers=())
RESTORE = Restore(hours_ago(24), "inc-42")
ASKED = asking(RESTORE, REPOINT)
CANDIDATE = candidate_name("main", ASKED.timeline)
TOLD = replace(CONFIG, modified_at=hours_ago(48))
HEALTH = HttpGate("health", "https://961tech.example/health")


def kinds(steps):
    return [step.wire_name for step in steps]


def step_of(kind, desired, observed):
    (found,) = [step for step in plan(desired, observed).steps if isinstance(step, kind)]
    return found


def until(kind, desired, observed):
    """The world right before the first step of a kind is taken."""
    for step in plan(desired, observed).steps:
        if isinstance(step, kind):
            return observed
        observed = step.predict(observed)
    raise AssertionError(f"no {kind.__name__} is planned")


def with_config(observed, **changes):
    return replace(observed, configs=tuple(replace(each, **changes) for each in observed.configs))


def live_branch(desired: Desired, observed: Observed) -> Branch:
    lineage = infer_lineage(desired, observed.branches)
    assert isinstance(lineage, Lineage)
    return lineage.live.branch


@pytest.mark.parametrize(("desired", "world"), [(REPOINT, WORLD), (ALONE, ALONE_WORLD)], ids=["worker", "none"])
def test_a_restore_and_its_undo_lead_the_config_there_and_back_and_touch_no_worker(desired, world):
    steps = ["RepointHyperdrive", "RestartPool", "AwaitCache", "RenameBranch", "RenameBranch", "SetDefaultBranch"]
    assert ["CreateBranch", "VerifyBranch", *steps] == kinds(plan(asking(RESTORE, desired), world).steps)
    restored = after(asking(RESTORE, desired), world)
    assert plan(asking(RESTORE, desired), restored).in_sync
    assert ["VerifyBranch", *steps] == kinds(plan(desired, restored).steps)
    undone = after(desired, restored)
    assert [(CONFIG.name, CONFIG.host)] == [(each.name, each.host) for each in undone.configs]
    assert world.workers == undone.workers
    assert plan(desired, undone).in_sync


def test_the_step_says_which_branch_is_left_and_how_the_role_logs_in_on_the_new_one():
    step = step_of(RepointHyperdrive, ASKED, WORLD)
    assert ("tech961", "main", CANDIDATE) == (step.hyperdrive, step.leaves, step.branch)
    assert ("tech961", "app") == (step.database, step.role)


def test_what_is_left_is_fenced_before_and_the_plan_says_from_when_on_until_when_writes_fail():
    fenced = replace(ASKED, primary=replace(ASKED.primary, fence=True))
    planned = plan(fenced, WORLD)
    names = kinds(planned.steps)
    assert names.index("FenceBranch") + 1 == names.index("RepointHyperdrive")
    (told,) = [each for each in planned.warnings if "writes fail" in each]
    assert f"until step {names.index('RepointHyperdrive') + 1} has switched tech961" in told
    killed = ended(step_of(RepointHyperdrive, fenced, WORLD).predict(until(RepointHyperdrive, fenced, WORLD)))
    assert isinstance(next_steps(fenced, killed)[0], FenceBranch), "nothing is written to what was left, for certain"


def test_where_what_is_left_is_fenced_no_warning_says_that_writes_stay_on_it():
    fenced = replace(ASKED, primary=replace(ASKED.primary, fence=True))
    for desired, stays in ((ASKED, 2), (fenced, 0)):
        told = plan(desired, WORLD).warnings
        assert sum("stay there: " in each or 'stays on "main"' in each for each in told) == stays


def test_a_run_that_dies_between_the_repoint_and_the_restart_is_continued_with_the_restart():
    told = replace(WORLD, configs=(replace(TOLD, restarted_at=hours_ago(40)),))
    repoint = step_of(RepointHyperdrive, ASKED, told)
    killed = ended(repoint.predict(until(RepointHyperdrive, ASKED, told)))
    assert ["RestartPool", "AwaitCache"] == kinds(plan(ASKED, killed).steps)[:2]
    restarted = ended(step_of(RestartPool, ASKED, killed).predict(killed))
    assert isinstance(next_steps(ASKED, restarted)[0], AwaitCache)
    silent = with_config(killed, modified_at=None, restarted_at=None)
    assert isinstance(next_steps(ASKED, silent)[0], RestartPool), "the API does not have to tell when it was changed"


def test_a_config_that_was_changed_after_its_pool_was_restarted_is_restarted_also_later():
    changed = replace(WORLD, configs=(replace(TOLD, restarted_at=hours_ago(50)),))
    assert ["RestartPool"] == kinds(plan(REPOINT, changed).steps)
    assert plan(DESIRED, changed).in_sync
    never = replace(WORLD, configs=(TOLD,))
    assert plan(REPOINT, never).in_sync


@pytest.mark.parametrize(
    ("caching", "seconds"), [(Caching(), 75), (Caching(max_age=3600, stale_while_revalidate=0), 3600)]
)
def test_cached_answers_of_the_other_branch_are_waited_out_before_the_last_check(caching, seconds):
    gated = replace(ASKED, verify=replace(ASKED.verify, http=(HEALTH,)))
    planned = plan(gated, with_config(WORLD, caching=caching))
    names = kinds(planned.steps)
    assert any("run only once users are served" in each for each in planned.warnings)
    assert ["AwaitCache", "VerifyLive"] == names[names.index("AwaitCache") :][:2]
    assert seconds == step_of(AwaitCache, gated, with_config(WORLD, caching=caching)).seconds


def test_where_nothing_is_cached_nothing_is_waited_for():
    assert "AwaitCache" not in kinds(plan(ASKED, with_config(WORLD, caching=CACHING_OFF)).steps)


def test_a_run_that_dies_among_the_renames_does_not_wait_again():
    observed = WORLD
    for step in plan(ASKED, WORLD).steps:
        observed = step.predict(observed)
        if any(".held." in each.name for each in observed.branches):
            break
    assert ["RenameBranch", "SetDefaultBranch"] == kinds(plan(ASKED, ended(observed)).steps)


def test_other_workers_that_move_too_are_named_and_so_is_that_a_rollback_of_wrangler_undoes_nothing():
    shared = replace(WORLD, sharers=(SEEN.script, "cron", "reports"))
    planned = plan(ASKED, shared)
    (told,) = [each for each in planned.warnings if each.startswith("repointing")]
    assert "cron, reports" in told
    assert SEEN.script not in told
    assert "`wrangler rollback` does not undo that" in told
    assert planned.digest != plan(ASKED, WORLD).digest, "who is bound to it by now is part of what is approved"
    (alone,) = [each for each in plan(ASKED, WORLD).warnings if each.startswith("repointing")]
    assert "the file does not name them" not in alone


def test_where_it_can_not_be_read_who_moves_too_nothing_is_begun():
    (refusal,) = plan(ASKED, replace(WORLD, sharers=Unknown("it answers 500", "wait"))).refusals
    assert ("unreadable", "wait") == (refusal.rule, refusal.hint)
    assert 'bound to Hyperdrive config "tech961"' in refusal.message


def test_who_is_bound_to_it_is_read_only_where_a_config_is_about_to_move():
    assert about_to_move(REPOINT, WORLD) is None
    assert about_to_move(asking(RESTORE), WORLD) is None, "by rebind none ever moves"
    assert CONFIG == about_to_move(ASKED, WORLD)
    assert about_to_move(ASKED, replace(WORLD, configs=())) is None
    assert about_to_move(ASKED, replace(WORLD, configs=Unknown("gone"))) is None
    assert about_to_move(ASKED, replace(WORLD, branches=Unknown("gone"))) is None
    assert about_to_move(REPOINT, after(ASKED, WORLD)) is not None


def test_a_last_check_that_fails_leads_the_config_back_and_restarts_its_pool_again():
    gated = replace(ASKED, verify=replace(ASKED.verify, http=(HEALTH,)))
    world = replace(WORLD, configs=(TOLD,))
    checked = until(VerifyLive, gated, world)
    failed = replace(checked, failed=frozenset({step_of(VerifyLive, gated, world).key}))
    planned = plan(gated, failed)
    assert ["RenameBranch", "RepointHyperdrive", "RestartPool", "AwaitCache"] == kinds(planned.steps)
    back = planned.steps[1]
    assert (failed_name("main", gated.timeline), "main") == (back.leaves, back.branch)
    renamed = ended(planned.steps[0].predict(failed))
    assert ["RepointHyperdrive", "RestartPool", "AwaitCache"] == kinds(plan(gated, renamed).steps)
    killed = ended(plan(gated, renamed).steps[0].predict(renamed))
    assert ["RestartPool"] == kinds(plan(gated, killed).steps), "its connections still lead to what has failed"
    assert ["timeline-failed"] == [each.rule for each in plan(gated, after(gated, failed)).refusals]


def test_in_place_nothing_is_repointed():
    in_place = asking(RESTORE, REPOINT, Method.IN_PLACE)
    steps = plan(in_place, WORLD).steps
    assert "RestoreBranch" in kinds(steps)
    assert "RestartPool" in kinds(steps)
    assert "RepointHyperdrive" not in kinds(steps)
    assert plan(in_place, after(in_place, WORLD)).in_sync


def test_what_was_repointed_before_the_method_was_changed_is_finished_in_its_own_branch():
    repointed = ended(step_of(RepointHyperdrive, ASKED, WORLD).predict(until(RepointHyperdrive, ASKED, WORLD)))
    in_place = asking(RESTORE, REPOINT, Method.IN_PLACE)
    assert "RestoreBranch" not in kinds(plan(in_place, repointed).steps)
    assert "RestoreBranch" in kinds(plan(in_place, until(RepointHyperdrive, ASKED, WORLD)).steps)


def test_from_rebind_to_repoint_the_config_that_serves_is_the_one_that_is_repointed():
    rebound = after(asking(RESTORE), WORLD)
    assert plan(asking(RESTORE, REPOINT), rebound).in_sync
    serving = f"tech961-{asking(RESTORE).timeline}"
    assert serving == step_of(RepointHyperdrive, REPOINT, rebound).hyperdrive
    back = after(REPOINT, rebound)
    assert {MAIN.endpoint.host} == {each.host for each in back.configs}, "both lead to it now"
    assert plan(REPOINT, back).in_sync
    assert serving == step_of(RepointHyperdrive, ASKED, back).hyperdrive, "the Worker is bound to that one"
    alone = replace(back, workers=())
    assert serving == step_of(RepointHyperdrive, replace(ASKED, workers=()), alone).hyperdrive, "it was changed last"


def test_from_repoint_to_rebind_the_next_restore_makes_a_config_of_its_own():
    repointed = after(ASKED, WORLD)
    assert plan(asking(RESTORE), repointed).in_sync
    other = asking(Restore(hours_ago(12), "b", source=ORIGIN))
    assert f"tech961-{other.timeline}" == step_of(CreateHyperdrive, other, repointed).name
    assert "tech961-2" == step_of(CreateHyperdrive, DESIRED, repointed).name, "tech961 leads to what is left"
    assert plan(DESIRED, after(DESIRED, repointed)).in_sync
    twice = after(other, repointed)
    assert "tech961-2" == step_of(CreateHyperdrive, DESIRED, twice).name


def test_a_worker_that_is_bound_to_another_config_is_bound_to_the_one_that_serves_again():
    stray = replace(SEEN, deployed=(DeployedVersion("v9", 100, "elsewhere"),), file_hyperdrive_id="elsewhere")
    steps = plan(REPOINT, replace(WORLD, workers=(stray,))).steps
    assert ["WriteBinding", "UploadVersion", "SwitchTraffic"] == kinds(steps)
    assert {"tech961"} == {step.hyperdrive for step in steps}
    moving = plan(ASKED, replace(WORLD, workers=(stray,))).steps
    assert kinds(moving).index("RepointHyperdrive") < kinds(moving).index("SwitchTraffic")
    assert "UploadVersion" in kinds(moving)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_that_is_bound_to_another_config_is_not_tried_on_the_branch_that_is_left(workers):
    """Until it is repointed, the config answers with what is to be restored, which is nothing to be judged by."""
    stray = replace(SEEN, deployed=(DeployedVersion("v9", 100, "elsewhere"),))
    other = replace(SEEN, config="other.jsonc", script="tech961-jobs")
    gated = replace(ASKED, verify=replace(ASKED.verify, http=(HEALTH,)))
    desired = replace(gated, workers=(*gated.workers, replace(WORKER, config="other.jsonc"))[:workers])
    observed = replace(WORLD, workers=(stray, other)[:workers])
    told = kinds(plan(desired, observed).steps)
    switched = ["RepointHyperdrive", "SwitchTraffic", "RestartPool", "AwaitCache", "VerifyLive"]
    assert [each for each in told if each in (*switched, "StageVersion", "VerifyWorker")] == switched


def test_the_first_config_of_all_is_tried_before_users_are_on_it():
    desired = replace(ASKED, verify=replace(ASKED.verify, http=(HEALTH,)))
    unbound = replace(SEEN, deployed=(DeployedVersion("v0", 100, None),))
    told = kinds(plan(desired, replace(WORLD, configs=(), workers=(unbound,))).steps)
    assert told.index("CreateHyperdrive") < told.index("StageVersion") < told.index("VerifyWorker")
    assert told.index("VerifyWorker") < told.index("SwitchTraffic")


@pytest.mark.parametrize("strategy", Strategy)
def test_where_the_config_that_serves_is_gone_nothing_is_tried_beside_it_and_the_last_check_judges(strategy):
    desired = replace(ASKED, hyperdrive=replace(ASKED.hyperdrive, strategy=strategy))
    desired = replace(desired, verify=replace(desired.verify, http=(HEALTH,)))
    told = kinds(plan(desired, replace(WORLD, configs=())).steps)
    assert not {"StageVersion", "VerifyWorker"} & set(told)
    assert told.index("CreateHyperdrive") < told.index("SwitchTraffic") < told.index("VerifyLive")


def test_a_config_that_was_led_to_a_held_branch_by_hand_is_led_back():
    restored = after(ASKED, WORLD)
    held = next(each for each in restored.branches if ".held." in each.name)
    astray = with_config(restored, host=held.endpoint.host)
    planned = plan(ASKED, astray)
    assert ["RepointHyperdrive", "RestartPool", "AwaitCache"] == kinds(planned.steps)
    assert (held.name, "main") == (planned.steps[0].leaves, planned.steps[0].branch)
    assert plan(ASKED, after(ASKED, astray)).in_sync


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
def test_a_config_that_leads_to_no_timeline_of_ours_or_logs_in_otherwise_is_not_taken(changes, rule):
    observed = with_config(replace(WORLD, branches=(MAIN, STAGING)), **changes)
    assert [rule] == [each.rule for each in plan(ASKED, observed).refusals]
    assert [rule] == [each.rule for each in plan(REPOINT, observed).refusals]


def test_a_pooled_host_that_a_person_has_let_pass_is_that_branch_and_is_left_for_the_direct_one():
    lifted = replace(ASKED, lift=(Lift(Liftable.POOLED_ORIGIN, "we know"),))
    pooled = with_config(WORLD, host="ep-main-pooler.neon.tech")
    assert "main" == step_of(RepointHyperdrive, lifted, pooled).leaves
    assert plan(replace(lifted, primary=REPOINT.primary), pooled).in_sync


def test_where_there_is_no_config_yet_one_is_made_under_the_name_of_the_file():
    assert "tech961" == step_of(CreateHyperdrive, ASKED, replace(WORLD, configs=())).name
    assert {"UploadVersion", "SwitchTraffic"} <= set(kinds(plan(ASKED, replace(WORLD, configs=())).steps))


@st.composite
def histories(draw: st.DrawFn) -> tuple[Desired, Observed]:
    """Restores and undos by both strategies and both methods, each apply having been killed after any step."""
    desired = draw(asked().filter(lambda each: each.hyperdrive is not None))
    observed = world_for(desired, protected=draw(st.booleans()))
    choices = [None, RESTORE, Restore(hours_ago(12), "b", source=ORIGIN)]

    def ask() -> Desired:
        assert desired.hyperdrive is not None
        chosen = replace(desired.hyperdrive, strategy=draw(st.sampled_from(Strategy)))
        file = replace(desired, hyperdrive=chosen)
        return asking(draw(st.sampled_from(choices)), file, draw(st.sampled_from(Method)))

    for _ in range(draw(st.integers(0, 4))):
        earlier = ask()
        steps = plan(earlier, observed).steps
        for step in steps[: draw(st.integers(0, len(steps)))]:
            observed = step.predict(observed)
        observed = ended(observed)
    return ask(), observed


@given(histories())
def test_however_strategies_and_methods_alternate_the_config_that_serves_leads_to_what_is_live_in_the_end(history):
    desired, observed = history
    found = plan(desired, observed)
    if found.refusals:
        return
    for step in found.steps:
        observed = step.predict(observed)
    assert plan(desired, ended(observed)).in_sync
    live = live_branch(desired, observed)
    for seen in observed.workers:
        config = next(each for each in observed.configs if each.id == seen.serving.hyperdrive_id)
        assert live.endpoint.host == config.host
    assert any(each.host == live.endpoint.host for each in observed.configs)


@given(histories())
def test_by_repoint_users_move_only_with_the_config_and_only_after_everything_is_proved(history):
    desired, observed = history
    desired = replace(desired, hyperdrive=replace(desired.hyperdrive, strategy=Strategy.REPOINT))
    steps = plan(desired, observed).steps
    moves = [n for n, step in enumerate(steps) if isinstance(step, RepointHyperdrive)]
    assert len(moves) <= 1
    before, later = (steps[: moves[0]], steps[moves[0] :]) if moves else ((), ())
    assert not any(isinstance(step, SwitchTraffic | VerifyLive) for step in before)
    assert not any(isinstance(step, RenameBranch) and ".held." in step.to for step in before)
    assert not any(isinstance(step, CreateHyperdrive | UploadVersion) for step in later)
    assert not any(isinstance(step, VerifyBranch) and step.branch == later[0].branch for step in later)
