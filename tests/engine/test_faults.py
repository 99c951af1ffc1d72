"""Every write of a restore goes wrong once, in every way: the restore still ends right, or the next run makes it so."""

from collections import Counter

import pytest

from reconciler.engine.apply import Apply, StepFinished, StepStarted, StepUncertain
from reconciler.errors import ProviderError, ReconcilerError
from reconciler.providers.neon import client as neon
from tests.support.bench import Bench
from tests.support.database import DAMAGED, GOOD
from tests.support.shops import PRIMARY

# A clean restore makes a branch, a config and a version, stages, switches, renames twice, sets the default, protects.
_WRITES = range(9)


@pytest.fixture(scope="module")
def bench(sandbox, shops, tmp_path_factory):
    """A protected production with an HTTP gate, restored again and again; its clean run tells what is written."""
    with Bench(sandbox, shops, tmp_path_factory) as bench:
        yield bench


@pytest.mark.thorough
def test_a_clean_restore_makes_as_many_writes_as_are_made_to_fail_here(bench):
    assert len(bench.clean_writes) == len(_WRITES), bench.clean_writes


@pytest.mark.thorough
@pytest.mark.parametrize("number", _WRITES)
@pytest.mark.parametrize("action", ["drop-before", "drop-after"])
def test_a_write_whose_answer_is_lost_is_looked_for_before_it_is_repeated(bench, action, number):
    write = bench.clean_writes[number]
    with bench.restore() as production:
        production.sandbox.fault(action, write.method, write.pattern, nth=write.nth)
        _apply_until_converged(production)
        repeated = 1 if action == "drop-before" else 0
        assert len(bench.writes_now()) == len(_WRITES) + repeated
        bench.check_restored()


@pytest.mark.parametrize("turn", range(3))
def test_every_write_that_is_refused_as_busy_is_sent_again(bench, without_waiting, turn):
    """In three turns, each write is refused with each of the statuses that say that nothing was done."""
    busy = [(503, 423, 429)[(number + turn) % 3] for number in _WRITES]
    with bench.restore() as production:
        for write, status, refused_before in zip(bench.clean_writes, busy, _refused_before(bench), strict=True):
            path = write.method, write.pattern
            production.sandbox.fault(f"status:{status}", *path, nth=write.nth + refused_before)
        assert production.apply().converged
        assert [each.status for each in bench.writes_now() if each.status > 400] == busy
        assert len(bench.writes_now()) == 2 * len(_WRITES)
        bench.check_restored()


def _refused_before(bench):
    """For each write, how many of those before it the same pattern matches: each was sent twice."""
    seen = Counter()
    for write in bench.clean_writes:
        yield seen[write.method, write.pattern]
        seen[write.method, write.pattern] += 1


@pytest.mark.thorough
@pytest.mark.parametrize("number", _WRITES)
def test_reads_that_lag_behind_a_write_repeat_nothing(bench, number):
    write = bench.clean_writes[number]
    with bench.restore() as production:
        # One whole look, and a little more, at what the same provider had before the write.
        production.sandbox.fault("stale", "GET", write.reads, nth=write.reads_before + 1, times=6)
        _apply_until_converged(production)
        bench.check_restored()
        assert len(bench.writes_now()) == len(_WRITES), "a write was repeated"


@pytest.mark.thorough
def test_a_list_of_branches_that_lags_behind_the_list_of_configs_does_not_make_a_config_of_ours_somebody_elses(bench):
    """A run has died after it made the config, and Neon does not show the branch to the next one yet."""
    with bench.restore() as production:
        production.sandbox.fault("status:400", "POST", "/versions$")
        with pytest.raises(ProviderError):
            production.apply()
        assert production.config_name() in production.configs()
        production.sandbox.fault("stale", "GET", "/branches$")
        assert production.apply().converged
        bench.check_restored()


@pytest.mark.thorough
def test_a_branch_that_neon_lists_and_does_not_know_yet_is_waited_for(bench):
    with bench.restore() as production:
        production.events.clear()
        production.sandbox.fault("status:404", "GET", "/connection_uri")
        assert production.apply().converged
        assert [each.why for each in production.events if isinstance(each, StepUncertain) and "404" in each.why]
        bench.check_restored()


@pytest.mark.thorough
def test_a_lost_write_that_shows_only_after_a_while_counts_as_done(bench):
    write = next(each for each in bench.clean_writes if each.method == "PATCH")
    with bench.restore() as production:
        production.events.clear()
        production.sandbox.fault("drop-after", write.method, write.pattern, nth=write.nth)
        production.sandbox.fault("stale", "GET", write.reads, nth=write.reads_before + 1, times=4)
        outcome = production.apply()
        assert [type(each.step).__name__ for each in outcome.taken].count("RenameBranch") == 2
        started = {each.step for each in production.events if isinstance(each, StepStarted)}
        assert started == {each.step for each in production.events if isinstance(each, StepFinished)}
        bench.check_restored()


@pytest.mark.thorough
def test_what_neon_never_comes_to_know_is_told_in_its_own_words(bench, monkeypatch):
    monkeypatch.setattr(Apply, "_patience", lambda *_: 0.0)
    with bench.restore() as production:
        production.sandbox.fault("status:404", "GET", "/connection_uri", times=9)
        with pytest.raises(ProviderError, match=r"Neon: GET .*connection_uri: 404"):
            production.apply()
        assert [each.path.endswith("/connection_uri") for each in production.sandbox.requests()].count(True) == 4


def _apply_until_converged(production):
    """Apply; where that ends in an error, once more is enough."""
    try:
        outcome = production.apply()
    except ReconcilerError:
        outcome = production.apply()
    assert outcome.converged


@pytest.mark.thorough
def test_a_branch_that_neon_fails_to_make_ends_the_run_and_is_never_used(production, monkeypatch):
    monkeypatch.setattr(neon, "_FAILED_SECONDS", 0.2)
    primary = production.branch(PRIMARY)
    production.sandbox.fault("fail-operation", "POST", "/branches$")
    production.ask(production.shop.good)
    for _ in range(2):
        with pytest.raises(ProviderError, match="create_branch ended as failed"):
            production.apply()
    assert production.rows() == DAMAGED
    assert production.branch(PRIMARY)["id"] == primary["id"]
    assert production.own_configs() == [production.name]
    assert production.timeline_branches(production.timeline()) == [f"main.candidate.{production.timeline()}"]

    # What the error's hint says: delete what was left, and run it again.
    left = production.branch(f"main.candidate.{production.timeline()}")
    production.sandbox.neon("DELETE", f"/projects/{production.project}/branches/{left['id']}")
    assert production.apply().converged
    production.check_live(GOOD)
