"""The refusals for what somebody else is doing, has, or lays claim to."""

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from reconciler.core.instant import for_people
from reconciler.core.refusals import Refusal


@dataclass(frozen=True, slots=True)
class BranchClaimedTwice(Refusal):
    """Two desired-state files say which timeline one branch carries."""

    rule: ClassVar[str] = "branch-claimed-twice"
    project: str
    branch: str
    environments: tuple[str, ...]

    @property
    def message(self) -> str:  # noqa: D102  the base class says it
        files = " and ".join(f"{name}.jsonc" for name in self.environments)
        return f'{files} both claim branch "{self.branch}" of project {self.project}: each would undo the other'

    @property
    def hint(self) -> str:  # noqa: D102
        return (
            "correct primary.project or primary.branch in one of them, or delete the file that is not meant: nothing "
            "is ever deleted because a file is"
        )


@dataclass(frozen=True, slots=True)
class WorkerClaimedTwice(Refusal):
    """Two desired-state files say which database one Worker uses."""

    rule: ClassVar[str] = "worker-claimed-twice"
    script: str
    environments: tuple[str, ...]

    @property
    def message(self) -> str:  # noqa: D102
        files = " and ".join(f"{name}.jsonc" for name in self.environments)
        return f'{files} both lead to Worker "{self.script}": each would switch it to its own database'

    @property
    def hint(self) -> str:  # noqa: D102
        return (
            "give each its own wrangler environment (worker.environment), or take the Worker out of one of them. Where "
            "they are two Workers in two Cloudflare accounts, write account_id into both places in wrangler.jsonc"
        )


@dataclass(frozen=True, slots=True)
class HyperdriveNameTaken(Refusal):
    """A restore is to begin, and the config that it would create exists: it can lead to nothing that is asked.

    `leads_astray`: it leads to a branch that is there, so it can't be that of a branch which is too new to be listed.
    """

    rule: ClassVar[str] = "hyperdrive-name-taken"
    name: str
    id: str
    host: str
    leads_astray: bool = False

    @property
    def may_lag(self) -> bool:  # noqa: D102
        return not self.leads_astray

    @property
    def message(self) -> str:  # noqa: D102
        return (
            f'a Hyperdrive config named "{self.name}" exists ({self.id}, it leads to {self.host}), and the branch that '
            "it would lead to does not"
        )

    @property
    def hint(self) -> str:  # noqa: D102
        return (
            "it is somebody else's, or left from a branch that is deleted. Delete it where no Worker is bound to it "
            f"(wrangler hyperdrive delete {self.id}), or ask for the restore under another id"
        )


@dataclass(frozen=True, slots=True)
class OperationRunning(Refusal):
    """Neon is at work on the project for somebody else, and locks it against every write."""

    rule: ClassVar[str] = "operation-running"
    action: str
    branch: str
    lasted: timedelta
    patience: timedelta

    @property
    def message(self) -> str:  # noqa: D102
        return (
            f"Neon has been at work for {for_people(self.lasted)} on something that is not ours ({self.action} on "
            f'branch "{self.branch}"), and {for_people(self.patience)} is as long as it is waited for'
        )

    @property
    def hint(self) -> str:  # noqa: D102
        return (
            "find out who began it (Neon Console, System operations), and run it again when it has ended. Where it "
            "hangs and does not lock the project, lift operation-running in the file"
        )
