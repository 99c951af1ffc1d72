"""What every step has: a stable name, a sentence, a prediction, and what it touches."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, fields
from enum import Enum, auto
from typing import ClassVar

from reconciler.core.model.compute import ComputeSettings
from reconciler.core.model.hyperdrive import Caching, Mtls, Settings
from reconciler.core.model.observed import Observed
from reconciler.core.values.instant import Instant
from reconciler.core.values.lsn import Lsn
from reconciler.core.values.timeline import Timeline


class Part(Enum):
    """A part of the world, as `engine.observe` reads it: one kind of request, or one file."""

    PROJECT = auto()
    BRANCHES = auto()
    """Branches with their annotations, computes, expiry and protection."""
    OPERATIONS = auto()
    """What Neon is at work on."""
    ROLES_AND_DATABASES = auto()
    """Roles with the times of their passwords, and databases."""
    HYPERDRIVE_CONFIGS = auto()
    WORKERS = auto()
    """Versions and deployments of Workers, and so which Hyperdrive configs are used."""
    WRANGLER_FILES = auto()
    CHECKS = auto()
    """What this run has checked or waited for: `Observed.passed` and `Observed.failed`."""


NOTHING: frozenset[Part] = frozenset()
BRANCHES = frozenset({Part.BRANCHES})
# Every write to Neon starts an operation, and so does a login to a suspended compute.
NEON_BRANCHES = frozenset({Part.BRANCHES, Part.OPERATIONS})


class Phase(Enum):
    """The part of a run that a step belongs to, for tables of durations."""

    BRANCH = auto()
    COMPUTE = auto()
    VERIFY_BRANCH = auto()
    HYPERDRIVE = auto()
    VERIFY_STAGED = auto()
    DEPLOY = auto()
    VERIFY_LIVE = auto()
    RESTORE = auto()
    PROMOTE = auto()
    DECLARED_BRANCHES = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(ABC):
    """One effect on the world, as data, with the reason for it.

    `wire_name` is its name in receipts, JSON and digests. It never changes, whatever the class is called.
    `touches` is what its effect can change. `rechecks` is what is read again right before its call, because the
    provider does not refuse the call when that has changed. A step that `depends_on_uses` has everything read again
    once the uses of Hyperdrive configs are known. A write to Neon `locks_project`: a wave has one such step at most.
    """

    wire_name: ClassVar[str]
    phase: ClassVar[Phase]
    touches: ClassVar[frozenset[Part]]
    rechecks: ClassVar[frozenset[Part]] = NOTHING
    depends_on_uses: ClassVar[bool] = False
    locks_project: ClassVar[bool] = False
    waits_for_operations: ClassVar[bool] = True
    """Whether a step that locks the project waits until the operations of others have ended."""
    is_safety_net: ClassVar[bool] = False
    """Whether it completes what an earlier run left half done, and so is taken even if all else is refused."""
    needs_approval: ClassVar[bool] = True
    """Whether an approved plan must contain it. If not, it completes a step that the plan contains."""
    is_taken_once: ClassVar[bool] = False
    """Whether a run never repeats it: the provider accepts a second one, and a list may lag behind the first."""
    creates_config: ClassVar[bool] = False
    key_prefix: ClassVar[str] = ""
    """What its key begins with; empty if the providers show its effect."""
    outdates: ClassVar[tuple[str, ...]] = ()
    """The prefixes of the keys that its effect makes untrue for its target."""

    reason: str = field(compare=False)

    @property
    @abstractmethod
    def target(self) -> str:
        """The name of the one thing that it acts on."""

    @abstractmethod
    def describe(self) -> str:
        """Return one sentence without a full stop: what it does, to what."""

    @abstractmethod
    def predict(self, observed: Observed) -> Observed:
        """Return what will be observed after its effect, if nothing else changes."""

    @property
    def key(self) -> str:
        """The key in `Observed.passed` that records it for this run; empty if the providers show its effect."""
        return f"{self.key_prefix}:{self.target}" if self.key_prefix else ""

    def still_passed(self, passed: frozenset[str]) -> frozenset[str]:
        """Return the part of `Observed.passed` that is still true after it."""
        return passed - {f"{each}:{self.target}" for each in self.outdates}

    @property
    def checks(self) -> tuple[str, ...]:
        """The names of all checks that it makes."""
        return ()

    @property
    def holds(self) -> str:
        """The name of the branch that holds the replaced timeline after it; empty if it replaces none."""
        return ""

    @property
    def switches(self) -> str:
        """The Worker or Hyperdrive config whose users it moves to another branch; empty if it moves none."""
        return ""

    @property
    def writes_file(self) -> str:
        """The path of the file that it changes in the working tree; empty if it changes none."""
        return ""

    @property
    def stops_writes(self) -> bool:
        """Whether users can't write after it, until they are switched to another branch."""
        return False

    @property
    def needs_safety_net(self) -> bool:
        """Whether a run that ends after it may leave users without writes, or the primary without protection."""
        return self.stops_writes

    @property
    def rolls_back(self) -> bool:
        """Whether the rules answer its failure with a rollback, so that the run goes on."""
        return False

    def is_seen_done(self, observed: Observed) -> bool:  # noqa: ARG002  most need the rules to know
        """Whether `observed` shows its effect, even if the rules refuse and so decide nothing."""
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchStep(Step):
    """A step on one branch: by default a write to Neon."""

    touches = NEON_BRANCHES
    locks_project = True

    branch: str

    @property
    def target(self) -> str:
        """The branch."""
        return self.branch


def arguments(step: Step) -> dict[str, object]:
    """Return a step's fields but its reason, as JSON values: what it does, for the plan's JSON and its digest."""
    return {item.name: _plain(getattr(step, item.name)) for item in fields(step) if item.name != "reason"}


def _plain(value: object) -> object:
    match value:
        case Timeline() | Instant() | Lsn():
            return str(value)
        case Enum():
            return value.value
        case tuple():
            return [_plain(item) for item in value]
        case Settings() | Caching() | Mtls() | ComputeSettings():
            return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
        case _:
            return value
