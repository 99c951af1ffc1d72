"""The names of what a drill makes: each says whose it is and of which drill, so that what a kill leaves is found."""

import re
from dataclasses import dataclass
from typing import Self

from reconciler.core.model.desired import Desired
from reconciler.core.model.observed import Branch, HyperdriveConfig
from reconciler.core.values.instant import Instant

# What the labels of borrowed Workers begin with.
LENDING = "reconciler drill borrows it, "
_STAMP = r"[0-9]{8}T[0-9]{9}Z"
# An environment's name is at most 40 characters long.
_LONGEST = 40 - len("-drill-20261122t100000000z")


@dataclass(frozen=True, slots=True)
class DrillNames:
    """One drill of an environment. `stamp` is its beginning; `primary` and `config` are production's names."""

    environment: str
    primary: str
    config: str
    stamp: str

    @classmethod
    def of(cls, production: Desired, begun: Instant) -> Self:
        """Name a drill that begins now."""
        return cls._named(production, begun.compact)

    @classmethod
    def _named(cls, production: Desired, stamp: str) -> Self:
        config = production.hyperdrive.name if production.hyperdrive else ""
        return cls(drill_environment(production.environment, stamp), production.primary.branch, config, stamp)

    @classmethod
    def left(
        cls, production: Desired, branches: tuple[Branch, ...], configs: tuple[HyperdriveConfig, ...]
    ) -> tuple[Self, ...]:
        """Find the drills that have left branches or Hyperdrive configs, oldest first."""
        branch = re.compile(rf"{re.escape(production.primary.branch)}\.drill\.({_STAMP})(?:\..+)?")
        stamps = {found[1] for each in branches if (found := branch.fullmatch(each.name))}
        if production.hyperdrive is not None:
            config = re.compile(rf"{re.escape(production.hyperdrive.name)}-drill-({_STAMP})(?:-.+)?")
            stamps |= {found[1] for each in configs if (found := config.fullmatch(each.name))}
        return tuple(cls._named(production, stamp) for stamp in sorted(stamps))

    @property
    def branch(self) -> str:
        """The branch that takes the primary's place."""
        return f"{self.primary}.drill.{self.stamp}"

    @property
    def hyperdrive(self) -> str:
        """The Hyperdrive config that takes the place of production's."""
        return f"{self.config}-drill-{self.stamp}"

    def has_branch(self, branch: Branch) -> bool:
        """Whether a branch was made by this drill: its name and its annotation both say so."""
        named = branch.name == self.branch or branch.name.startswith(f"{self.branch}.")
        return named and branch.mark is not None and branch.mark.environment == self.environment

    def has_config(self, name: str) -> bool:
        """Whether the name of a config is of this drill."""
        return bool(self.config) and (name == self.hyperdrive or name.startswith(f"{self.hyperdrive}-"))


def drill_environment(environment: str, stamp: str) -> str:
    """Name the environment of one drill: what another one has left must not be taken for its own."""
    return f"{environment[:_LONGEST].rstrip('-')}-drill-{stamp.lower()}"


def drill_script(script: str) -> str:
    """Name the Worker of the drills of another one."""
    return f"{script}-drill"


def lending(stamp: str, version: str) -> str:
    """Label the version by which a drill borrows a Worker: it says which version is to serve again."""
    return f"{LENDING}{stamp}: was {version}"


def lent(label: str) -> str:
    """Read the version that is to serve again; empty where a label is of something else."""
    found = re.fullmatch(rf"{re.escape(LENDING)}{_STAMP}: was ([0-9A-Za-z-]{{1,64}})", label)
    return found[1] if found else ""


def is_of_a_drill(production: Desired, config: str) -> bool:
    """Whether a Hyperdrive config's name is one that a drill of this environment gives."""
    if production.hyperdrive is None:
        return False
    return re.fullmatch(rf"{re.escape(production.hyperdrive.name)}-drill-{_STAMP}(?:-.+)?", config) is not None
