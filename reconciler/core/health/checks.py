"""What a check is, and what was read for all of them."""

from dataclasses import dataclass
from enum import Enum

from reconciler.core.model.desired import Desired, Method, Worker
from reconciler.core.model.observed import Observed, Unknown
from reconciler.core.model.refusal import Refusal

EITHER = frozenset(Method)
NEITHER: frozenset[Method] = frozenset()
BY_BRANCH = frozenset({Method.BRANCH})
IN_PLACE = frozenset({Method.IN_PLACE})


class State(Enum):
    """How a check came out."""

    OK = "ok"
    WARNING = "warning"
    UNKNOWN = "unknown"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at: what was seen, with its numbers, and what to do about it.

    `needed` are the methods of restoring that need it: what has failed, or is not known, stops these. `rule` is the
    guard that would refuse, where it is one.
    """

    name: str
    state: State
    seen: str
    remedy: str = ""
    needed: frozenset[Method] = EITHER
    rule: str = ""

    def stops(self, method: Method) -> bool:
        """Whether a restore by this method would fail for it."""
        return self.state in (State.FAILED, State.UNKNOWN) and method in self.needed


@dataclass(frozen=True, slots=True)
class Wrong(Unknown):
    """Something was asked for and the answer is no: it is known, and it is wrong."""


@dataclass(frozen=True, slots=True)
class Unneeded:
    """Something was not looked at, and why that is right so."""

    reason: str


@dataclass(frozen=True, slots=True)
class Missing:
    """Something is not there that should be, though a restore works without it."""

    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class GitRemote:
    """The remote, as it is called in messages, and its default branch."""

    said: str
    default_branch: str


@dataclass(frozen=True, slots=True)
class LeaseSign:
    """Where the remote keeps leases of an environment, and who holds one now; empty if no one does."""

    ref: str
    holder: str = ""


@dataclass(frozen=True, slots=True)
class SetUp:
    """Everything that was read. What could not be read is Unknown, and what is known to be wrong is Wrong.

    `keys` are the variables that hold keys and tokens, each with why it is not good for reading, or None. `bindings`
    are the ids that the wrangler.jsonc files name, and `login` is where the role could log in.
    """

    desired: Desired
    observed: Observed
    keys: tuple[tuple[str, Unknown | None], ...]
    bindings: tuple[tuple[Worker, str | Unknown], ...]
    login: str | Unknown | Unneeded
    wrangler: str | Unknown | Unneeded
    node: str | Unknown | Unneeded
    remote: GitRemote | Unknown | Missing | Unneeded
    lease: LeaseSign | Unknown | Unneeded
    protected: bool | Unknown | Unneeded


def unknown_check(name: str, unknown: Unknown, needed: frozenset[Method] = EITHER) -> Check:
    """Say what could not be read, or is known to be wrong."""
    state = State.FAILED if isinstance(unknown, Wrong) else State.UNKNOWN
    return Check(name, state, unknown.reason, unknown.hint, needed)


def refused(name: str, refusal: Refusal, needed: frozenset[Method] = EITHER) -> Check:
    """Say what a guard would refuse."""
    return Check(name, State.FAILED, refusal.message, refusal.hint, needed, refusal.rule)
