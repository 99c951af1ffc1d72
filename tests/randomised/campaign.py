"""Draws schedules in several processes, and says what was done.

python -m tests.randomised [--examples N] [--steps M] [--minutes T] [--seed S] [--processes P] | --replay FILE
"""

import argparse
import gc
import itertools
import multiprocessing
import sys
import time
from collections import Counter

from tests.randomised.machine import explore
from tests.randomised.replay import replay_file
from tests.randomised.shrink import shrink
from tests.randomised.worlds import ScheduleWorlds

_SEED, _EXAMPLES, _STEPS, _SHARE = 961, 320, 16, 10
_worlds, _seconds = None, 0.0


def _begin(seconds):
    global _worlds, _seconds  # noqa: PLW0603  one per process of the pool
    _seconds = seconds
    _worlds = ScheduleWorlds()
    gc.freeze()


def _explore(share):
    counts, violated = explore(_worlds, *share)
    if violated is not None:
        print(f"seed {share[0]}: {violated}: it is made smaller now", file=sys.stderr)
        violated = shrink(_worlds, violated, _seconds)
    return share, counts, violated and (violated.violations, violated.script)


def _rounds(arguments, begun):
    """Divide the work into shares of a few schedules, each with a seed of its own, whoever does them."""
    if arguments.minutes is None:
        shares = range(-(-arguments.examples // _SHARE))
        yield [_share(arguments, number, arguments.examples - number * _SHARE) for number in shares]
        return
    numbers = itertools.count()
    while time.monotonic() - begun < arguments.minutes * 60:
        yield [_share(arguments, number, _SHARE) for number in itertools.islice(numbers, 2 * arguments.processes)]


def _share(arguments, number, left):
    return arguments.seed + number, min(_SHARE, left), arguments.steps


def run(arguments):
    """Play all; print the table, and the script of the smallest schedule that violates something."""
    begun = time.monotonic()
    counts, found, schedules = Counter(), [], 0
    with multiprocessing.get_context("spawn").Pool(arguments.processes, _begin, (arguments.smaller,)) as pool:
        for shares in _rounds(arguments, begun):
            for (number, examples, _), done, violated in pool.imap_unordered(_explore, shares):
                counts += done
                schedules += examples
                print(f"seed {number}: {'violated' if violated else 'well'}", file=sys.stderr)
                if violated:
                    found.append(violated)
                    break
            if found:
                break
    print(f"{schedules} schedules of up to {arguments.steps} rules, from seed {arguments.seed} on")
    for (kind, name), count in sorted(counts.items()):
        print(f"{count:7d} {kind}: {name}")
    print(f"{time.monotonic() - begun:7.0f} s")
    for violations, script in found:
        print("\n".join(["violated:", *violations, "", script]))
    return len(found)


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.randomised")
    parser.add_argument("--examples", type=int, default=_EXAMPLES, help="how many schedules")
    parser.add_argument("--steps", type=int, default=_STEPS, help="how many rules in each, at most")
    parser.add_argument("--minutes", type=float, help="go on for so long, however many schedules that are")
    parser.add_argument("--seed", type=int, default=_SEED)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--smaller", type=float, default=60.0, help="seconds to make smaller what violates something")
    parser.add_argument("--replay", metavar="FILE", help="do again what a script says")
    arguments = parser.parse_args()
    if arguments.replay:
        replay_file(arguments.replay)
        return
    sys.exit(1 if run(arguments) else 0)
