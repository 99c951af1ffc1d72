"""All trials, in several processes; the table of what came of them.

python -m tests.exhaustive [--processes N] [--scenario NAME] [--fault NAME] [--every N]
"""

import argparse
import asyncio
import gc
import itertools
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.exhaustive import with_postgres
from tests.exhaustive.faults import FAULTS, NOTHING
from tests.exhaustive.scenarios import SCENARIOS
from tests.exhaustive.trial import End, attempt, clean
from tests.exhaustive.virtual_time import VirtualTimeLoop
from tests.exhaustive.world import World, prepare_process

_CHUNK = 40
_TOLD = 20
# wrangler.jsonc is written durably, which takes 4 ms on a disk.
_MEMORY = next((path for path in ("/dev/shm",) if os.access(path, os.W_OK)), None)
_FAULTS = {fault.name: fault for fault in FAULTS}


class Worlds:
    """The worlds of one process, each made when it is first asked for."""

    def __init__(self, scenarios=SCENARIOS, *, lean=True):
        self._scenarios = scenarios
        self.loop = VirtualTimeLoop()
        asyncio.set_event_loop(self.loop)
        prepare_process(self.loop, lean=lean)
        self._worlds = {}
        self._memories = {}

    def world(self, name):
        if name not in self._worlds:
            self._worlds[name] = self.loop.run_until_complete(self._make(self._scenarios[name]))
        return self._worlds[name]

    async def _make(self, scenario):
        world = World(Path(tempfile.mkdtemp(prefix="rec-exhaustive-", dir=_MEMORY)), **scenario.options)
        await world.open(self.loop)
        await scenario.begin(world)
        await world.keep(scenario.name)
        return world

    def requests(self, name):
        requests, self._memories[name] = self.loop.run_until_complete(clean(self.world(name), self._scenarios[name]))
        return requests

    def attempt(self, name, fault, number, *, whole):
        if name not in self._memories:
            self.requests(name)
        trial = attempt(
            self.world(name), self._scenarios[name], _FAULTS[fault], number, None if whole else self._memories[name]
        )
        return self.loop.run_until_complete(trial)

    def close(self):
        for world in self._worlds.values():
            self.loop.run_until_complete(world.close())
            shutil.rmtree(world.root)
        self.loop.close()


_worlds = None


def _begin(lean):
    global _worlds  # noqa: PLW0603  one per process of the pool
    _worlds = Worlds(lean=lean)
    gc.freeze()


def _requests(name):
    return name, _worlds.requests(name)


def _trials(chunk):
    whole, trials = chunk
    return [_worlds.attempt(*each, whole=whole) for each in trials]


def plan(pool, scenarios, faults, *, hidden):
    """List the trials: each fault, at each request of each scenario that it can befall.

    Faults that sending a request again hides are tried in the scenarios that vary another one only if `hidden`.
    """
    found = []
    for name, requests in pool.imap_unordered(_requests, scenarios):
        found += [(name, fault, 0) for fault in faults if fault == NOTHING.name]
        for number, (method, path, _) in enumerate(requests, 1):
            able = [fault for fault in faults if _FAULTS[fault].befalls(method, path)]
            if SCENARIOS[name].varies and not hidden:
                able = [fault for fault in able if not _FAULTS[fault].hidden]
            found += [(name, fault, number) for fault in able]
    return sorted(found)


def sample(trials, every):
    """Keep about one in `every` trials, the same ones each time: every fault in every scenario, and every request.

    Of the requests of a scenario that a fault can befall, it befalls each `every`th, and at least one. The next fault
    begins one request later: where there are as many faults as `every`, each request is befallen by one of them.
    """
    kept = []
    for turn, (_, found) in enumerate(itertools.groupby(sorted(trials), key=lambda each: each[:2])):
        group = list(found)
        kept += group[turn % min(every, len(group)) :: every]
    return kept


def run(arguments):
    begun = time.monotonic()
    scenarios = [name for name in SCENARIOS if arguments.scenario in (None, name)]
    faults = [name for name in _FAULTS if arguments.fault in (None, name)]
    made = []
    with multiprocessing.get_context("spawn").Pool(arguments.processes, _begin, (not arguments.whole_httpx,)) as pool:
        trials = plan(pool, scenarios, faults, hidden=arguments.hidden or arguments.fault is not None)
        trials = sample(trials, arguments.every)
        random.Random(0).shuffle(trials)  # the dear ones are spread evenly
        chunks = [trials[start : start + _CHUNK] for start in range(0, len(trials), _CHUNK)]
        for done in pool.imap_unordered(_trials, [(arguments.whole, chunk) for chunk in chunks]):
            if is_told(len(made), len(made) + len(done), len(trials)):
                print(f"{len(made) + len(done)} of {len(trials)} trials", file=sys.stderr)
            made += done
            for each in done:
                if each.violations:
                    print(_shown(each), file=sys.stderr)
    return report(made, scenarios, faults, time.monotonic() - begun)


def is_told(before, now, most):
    """Whether it is said how far the trials are: about every 5 % of them, and at the end."""
    return now * _TOLD // most > before * _TOLD // most


def report(made, scenarios, faults, seconds):
    """Print the table, and every violation with what is needed to see it again. Return how many there are."""
    counts = Counter((each.fault, each.scenario) for each in made)
    width = max(len(name) for name in faults) + 2
    print("".rjust(width) + "".join(name.rjust(max(14, len(name) + 2)) for name in scenarios))
    for fault in faults:
        cells = (str(counts[fault, name] or "-").rjust(max(14, len(name) + 2)) for name in scenarios)
        print(fault.ljust(width) + "".join(cells))
    ends = Counter(each.end for each in made)
    for end in End:
        print(f"{ends[end]:7d} {end}")
    print(f"{sum(each.cut for each in made):7d} came to a moment from which a run was watched before")
    bad = [each for each in made if each.violations]
    unstruck = sum(each.struck is None and each.number > 0 for each in made)
    requests, shared = sum(len(each.requests) for each in made), sum(each.shared for each in made)
    print(f"{len(made):7d} trials, {requests} requests, {seconds:.0f} s")
    print(f"{shared:7d} of the requests are those of the clean run, and were not made again")
    print(f"{unstruck:7d} of them made fewer requests than the clean run")
    print(f"{len(bad):7d} violations")
    for each in bad[:40]:
        print(_shown(each))
    return len(bad)


def _shown(trial):
    return f"  {trial.scenario!r} {trial.fault!r} {trial.number} ({trial.struck}): {trial.violations} {trial.said}"


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.exhaustive")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--scenario", choices=SCENARIOS)
    parser.add_argument("--fault", choices=_FAULTS)
    parser.add_argument("--hidden", action="store_true", help="also what sending a request again hides, everywhere")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only about one in N trials, see `sample`")
    parser.add_argument("--whole", action="store_true", help="watch every run to its end, seen before or not")
    parser.add_argument("--whole-httpx", action="store_true", help="use httpx's own transport, which is slower")
    parser.add_argument("--postgres", action="store_true", help="instead, chains of trials on real PostgreSQL")
    parser.add_argument("--chains", type=int, default=with_postgres.CHAINS_IN_CI)
    arguments = parser.parse_args()
    found = with_postgres.run(arguments.chains) if arguments.postgres else run(arguments)
    sys.exit(1 if found else 0)
