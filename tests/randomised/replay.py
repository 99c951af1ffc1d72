"""Does again what a script says, which a failing run has printed."""

import sys
from collections import Counter
from pathlib import Path
from runpy import run_path

from tests.randomised.play import Violated
from tests.randomised.worlds import ScheduleWorlds


def replay(workers, schedule):
    """Play a schedule, saying what is done, and exit: 1 where it violates something, 0 where it does not."""
    worlds = ScheduleWorlds()
    try:
        play = worlds.begin(workers, Counter())
        for action in schedule:
            print(action)
            worlds.play(play, play.do(action))
    except Violated as violated:
        print("violated:")
        print("\n".join(f"  {each}" for each in violated.violations))
        sys.exit(1)
    finally:
        worlds.close()
    print("nothing is violated")


def replay_file(file):
    """Play the schedule of a script."""
    script = run_path(str(Path(file)))
    replay(script["WORKERS"], script["SCHEDULE"])
