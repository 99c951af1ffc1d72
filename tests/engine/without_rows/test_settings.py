"""What the file says of the project, and what a restore does to roles and databases: what is sent, and what is read."""

from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.core.model.observed import Unknown
from reconciler.core.rules.restore.role_changes import since
from reconciler.engine.events import StepDropped
from reconciler.engine.loop import Apply
from reconciler.engine.observe import with_replaced
from reconciler.errors import ProviderError
from reconciler.sandbox import timestamps
from tests.engine.without_rows.simulation import DAY_SECONDS, names, rules, taken

OURS = (0.5, 2, -1)


@pytest.fixture
def settings(simulate):
    """A production with a compute of its own size that is asked for its first restore, and for settings."""
    return simulate("first restore, settings")


@pytest.fixture
def restored(first):
    first.converge()
    return first


def sizes(simulation, name="main"):
    compute = simulation.compute(name)
    return compute.minimum_units, compute.maximum_units, compute.suspend_timeout_seconds


def test_settings_hold_in_the_end_and_the_compute_is_carried_over(settings):
    assert settings.converge()[-2:] == ["SetHistory", "ProtectBranch"]
    assert settings.world.project.history_retention_seconds == 172_800
    assert settings.branch("main").protected
    assert sizes(settings) == OURS
    assert "PATCH " + settings.compute().id not in settings.writes(), "it was made so"
    assert settings.converge() == []


def test_the_live_compute_is_set_in_one_step(restored):
    for suspend, seconds in (("never", -1), ("5m", 300)):
        restored.change(primary={"compute": {"min": 1, "max": 4, "suspend": suspend}})
        assert restored.converge() == ["SetCompute"]
        assert sizes(restored) == (1, 4, seconds)


def test_a_candidate_gets_the_primarys_compute_before_users(settings):
    settings.fault("status", "GET", "/connection_uri$", 400, times=9)
    with pytest.raises(ProviderError):
        settings.apply()
    settings.world.calm()
    settings.compute(settings.candidate.name).maximum_units = 8
    assert settings.converge()[:2] == ["SetCompute", "VerifyBranch"]
    assert sizes(settings) == OURS


def test_protection_that_the_file_denies_is_taken(restored):
    restored.branch("main").protected = True
    restored.change(primary={"protected": False})
    assert restored.converge() == ["UnprotectBranch"]
    assert not restored.branch("main").protected


def test_the_history_is_not_lowered_below_a_needed_moment(restored):
    """Right before it would be lowered a branch is prepared whose moment would be lost."""
    restored.change(primary={"history_retention": "1h"})
    restored.leap(3 * 3600)
    now = timestamps.now()
    name = f"r-{now - timedelta(hours=2):%Y%m%dT%H%M%S}000Z-other"
    mark = {"reconciler.environment": "production", "reconciler.timeline": name}
    changes = {"annotation": mark, "annotated_at": now, "created_at": now, "parent_id": restored.branch("main").id}
    held = restored.held
    outcome = restored.apply(SetHistory=lambda: restored.add_branch(held, f"main.candidate.{name}", **changes))
    assert restored.world.project.history_retention_seconds == DAY_SECONDS
    assert rules(outcome) == ["history-needed"]
    assert names(event.step for event in restored.reported(StepDropped)) == ["SetHistory"]
    restored.watch.violations.clear()  # the branch that was added shares its data with the one that is held


def test_impossible_settings_are_refused_after_the_restore(first):
    assert first.observe()[1].project.plan.startswith("launch")
    first.change(primary={"history_retention": "30d"})
    outcome = first.apply()
    assert "RenameBranch" in taken(outcome)
    assert rules(outcome) == ["history-beyond-plan"]


# Roles and databases


def add_role(simulation):
    """Have a role that is younger than the moment that is asked for, made in the middle of a run too."""
    roles, now = simulation.branch("main").roles, timestamps.now()
    roles["late"] = replace(roles["app"], name="late", created_at=now)


def test_roles_and_databases_are_read_once_for_a_restore(restored):
    assert [len(restored.reads(what)) for what in ("/roles", "/databases")] == [2, 2]
    restored.watch.requests.clear()
    restored.observe()
    assert restored.reads("/roles") == restored.reads("/databases") == []


@pytest.mark.parametrize("method", ["branch", "in-place"])
def test_a_role_that_goes_is_reported_and_found_on_what_is_held(simulate, method):
    simulation = simulate(primary={"method": method})
    add_role(simulation)

    async def run(desired, ports):
        apply = Apply(desired, ports, lambda _: None)
        outcome = await apply.run()
        assert outcome.converged
        return apply.role_changes, outcome.final.lineage, await with_replaced(desired, outcome.observed, ports)

    changed, lineage, observed = simulation.connected(run)
    assert [str(each) for each in changed] == ['role "late" is gone']
    assert since(observed, lineage) == (f'role "late" is on "{simulation.held}", and not on "main"',)


def test_a_younger_role_and_database_go_and_come_back(first):
    branch = f"/branches/{first.branch('main').id}"
    first.neon("POST", f"{branch}/roles", role={"name": "reporting"})
    first.neon("POST", f"{branch}/databases", database={"name": "stats", "owner_name": "app"})
    said = [each.split(" was created")[0] for each in first.plan().warnings if "will not exist" in each]
    assert said == ['role "reporting"', 'database "stats"']
    first.converge()
    for name, has in (("main", False), (first.held, True)):
        branch = first.branch(name)
        assert ("reporting" in branch.roles, "stats" in branch.databases) == (has, has)
    first.ask(None)
    back = [each.split(" comes back")[0] for each in first.plan().warnings if f'it is on "{first.held}"' in each]
    assert back == said


def test_without_a_replaced_branch_no_roles_are_read(first):
    desired, observed = first.observe()
    first.watch.requests.clear()
    for each in (observed, replace(observed, branches=Unknown("403"))):
        assert first.connected(lambda _, ports, each=each: with_replaced(desired, each, ports)) == each
    assert first.reads("/roles") == []


@pytest.mark.parametrize("what", ["roles", "databases"])
def test_unreadable_roles_stop_no_restore(first, what):
    first.fault("status", "GET", f"/{what}$", 403, times=99)
    accounts = first.observe()[1].accounts
    assert isinstance(accounts, Unknown)
    assert "403" in accounts.reason
    assert [each for each in first.plan().warnings if "403" in each]
    first.converge()


def test_a_moment_before_hyperdrives_role_is_refused(first):
    role = first.branch("main").roles["app"]
    role.created_at = role.updated_at = timestamps.now()
    assert rules(first.apply()) == ["login-too-young"]
    assert first.writes() == []
    first.change(lift=[{"guard": "login-too-young", "reason": "made by SQL"}])
    first.converge()


def test_a_role_made_after_the_approval_changes_no_plan(first):
    digest = first.plan().digest
    add_role(first)
    found = first.plan()
    assert [each for each in found.warnings if 'role "late" was created at' in each]
    assert first.apply(expect=digest).converged
