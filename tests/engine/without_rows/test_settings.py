"""What the file says of the project, and what a restore does to roles, without rows: what is sent, and what is read."""

from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.core.model.observed import Unknown
from reconciler.core.plan.plan import plan
from reconciler.core.rules.restore.role_changes import since
from reconciler.engine.events import PlanChanged, StepDropped
from reconciler.engine.loop import Apply
from reconciler.engine.observe import with_replaced
from reconciler.errors import ProviderError
from reconciler.sandbox import timestamps
from tests.engine.without_rows.stage import Stage

SETTINGS = "first restore, settings"
FIRST = "first restore, rebind"


@pytest.fixture
def stage(worlds):
    """A production with a compute of its own size that is asked for its first restore, and for settings."""
    stage = Stage(worlds, SETTINGS)
    yield stage
    assert stage.watch.violations == []


@pytest.fixture
def plain(worlds):
    stage = Stage(worlds, FIRST)
    yield stage
    assert stage.watch.violations == []


def kinds(steps):
    return [step.wire_name for step in steps]


def compute(stage, name="main"):
    (endpoint,) = stage.world.project.endpoints_of(stage.branch(name).id)
    return endpoint


def sizes(endpoint):
    return endpoint.minimum_units, endpoint.maximum_units, endpoint.suspend_timeout_seconds


def reads(stage, what):
    return [path for method, path, _ in stage.watch.requests if method == "GET" and path.endswith(what)]


def say(stage, **settings):
    stage.asked["primary"] |= settings
    stage.write()


def test_what_the_file_says_of_the_project_is_so_in_the_end_and_the_compute_is_carried_over(stage):
    outcome = stage.apply()
    assert outcome.converged
    assert kinds(done.step for done in outcome.taken)[-2:] == ["SetHistory", "ProtectBranch"]
    project = stage.world.project
    assert (project.history_retention_seconds, stage.branch("main").protected) == (172_800, True)
    assert sizes(compute(stage)) == (0.5, 2, -1)
    assert stage.writes().count("PATCH " + compute(stage).id) == 0  # it was made so
    assert stage.apply().taken == ()


def test_what_the_file_says_of_the_live_compute_is_set_in_one_request_that_names_nothing_else(plain):
    assert plain.apply().converged
    say(plain, compute={"min": 1, "max": 4, "suspend": "never"}, protected=False)
    outcome = plain.apply()
    assert kinds(done.step for done in outcome.taken) == ["SetCompute"]
    assert sizes(compute(plain)) == (1, 4, -1)
    say(plain, compute={"min": 1, "max": 4, "suspend": "5m"})
    assert plain.apply().converged
    assert sizes(compute(plain)) == (1, 4, 300)


def test_a_candidate_that_has_another_compute_gets_the_primarys_before_users_are_on_it(stage):
    stage.fault("status", "GET", "/connection_uri$", 400, times=9)
    with pytest.raises(ProviderError):
        stage.apply()
    stage.world.calm()
    candidate = f"main.candidate.{stage.world.timeline_asked()}"
    compute(stage, candidate).maximum_units = 8
    taken = kinds(done.step for done in stage.apply().taken)
    assert taken[:2] == ["SetCompute", "VerifyBranch"]
    assert sizes(compute(stage)) == (0.5, 2, -1)


def test_the_protection_that_the_file_takes_is_taken_for_good(plain):
    assert plain.apply().converged
    plain.branch("main").protected = True
    say(plain, protected=False)
    outcome = plain.apply()
    assert (kinds(done.step for done in outcome.taken), outcome.converged) == (["UnprotectBranch"], True)
    assert not plain.branch("main").protected


def test_a_shorter_history_is_not_set_where_a_moment_is_needed_by_then(plain):
    """Right before it would be lowered somebody prepares a branch of a moment that would be lost."""
    assert plain.apply().converged
    say(plain, history_retention="1h")
    plain.loop.leapt += 3 * 3600
    moment = timestamps.now() - timedelta(hours=2)
    branch = plain.branch("main")

    def prepare():
        name = f"r-{moment:%Y%m%dT%H%M%S}000Z-other"
        branch_id = "br-other-one-12345678"
        held = next(each for each in plain.world.project.branches.values() if ".held." in each.name)
        made = type(held)(**{**vars(held), "id": branch_id, "name": f"main.candidate.{name}", "parent_id": branch.id})
        made.annotation = {"reconciler.environment": "production", "reconciler.timeline": name}
        made.annotated_at, made.created_at = timestamps.now(), timestamps.now()
        plain.world.project.branches[branch_id] = made

    outcome = plain.apply(SetHistory=prepare)
    assert plain.world.project.history_retention_seconds == 86_400
    assert [each.rule for each in outcome.final.refusals] == ["history-needed"]
    assert kinds(event.step for event in plain.said(StepDropped)) == ["SetHistory"]
    del plain.world.project.branches["br-other-one-12345678"]


def test_settings_that_cannot_be_had_are_refused_once_the_restore_is_done(plain):
    assert plain.observe()[1].project.plan.startswith("launch")
    say(plain, history_retention="30d")
    outcome = plain.apply()
    assert ("RenameBranch" in kinds(done.step for done in outcome.taken), outcome.converged) == (True, False)
    assert [each.rule for each in outcome.final.refusals] == ["history-beyond-plan"]


# Roles and databases


def test_roles_and_databases_are_read_for_a_pending_restore_alone_and_once_by_each_run(plain):
    assert plain.apply().converged
    assert (len(reads(plain, "/roles")), len(reads(plain, "/databases"))) == (2, 2)
    plain.watch.requests.clear()
    plain.observe()
    assert reads(plain, "/roles") == reads(plain, "/databases") == []


@pytest.mark.parametrize("method", ["branch", "in-place"])
def test_a_role_that_is_gone_with_the_restore_is_told_of_the_run_and_by_what_is_held_from_then_on(plain, method):
    plain.asked["primary"]["method"] = method
    plain.write()
    roles = plain.branch("main").roles
    roles["late"] = type(roles["app"])(**{**vars(roles["app"]), "name": "late", "created_at": timestamps.now()})

    async def run(desired, ports):
        apply = Apply(desired, ports, lambda _: None)
        outcome = await apply.run()
        assert outcome.converged
        return apply.rewound, outcome.final.lineage, await with_replaced(desired, outcome.observed, ports)

    changed, lineage, observed = plain.connected(run)
    assert [str(each) for each in changed] == ['role "late" is gone']
    assert since(observed, lineage) == (f'role "late" is on "{lineage.newest.branch.name}", and not on "main"',)


def test_where_nothing_was_replaced_no_roles_are_read_to_be_compared(plain):
    desired, observed = plain.observe()
    plain.watch.requests.clear()
    assert plain.connected(lambda _, ports: with_replaced(desired, observed, ports)) == observed
    unknown = replace(observed, branches=Unknown("403"))
    assert plain.connected(lambda _, ports: with_replaced(desired, unknown, ports)) == unknown
    assert reads(plain, "/roles") == []


@pytest.mark.parametrize("what", ["roles", "databases"])
def test_roles_that_cannot_be_read_are_unknown_and_the_restore_goes_on(plain, what):
    plain.fault("status", "GET", f"/{what}$", 403, times=99)
    desired, observed = plain.observe()
    assert isinstance(observed.accounts, Unknown)
    assert "403" in observed.accounts.reason
    assert any("can't be told" in each for each in plan(desired, observed).warnings)
    assert plain.apply().converged


def test_a_moment_before_the_role_of_hyperdrive_is_refused_and_nothing_is_written(plain):
    role = plain.branch("main").roles["app"]
    role.created_at = role.updated_at = timestamps.now()
    outcome = plain.apply()
    assert [each.rule for each in outcome.final.refusals] == ["login-too-young"]
    assert plain.writes() == []
    plain.asked["lift"] = [{"guard": "login-too-young", "reason": "made by SQL"}]
    plain.write()
    assert plain.apply().converged


def test_what_was_approved_is_carried_out_though_a_role_is_made_meanwhile(plain):
    digest = plan(*plain.observe()).digest
    roles = plain.branch("main").roles
    roles["late"] = type(roles["app"])(**{**vars(roles["app"]), "name": "late", "created_at": timestamps.now()})
    desired, observed = plain.observe()
    assert any('role "late" was created at' in each for each in plan(desired, observed).warnings)
    try:
        assert plain.apply(expect=digest).converged
    except PlanChanged:
        pytest.fail("a warning is no part of what is approved")
