"""Each write of a restore goes wrong once: the restore still ends right, or the next run makes it so."""

import pytest

from reconciler.engine.events import StepFinished, StepStarted, StepUncertain
from reconciler.errors import ProviderError, ReconcilerError
from tests.engine.without_rows.simulation import GATED, Simulation, taken

_WRITES = 9


def begin(worlds):
    """A protected production with an HTTP gate, which is asked for its first restore."""
    simulation = Simulation(worlds, GATED)
    simulation.branch("main").protected = True
    return simulation


@pytest.fixture
def restore(worlds):
    simulation = begin(worlds)
    yield simulation
    assert simulation.watch.violations == []
    assert simulation.names() == sorted(["main", f"main.held.origin.before.{simulation.timeline}"])
    assert simulation.branch("main").protected
    assert simulation.configs() == ["shop", f"shop-{simulation.timeline}"]
    assert simulation.apply().taken == ()


@pytest.fixture(scope="module")
def requests(worlds):
    """The requests of a restore in which nothing goes wrong, as (method, path)."""
    simulation = begin(worlds)
    simulation.converge()
    return [(method, path) for method, path, _ in simulation.watch.requests]


@pytest.fixture(scope="module")
def writes(requests):
    """The number of each write among the requests, counted from 1."""
    return [number for number, (method, _) in enumerate(requests, 1) if method != "GET"]


def make_reads_stale(simulation, requests, write, times):
    """Have so many reads after a write show what its provider had before it."""
    provider = requests[write - 1][1].split("/")[1]
    before = [path for method, path in requests[:write] if method == "GET" and path.split("/")[1] == provider]
    simulation.fault("stale", "GET", f"^/{provider}/", nth=len(before) + 1, times=times)


def apply_until_converged(simulation):
    """Apply; where that ends in an error, once more is enough."""
    try:
        outcome = simulation.apply()
    except ReconcilerError:
        outcome = simulation.apply()
    assert outcome.converged


def test_a_clean_restore_makes_nine_writes(writes):
    assert len(writes) == _WRITES


@pytest.mark.thorough
@pytest.mark.parametrize("number", range(_WRITES))
@pytest.mark.parametrize(("action", "repeated"), [("drop-before", 1), ("drop-after", 0)])
def test_a_lost_write_is_looked_for_before_repeating(restore, writes, action, repeated, number):
    restore.fault(action, "*", "", nth=writes[number])
    apply_until_converged(restore)
    assert len(restore.writes()) == _WRITES + repeated


@pytest.mark.parametrize("number", range(_WRITES))
def test_a_write_refused_as_busy_is_sent_again(restore, writes, number):
    restore.fault("status", "*", "", (503, 423, 429)[number % 3], nth=writes[number])
    restore.converge()
    assert len(restore.writes()) == _WRITES + 1


@pytest.mark.thorough
@pytest.mark.parametrize("number", range(_WRITES))
def test_stale_reads_repeat_no_write(restore, requests, writes, number):
    make_reads_stale(restore, requests, writes[number], times=6)
    apply_until_converged(restore)
    assert len(restore.writes()) == _WRITES


def test_a_branch_that_neon_does_not_know_yet_is_awaited(restore):
    restore.fault("status", "GET", "/connection_uri$", 404)
    restore.converge()
    assert [each for each in restore.reported(StepUncertain) if "404" in each.why]


def test_a_lost_write_that_shows_late_counts_as_done(restore, requests, writes):
    rename = next(number for number in writes if requests[number - 1][0] == "PATCH")
    restore.fault("drop-after", "*", "", nth=rename)
    make_reads_stale(restore, requests, rename, times=4)
    outcome = restore.apply()
    assert taken(outcome).count("RenameBranch") == 2
    started, finished = ({each.step for each in restore.reported(kind)} for kind in (StepStarted, StepFinished))
    assert started == finished


def test_what_neon_never_knows_is_quoted(restore):
    restore.fault("status", "GET", "/connection_uri$", 404, times=9)
    with pytest.raises(ProviderError, match=r"Neon: GET .*connection_uri: 404"):
        restore.apply()
    assert len(restore.reads("/connection_uri")) == 4
    restore.world.calm()
    restore.converge()


def test_a_branch_that_neon_fails_to_make_is_never_used(restore):
    restore.fault("fail-operation", "POST", "/branches$")
    for _ in range(2):
        with pytest.raises(ProviderError, match="create_branch ended as failed"):
            restore.apply()
    assert restore.writes() == ["POST branches"]
    restore.delete_branch(restore.candidate.name)
    restore.converge()
