"""What a schedule is made of: plain data, whose `repr` is the line of the script that does it again.

`which` is a number that chooses among what there is then, whatever that is: it is taken modulo their count, and where
there is nothing, nothing is done. So a schedule stays a schedule when a part of it is taken out.
"""

from dataclasses import dataclass
from enum import StrEnum

METHODS = ("branch", "in-place")
HOLDS = ("1h", "7d", "forever")
DRIVERS = ("rebind", "wrangler")


@dataclass(frozen=True)
class Ask:
    """Ask for the moment of this number (None: origin), `source` being the number of a timeline asked for before."""

    moment: int | None = None
    id: str = ""
    source: int | None = None


@dataclass(frozen=True)
class Change:
    """Change other parts of the file. `http`, `sql` and `fence`: whether there are such gates, and a fence."""

    method: str = "branch"
    hold: str = "7d"
    driver: str = "rebind"
    http: bool = False
    sql: bool = True
    on_failure: str = "rollback"
    fence: bool = False


@dataclass(frozen=True)
class Health:
    """From now on the Workers answer the HTTP gate well or not: the versions at 0 %, and those that users get."""

    staged: bool = True
    live: bool = True


@dataclass(frozen=True)
class Wait:
    """Time passes."""

    seconds: int


@dataclass(frozen=True)
class Note:
    """Business goes on for two minutes, and the moment in their middle can be asked for from now on."""


class ManualChange(StrEnum):
    """What somebody does by hand, who does not know of the reconciler."""

    RENAME_PRIMARY = "rename the primary"
    RENAME_HELD = "rename what is held"
    RENAME_CANDIDATE = "rename a candidate"
    MOVE_DEFAULT = "move the default"
    PROTECT = "protect or unprotect the primary"
    UNPROTECT = "unprotect what is held"
    DELETE_CANDIDATE = "delete a candidate"
    DELETE_HELD = "delete what is held"
    TAKE_NAME = "take a candidate's name"
    DEPLOY_OLD = "deploy an old version"
    OTHER_ID = "write another id into wrangler.jsonc"
    NO_BINDING = "take the binding out of wrangler.jsonc"
    NO_JSON = "break wrangler.jsonc"
    EDIT_CONFIG = "point a config of ours elsewhere"
    DELETE_CONFIG = "delete a config of ours"
    FOREIGN_CONFIG = "make, change or delete a config that is not ours"
    PUT_RIGHT = "put all of it right"


@dataclass(frozen=True)
class ByHand:
    """Somebody does something by hand."""

    what: ManualChange
    which: int = 0


@dataclass(frozen=True)
class Strike:
    """A fault befalls the nth of the requests that it can befall; `fault` is a name in `tests.exhaustive.faults`."""

    fault: str
    nth: int


@dataclass(frozen=True)
class Death:
    """A run is killed right before it sends its nth request, or when that was served and before its answer is read."""

    nth: int
    served: bool = False


@dataclass(frozen=True)
class Run:
    """One apply."""

    strikes: tuple[Strike, ...] = ()
    death: Death | None = None


@dataclass(frozen=True)
class Together:
    """Two applies at once, by turns of so many requests: the first run's, the second's, the first's, and so on.

    When the turns are over both go on as they like. The first of them may be killed.
    """

    turns: tuple[int, ...]
    strikes: tuple[Strike, ...] = ()
    death: Death | None = None


@dataclass(frozen=True)
class Settle:
    """Nothing goes wrong any more: it is applied to the end, which is judged."""


Action = Ask | Change | Health | Wait | Note | ByHand | Run | Together | Settle

_SCRIPT = '''\
"""A schedule of tests.randomised that violates what must hold. Run it again, from the repository's root, with

    python -m tests.randomised --replay FILE

{violations}
"""

from tests.randomised.schedule import (  # noqa: F401
    Ask, ByHand, Change, Death, ManualChange, Health, Note, Run, Settle, Strike, Together, Wait,
)

WORKERS = {workers}

SCHEDULE = [
{lines}
]

if __name__ == "__main__":
    from tests.randomised.replay import replay

    replay(WORKERS, SCHEDULE)
'''


def script(workers, actions, violations):
    """Write a schedule as a Python file that does it again."""
    lines = "\n".join(f"    {_text(each)}," for each in actions)
    return _SCRIPT.format(workers=workers, lines=lines, violations="\n".join(violations))


def _text(action):
    text = repr(action)
    for each in ManualChange:
        text = text.replace(repr(each), f"ManualChange.{each.name}")
    return text
