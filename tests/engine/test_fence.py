"""A fence, on real PostgreSQL: no write reaches the old history from right before the switch on."""

import asyncio
from contextlib import contextmanager
from dataclasses import replace

import psycopg
import pytest
from psycopg import errors

from reconciler.cli.repository.environments import EnvironmentFile
from reconciler.cli.wiring import connected
from reconciler.core.steps.branch import FenceBranch, RemoveFence
from reconciler.core.steps.worker import SwitchTraffic, UploadVersion
from reconciler.engine import loop
from reconciler.engine.events import NotMended, PlanChanged, StepFinished, StepStarted
from reconciler.engine.loop import Apply
from reconciler.errors import FenceFailed, LeaseLost, ReconcilerError, Suspended
from tests.support import database
from tests.support.database import DAMAGED, GOOD, Rows
from tests.support.shops import DATABASE, PRIMARY, ROLE
from tests.support.waiting import eventually

_MARK = "fenced by reconciler"


class _Killed(BaseException):
    """Nothing that the process would do after this is done."""


@pytest.fixture
def fenced(production):
    """A production whose file asks for the good moment, and for a fence."""
    production.desired["primary"]["fence"] = True
    production.ask(production.shop.good)
    return production


def run(production, *, permit=None, consent=None, expect=None, report=None, fences=lambda real: real):
    """Apply in this process; `fences` may stand before the real ones."""

    async def apply():
        desired = EnvironmentFile(production.file, production.root).read()
        async with connected(desired, production.root, production.environment) as ports:
            between = replace(ports, fences=fences(ports.fences))
            return await Apply(desired, between, report or production.events.append, permit, consent).run(expect)

    return asyncio.run(apply())


def killed_at(production, event, step):
    """Run until the first such event of such a step, and be killed there."""

    def report(happened):
        if isinstance(happened, event) and isinstance(happened.step, step):
            raise _Killed

    with pytest.raises(_Killed):
        run(production, report=report)


def takes_writes(production, name=PRIMARY):
    """Tell whether a fresh session of the application can write to a branch."""
    try:
        with database.connected(production.uri(production.branch(name))) as connection:
            connection.execute("create temporary table probe ()")
            connection.execute('insert into "Click" (listing_id) select 1 where false')
    except errors.ReadOnlySqlTransaction:
        return False
    return True


def compute_names(production):
    """The names of the computes by the names of their branches."""
    body = production.sandbox.neon("GET", f"/projects/{production.project}/endpoints")
    names = {each["branch_id"]: each.get("name", "") for each in body["endpoints"]}
    return {name: names[each["id"]] for name, each in production.branches().items() if each["id"] in names}


def held(production):
    (name,) = [name for name in production.branches() if ".held." in name]
    return name


def name_compute(production, name):
    body = production.sandbox.neon("GET", f"/projects/{production.project}/endpoints")
    (endpoint,) = [each["id"] for each in body["endpoints"]]
    path = f"/projects/{production.project}/endpoints/{endpoint}"
    production.sandbox.neon("PATCH", path, json={"endpoint": {"name": name}})


@contextmanager
def superuser(production, name=PRIMARY):
    """A session that owns everything, as the application's role does in what it has made."""
    with psycopg.connect(production.uri(production.branch(name)), autocommit=True) as connection:
        connection.execute("set default_transaction_read_only = off")
        yield connection


def test_old_sessions_end_and_new_ones_can_not_write_from_before_the_switch_until_an_undo(fenced):
    old = psycopg.connect(fenced.uri(fenced.branch(PRIMARY)), autocommit=True)
    name_compute(fenced, "ours")
    before = []

    def report(event):
        if isinstance(event, StepStarted) and isinstance(event.step, SwitchTraffic):
            before.append(takes_writes(fenced))

    with old:
        assert run(fenced, report=report).converged
        with pytest.raises(psycopg.OperationalError):
            old.execute('insert into "Click" (listing_id) values (1)')
    assert before == [False]
    fenced.check_live(GOOD)
    past = held(fenced)
    assert compute_names(fenced)[past] == f"{_MARK}: ours"
    assert not takes_writes(fenced, past)
    assert fenced.rows_on(past) == DAMAGED
    assert takes_writes(fenced)
    fenced.check_in_sync()

    database.add_clicks(fenced.uri(fenced.branch(PRIMARY)), 1)
    fenced.ask(None)
    assert run(fenced).converged
    fenced.check_live(DAMAGED)
    assert takes_writes(fenced)
    assert compute_names(fenced)[PRIMARY] == "ours"
    assert not takes_writes(fenced, held(fenced))
    assert fenced.rows_on(held(fenced)) == Rows(GOOD.listings, GOOD.clicks + 1)
    fenced.check_in_sync()


@pytest.mark.thorough
def test_a_run_that_is_killed_at_any_point_of_the_window_is_followed_by_one_that_lifts_the_fence_first(fenced):
    class DiesBefore:
        """Killed when the mark is set, and nothing else."""

        def __init__(self, real):
            self.open = real.open

        async def close(self, _owner, _user):
            raise _Killed

    class DiesAfter:
        """Killed when the database is read-only, and nobody has seen it."""

        def __init__(self, real):
            self.open, self._real = real.open, real

        async def close(self, owner, user):
            await self._real.close(owner, user)
            raise _Killed

    for dying, writable in ((DiesBefore, True), (DiesAfter, False)):
        with pytest.raises(_Killed):
            run(fenced, fences=dying)
        assert compute_names(fenced)[PRIMARY] == _MARK
        assert takes_writes(fenced) == writable
        killed_at(fenced, StepFinished, RemoveFence)
        assert takes_writes(fenced)
        assert _MARK not in compute_names(fenced)[PRIMARY]
    killed_at(fenced, StepStarted, SwitchTraffic)
    assert not takes_writes(fenced)
    killed_at(fenced, StepFinished, SwitchTraffic)
    assert not takes_writes(fenced), "users are on the new one"
    assert run(fenced).converged
    fenced.check_live(GOOD)
    assert takes_writes(fenced)
    assert not takes_writes(fenced, held(fenced))


@pytest.mark.thorough
def test_what_is_held_already_is_fenced_when_the_option_is_set_and_says_so_only_when_it_is_done(fenced):
    class Dies:
        """Killed before the database is read-only."""

        def __init__(self, real):
            self.open = real.open

        async def close(self, _owner, _user):
            raise _Killed

    fenced.desired["primary"]["fence"] = False
    fenced.write("no fence")
    assert run(fenced).converged
    assert takes_writes(fenced, held(fenced))
    fenced.desired["primary"]["fence"] = True
    fenced.write("a fence")
    with pytest.raises(_Killed):
        run(fenced, fences=Dies)
    assert _MARK not in compute_names(fenced)[held(fenced)]
    outcome = run(fenced)
    assert [type(each.step) for each in outcome.taken] == [FenceBranch]
    assert not takes_writes(fenced, held(fenced))
    assert compute_names(fenced)[held(fenced)] == _MARK
    fenced.check_in_sync()


@pytest.mark.thorough
def test_a_list_of_versions_that_lags_behind_the_fence_leads_to_no_second_upload(fenced):
    lagging = []

    def report(event):
        fenced.events.append(event)
        if isinstance(event, StepStarted) and isinstance(event.step, FenceBranch) and not lagging:
            lagging.append(event)
            fenced.sandbox.fault("stale", "GET", "/versions$", times=2)

    assert run(fenced, report=report).converged
    begun = [each for each in fenced.events if isinstance(each, StepStarted) and isinstance(each.step, UploadVersion)]
    assert len(begun) == 2, "it was never asked for again"
    assert len(fenced.versions(*fenced.scripts)) == 2
    fenced.check_live(GOOD)


@pytest.mark.thorough
def test_an_undo_that_is_killed_between_its_steps_comes_to_its_end(fenced):
    assert run(fenced).converged
    past = held(fenced)
    fenced.ask(None)
    killed_at(fenced, StepFinished, FenceBranch)
    assert (takes_writes(fenced), takes_writes(fenced, past)) == (False, False)
    killed_at(fenced, StepFinished, RemoveFence)
    assert (takes_writes(fenced), takes_writes(fenced, past)) == (True, False), "users are still on the restored one"
    killed_at(fenced, StepStarted, SwitchTraffic)
    assert (takes_writes(fenced), takes_writes(fenced, past)) == (False, True)
    assert run(fenced).converged
    fenced.check_live(DAMAGED)
    assert takes_writes(fenced)
    assert not takes_writes(fenced, held(fenced))


@pytest.mark.thorough
def test_a_run_that_fails_at_the_switch_leaves_users_with_a_database_that_takes_writes(fenced):
    fenced.sandbox.fault("status:400", "POST", "/deployments$", nth=1)
    with pytest.raises(ReconcilerError):
        run(fenced)
    assert takes_writes(fenced)
    assert _MARK not in compute_names(fenced)[PRIMARY]
    assert isinstance(fenced.events[-1].step, RemoveFence)
    fenced.sandbox.calm()
    assert run(fenced).converged
    assert not takes_writes(fenced, held(fenced))


@pytest.mark.thorough
def test_where_that_can_not_be_lifted_it_is_said_that_writes_may_fail(fenced):
    fenced.sandbox.fault("status:400", "POST", "/deployments$", nth=1)
    fenced.sandbox.fault("status:400", "PATCH", "/endpoints/", nth=2)
    with pytest.raises(ReconcilerError):
        run(fenced)
    assert isinstance(fenced.events[-1], NotMended)
    assert "400" in fenced.events[-1].why


@pytest.mark.thorough
def test_lifting_that_takes_too_long_is_given_up_and_said(fenced, monkeypatch):
    class Hangs:
        """Closes, and does not come back from opening the old one."""

        def __init__(self, real):
            self.close, self._real = real.close, real

        async def open(self, owner, user):
            if any(isinstance(each, StepStarted) and isinstance(each.step, SwitchTraffic) for each in fenced.events):
                await asyncio.Event().wait()
            await self._real.open(owner, user)

    monkeypatch.setattr(loop, "_MENDING_SECONDS", 1.0)
    fenced.sandbox.fault("status:400", "POST", "/deployments$", nth=1)
    with pytest.raises(ReconcilerError):
        run(fenced, fences=Hangs)
    assert fenced.events[-1] == NotMended("no answer within 1 s")


@pytest.mark.thorough
def test_a_run_that_is_ended_in_order_between_fence_and_switch_lifts_the_fence(fenced):
    def report(event):
        fenced.events.append(event)
        if isinstance(event, StepStarted) and isinstance(event.step, SwitchTraffic):
            asyncio.current_task().cancel()

    with pytest.raises(asyncio.CancelledError):
        run(fenced, report=report)
    assert takes_writes(fenced)
    assert isinstance(fenced.events[-1].step, RemoveFence)


@pytest.mark.thorough
def test_a_run_that_has_lost_its_right_lifts_nothing(fenced):
    class Lost:
        """Somebody else may be at work from the switch on."""

        async def confirm(self):
            if any(isinstance(each, StepFinished) and isinstance(each.step, FenceBranch) for each in fenced.events):
                raise LeaseLost("taken over")

    with pytest.raises(LeaseLost):
        run(fenced, permit=Lost())
    assert not takes_writes(fenced)
    assert isinstance(fenced.events[-1], NotMended)


@pytest.mark.thorough
def test_a_suspension_keeps_no_run_from_letting_users_write_again(fenced):
    class Withdrawn:
        """The environment is suspended while its live branch is fenced."""

        async def confirm(self):
            if not takes_writes(fenced):
                raise Suspended("ada suspended production")

    with pytest.raises(Suspended):
        run(fenced, consent=Withdrawn())
    assert [type(event.step) for event in fenced.events[-3:-1]] == [FenceBranch, RemoveFence]
    assert takes_writes(fenced)
    killed_at(fenced, StepFinished, FenceBranch)
    fenced.events.clear()
    with pytest.raises(Suspended):
        run(fenced, consent=Withdrawn())
    assert {type(event.step) for event in fenced.events} == {RemoveFence}
    assert takes_writes(fenced)


@pytest.mark.thorough
def test_a_left_fence_is_lifted_though_the_plan_that_was_approved_is_another(fenced):
    killed_at(fenced, StepFinished, FenceBranch)

    class Given:
        """The lease is there."""

        async def confirm(self):
            return None

    with pytest.raises(PlanChanged):
        run(fenced, permit=Given(), expect="0" * 16)
    assert takes_writes(fenced)
    assert [type(each.step) for each in fenced.events if isinstance(each, StepFinished)] == [RemoveFence]


@pytest.mark.thorough
def test_a_left_fence_is_lifted_though_what_is_asked_is_refused(fenced):
    killed_at(fenced, StepFinished, FenceBranch)
    fenced.ask(fenced.shop.good, id="b", **{"from": "r-20200101T000000000Z"})
    outcome = run(fenced)
    assert [each.rule for each in outcome.final.refusals] == ["source-not-held"]
    assert [type(each.step) for each in outcome.taken] == [RemoveFence]
    assert takes_writes(fenced)


@pytest.mark.thorough
def test_a_last_check_that_fails_puts_back_a_database_that_takes_writes(fenced, web):
    fenced.verify(http=[web.url])
    fenced.desired["verify"]["http"][0]["for"] = "1ms"
    fenced.write("impatient")
    web.live_status = 500
    before = []

    def report(event):
        if isinstance(event, StepStarted) and isinstance(event.step, SwitchTraffic):
            before.append(takes_writes(fenced))

    outcome = run(fenced, report=report)
    assert [each.rule for each in outcome.final.refusals] == ["timeline-failed"]
    assert before == [False, True]
    assert fenced.rows() == DAMAGED
    assert takes_writes(fenced)


@pytest.mark.thorough
def test_a_moment_at_which_the_source_was_fenced_is_restored_to_a_branch_that_takes_writes(fenced):
    assert run(fenced).converged
    uri = fenced.uri(fenced.branch(held(fenced)))
    at = database.moment(uri)
    database.settle(at)
    fenced.ask(at, **{"from": "origin"})
    assert run(fenced).converged
    fenced.check_live(DAMAGED)
    assert takes_writes(fenced)


@pytest.mark.thorough
def test_a_role_that_sets_it_back_for_itself_is_found_out_and_nothing_is_switched(fenced):
    with superuser(fenced) as connection:
        connection.execute(f"alter role {ROLE} set default_transaction_read_only = off")
    with pytest.raises(FenceFailed, match="its own setting") as failure:
        run(fenced)
    assert f"alter role {ROLE} reset" in failure.value.hint
    assert takes_writes(fenced)
    assert _MARK not in compute_names(fenced)[PRIMARY]
    assert fenced.rows() == DAMAGED


@pytest.mark.thorough
def test_a_role_that_does_not_own_the_database_is_fenced_by_its_owner(make_production):
    production = make_production(hyperdrive=False)
    branch = production.branch(PRIMARY)
    path = f"/projects/{production.project}/branches/{branch['id']}/roles"
    production.sandbox.neon("POST", path, json={"role": {"name": "reader"}})
    eventually(production.is_idle, "the role")
    at = database.moment(production.uri(branch))
    database.settle(at)
    production.desired["primary"]["fence"] = True
    production.desired["verify"] = {"database": DATABASE, "role": "reader"}
    production.ask(at)
    assert run(production).converged
    assert not takes_writes(production, held(production))
    assert takes_writes(production)
