"""Repoint: what is sent to Cloudflare, what is looked at again, and how a run that died is continued."""

from datetime import timedelta

import pytest

from reconciler.core.model.hyperdrive import CACHING_OFF
from reconciler.core.model.observed import Unknown
from reconciler.sandbox import timestamps
from tests.engine.without_rows.simulation import GATED, rules, taken
from tests.support.cloudflare import Upload

ONCE = ["PATCH config", "POST restart"]
CACHED = timedelta(seconds=75)


@pytest.fixture
def first(simulate):
    """A production with an HTTP gate that is asked for its first restore, by repoint. It has one config."""
    return simulate(GATED, hyperdrive={"strategy": "repoint"})


@pytest.fixture
def settled(simulate):
    """The same, in sync."""
    return simulate(GATED, hyperdrive={"strategy": "repoint"}, primary={"restore": None})


@pytest.fixture
def failed(first):
    """The same, after a restore that failed its last check."""
    first.world.route.live = False
    first.outcome = first.apply()
    assert rules(first.outcome) == ["timeline-failed"]
    return first


def config(simulation):
    (found,) = simulation.world.account.configs.values()
    return found


def behind(simulation):
    """The name of the branch that the config points to."""
    return simulation.world.branch_at(config(simulation).origin["port"]).name


def to_hyperdrive(simulation):
    """Every write to Hyperdrive, as its method and the last part of its path."""
    sent = [(method, path) for method, path, _ in simulation.watch.requests if method != "GET"]
    paths = [(method, path) for method, path in sent if "/hyperdrive/" in path]
    return [f"{method} {'restart' if path.endswith('restart') else 'config'}" for method, path in paths]


def put_worker(simulation, name):
    """Deploy a Worker by hand that the file knows nothing about."""
    files = Upload().parts(DB=config(simulation).id)
    simulation.do(simulation.world.cloudflare("PUT", f"/workers/scripts/{name}", files=files))


def test_a_restore_and_its_undo_change_the_config_once_each(first):
    for times, restore in ((1, first.desired["primary"]["restore"]), (2, None)):
        begun = timestamps.now()
        first.ask(restore)
        first.converge()
        assert behind(first) == "main"
        assert to_hyperdrive(first) == ONCE * times
        assert timestamps.now() - begun > CACHED, "cached answers are waited out"
    assert "POST deployments" not in first.writes()
    assert first.plan().in_sync


def test_the_new_branchs_password_goes_along(first):
    """The child of a protected branch has another one."""
    first.branch("main").protected = True
    before = config(first).origin["password"]
    first.converge()
    assert config(first).origin["password"] == first.branch("main").roles["app"].password != before


@pytest.mark.parametrize(("method", "path"), [("PATCH", "/configs/[0-9a-f]+$"), ("POST", "/restart$")])
def test_a_killed_run_is_continued_to_the_restart(first, method, path):
    first.kill_after(method, path)
    steps = first.converge()
    assert "VerifyBranch" not in steps, "what serves has been proved"
    assert "AwaitCache" in steps
    assert to_hyperdrive(first) == ONCE


def test_a_config_repointed_right_before_is_left_alone(first):
    outcome = first.apply(RepointHyperdrive=lambda: config(first).origin.update(host="db.example.com"))
    assert rules(outcome) == ["hyperdrive-differs"]
    assert "RepointHyperdrive" not in taken(outcome)
    assert to_hyperdrive(first) == []
    first.watch.violations.clear()  # users reach no database of ours since it was repointed by hand


def test_other_users_of_the_config_are_named_and_listed_once(first):
    put_worker(first, "reports")
    planned = first.plan()
    assert any("does not name these, which move too: reports" in each for each in planned.warnings)
    first.watch.requests.clear()
    assert first.apply(expect=planned.digest).converged
    assert len(first.reads("/workers/scripts")) == 1
    del first.world.account.scripts["reports"]


def test_nothing_begins_while_other_users_are_unknown(first):
    first.fault("status", "GET", "/settings$", 403, times=10)
    assert isinstance(first.observe()[1].sharers, Unknown)
    assert rules(first.apply()) == ["unreadable"]
    assert first.writes() == []


def test_a_failed_last_check_points_the_config_back(failed):
    assert behind(failed) == "main"
    assert to_hyperdrive(failed) == ONCE * 2
    assert taken(failed.outcome)[-4:] == ["RenameBranch", "RepointHyperdrive", "RestartPool", "AwaitCache"]


def test_a_way_back_that_died_before_the_restart_is_continued(failed):
    config(failed).restarted_on = config(failed).modified_on - timedelta(seconds=30)
    assert taken(failed.apply()) == ["RestartPool"]


def test_a_cache_that_is_off_is_not_waited_for(settled):
    settled.change(hyperdrive={"caching": {"disabled": True}})
    assert settled.converge() == ["UpdateHyperdrive"]
    assert config(settled).caching == {"disabled": True}
    begun = timestamps.now()
    settled.world.ask(settled.world.moments[0])
    assert "AwaitCache" not in settled.converge()
    assert timestamps.now() - begun < CACHED
    settled.watch.violations.clear()  # the invariant is about a cache that is on


def test_a_setting_changed_by_hand_is_set_and_no_other(settled):
    settled.change(hyperdrive={"connection_limit": 20, "strategy": "rebind"})
    config(settled).caching = {"disabled": False, "max_age": 5}
    settled.converge()
    assert config(settled).origin_connection_limit == 20
    assert config(settled).caching == {"disabled": False, "max_age": 5}


def test_a_setting_set_right_by_hand_is_not_sent(settled):
    settled.change(hyperdrive={"connection_limit": 20, "strategy": "rebind"})
    settled.converge(UpdateHyperdrive=lambda: setattr(config(settled), "origin_connection_limit", 20))
    assert to_hyperdrive(settled) == []


def test_rebind_hands_on_a_cache_that_is_off(simulate):
    simulation = simulate(GATED)
    config(simulation).caching = {"disabled": True}
    simulation.converge()
    assert [each.caching for each in simulation.observe()[1].configs] == [CACHING_OFF] * 2


# Passwords


def test_a_password_reset_at_neon_is_given_to_hyperdrive(settled):
    settled.leap(120)
    settled.neon("POST", f"/branches/{settled.branch('main').id}/roles/app/reset_password")
    old = config(settled).origin["password"]
    assert settled.converge() == ["RenewPassword"]
    assert config(settled).origin["password"] == settled.branch("main").roles["app"].password != old
    assert settled.plan().in_sync


def test_a_password_reset_during_an_approved_apply_is_renewed(first):
    def reset():
        first.leap(120)
        first.candidate.roles["app"].updated_at = timestamps.now()

    outcome = first.apply(expect=first.plan().digest, RenameBranch=reset)
    assert outcome.converged
    steps = taken(outcome)
    assert steps[steps.index("RenewPassword") :][:2] == ["RenewPassword", "RestartPool"]
    assert first.plan().in_sync
    first.watch.violations.clear()  # the invariant takes every change of the config for a repoint


def test_an_unknown_time_of_the_password_changes_nothing(settled):
    settled.fault("status", "GET", "/roles/app$", 403, times=10)
    assert settled.observe()[1].password_changed_at is None
    assert settled.plan().in_sync


def test_a_deleted_config_leaves_gates_at_0_percent_out(simulate):
    """Users reach no database, so that the restore goes on, and its gate is asked right after the switch."""
    simulation = simulate(GATED)
    simulation.world.account.configs.clear()
    assert "VerifyLive" in simulation.converge()
    before, switched = simulation.watch.violations
    assert before == "users of shop-api reach no database"
    assert switched.endswith("whose HTTP gate was never asked")
    simulation.watch.violations.clear()
