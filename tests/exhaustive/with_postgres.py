"""A smaller set of the trials on real PostgreSQL, where rows tell whether what is live and what is held is right.

    python -m tests.exhaustive --postgres [--chains N]

A chain is a first restore, its revert and a second restore of one production. In each of the three, something befalls
one of its writes; it is run again until it is done, and then every row is checked that users or anybody who goes back
can see. The chains together have each of the chosen faults at each write of each of the three; CI makes some of them,
the same ones every time, as a chain takes seconds and the whole some minutes.
"""

import asyncio
import itertools
import random
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from reconciler.errors import ReconcilerError
from tests.exhaustive.lean_transport import LeanTransport
from tests.randomised.runners import Runner
from tests.randomised.schedule import Death
from tests.support.database import DAMAGED, EARLY, GOOD
from tests.support.production import Production
from tests.support.sandbox_process import SandboxProcess
from tests.support.shops import PRIMARY, Shops

CHAINS_IN_CI = 6
# The writes of a clean run, in their order: the method, the path, and the how manieth of these it is.
_REVERT = (
    ("POST", "/versions$", 1),
    ("POST", "/deployments$", 1),
    ("PATCH", "/branches/", 1),
    ("PATCH", "/branches/", 2),
    ("POST", "/set_as_default$", 1),
)
_RESTORE = (("POST", "/branches$", 1), ("POST", "/hyperdrive/configs$", 1), *_REVERT)
_WRITES = {"first restore": _RESTORE, "revert": _REVERT, "second restore": _RESTORE}
_FAULTS = ("drop-after", "status-after:524", "stale", "killed before", "killed after")
_SEED, _MOST_RUNS = 961, 4


@dataclass(frozen=True)
class Trial:
    """A fault befalls a write of this number, counted from 1."""

    scenario: str
    fault: str
    number: int


def chains():
    """List all chains, in an order that mixes faults and writes."""
    columns = []
    for scenario, writes in _WRITES.items():
        trials = [Trial(scenario, fault, number) for fault in _FAULTS for number in range(1, len(writes) + 1)]
        if scenario != "revert":
            trials.append(Trial(scenario, "error-operation", 1))
        random.Random(_SEED).shuffle(trials)
        columns.append(trials)
    longest = max(map(len, columns))
    return [[column[index % len(column)] for column in columns] for index in range(longest)]


class _Killable:
    """What a runner wants of a world. What a dead run wrote before stays, as nothing is written after its death."""

    def __init__(self, production):
        self.apply = production.applying

    def files(self):
        return {}

    def put_files(self, files):
        assert files == {}


class _WriteRunner(Runner):
    """Dies by the number of its writes to the sandbox."""

    def counts(self, request):
        return request.method != "GET"


class Chain:
    """One production, and the rows that each of its timelines has."""

    def __init__(self, production, loop):
        self._production = production
        self._loop = loop
        self._rows = {"origin": DAMAGED}

    def make(self, trial):
        """Make one trial. Raises AssertionError where something is wrong in the end."""
        production = self._production
        match trial.scenario:
            case "first restore":
                production.ask(production.shop.good)
                self._rows[production.timeline()] = GOOD
            case "revert":
                production.ask(None)
            case "second restore":
                production.ask(production.shop.early, id="again", **{"from": "origin"})
                self._rows[production.timeline()] = EARLY
        production.sandbox.forget_requests()
        self._loop.run_until_complete(self._befall(trial))
        production.sandbox.calm()
        self._check_writes(trial)
        self._check()

    async def _befall(self, trial):
        death = None
        match trial.fault:
            case "killed before" | "killed after":
                death = Death(trial.number, served=trial.fault == "killed after")
            case "stale":
                death = Death(trial.number, served=True)
            case action:
                method, path, nth = _WRITES[trial.scenario][trial.number - 1]
                self._production.sandbox.fault(action, method, path, nth=nth)
        runner = _WriteRunner(_Killable(self._production), death)
        await runner.end()
        assert runner.was_killed == (death is not None), "nothing has befallen it"
        if trial.fault == "stale":
            # Whatever the dead run wrote last is not to be seen by the next one for a whole look at both providers.
            self._production.sandbox.fault("stale", "GET", "", times=8)
        for _ in range(_MOST_RUNS):
            if runner.outcome is not None and runner.outcome.converged:
                return
            self._delete_unfinished()
            runner = Runner(_Killable(self._production))
            await runner.end()
        raise AssertionError(f"did not converge: {runner.error or runner.outcome.final.refusals}")

    def _delete_unfinished(self):
        """Delete a candidate that Neon has failed to make, as the error says."""
        for branch in self._production.branches().values():
            if branch["current_state"] == "init" and self._production.is_idle():
                path = f"/projects/{self._production.project}/branches/{branch['id']}"
                self._production.sandbox.neon("DELETE", path)

    def _check_writes(self, trial):
        """Nothing was done twice, but what Neon had failed to do."""
        every = [(each.method, each.path, each.status) for each in self._production.sandbox.writes()]
        made = [each for each in every if each[2] in (200, 201, 524)]
        if trial.fault != "error-operation":
            assert len(made) == len(_WRITES[trial.scenario]), made
        if trial.fault == "status-after:524":
            assert 524 in [status for _, _, status in made], made

    def _check(self):
        production, timeline = self._production, self._production.timeline()
        production.check_live(self._rows[timeline])
        there = {
            name: each["mark"].get("reconciler.timeline", "origin") for name, each in production.branches().items()
        }
        assert sorted(there.values()) == sorted(self._rows), f"one branch per timeline: {there}"
        for name, carried in there.items():
            assert production.rows_on(name) == self._rows[carried], f"{name} has not the rows of {carried}"
            assert name == PRIMARY or name.startswith(f"{PRIMARY}.held.{carried}.before."), name
        assert len(production.own_configs()) == len(self._rows), production.own_configs()


def run(wanted):
    """Make so many chains, print what came of them, and return how many violations there are."""
    begun, violations, made = time.monotonic(), [], 0
    httpx._client.AsyncHTTPTransport = LeanTransport
    sandbox, loop = SandboxProcess(), asyncio.new_event_loop()
    shops = Shops(sandbox)
    with tempfile.TemporaryDirectory(prefix="rec-postgres-") as directory:
        for number, trials in enumerate(itertools.islice(chains(), wanted)):
            root = Path(directory) / str(number)
            root.mkdir()
            chain = Chain(Production(sandbox, shops.take(), root), loop)
            for trial in trials:
                made += 1
                try:
                    chain.make(trial)
                except (AssertionError, ReconcilerError) as error:
                    violations.append(f"{trial}: {error}")
                    break
    sandbox.close()
    loop.close()
    print(f"{made} trials with PostgreSQL, {len(violations)} violations, {time.monotonic() - begun:.0f} s")
    print("\n".join(violations))
    return len(violations)
