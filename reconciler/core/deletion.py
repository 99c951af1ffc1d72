"""The guard of the one deletion that there is: of a branch on which a timeline was proved and restored in place."""

from dataclasses import dataclass
from typing import ClassVar

from reconciler.core.lineage import Carrier, Lineage
from reconciler.core.observed import Branch
from reconciler.core.refusals import Refusal


@dataclass(frozen=True, slots=True)
class DeletionForbidden(Refusal):
    """A branch that must not be deleted. It is left alone, and a warning says so."""

    rule: ClassVar[str] = "deletion-forbidden"
    branch: str
    reasons: tuple[str, ...]

    @property
    def message(self) -> str:  # noqa: D102  the base class says it
        return f'"{self.branch}" has done its work and is not deleted: {"; ".join(self.reasons)}'

    @property
    def hint(self) -> str:  # noqa: D102
        return "change that, or delete it yourself when it is not needed (neon branches delete)"


def undeletable(carrier: Carrier, lineage: Lineage, branches: tuple[Branch, ...]) -> list[DeletionForbidden]:
    """Say why a branch must stay: only what is ours, is not used, and is there a second time may ever be deleted.

    Neon refuses to delete a default branch, a protected one and a parent by itself (API reference, "Delete branch").
    """
    branch = carrier.branch
    children = sorted(each.name for each in branches if each.parent_id == branch.id)
    reasons = (
        *(["it is the default branch"] if branch.default else []),
        *(["it is protected"] if branch.protected else []),
        *([f"{', '.join(children)} was made from it"] if children else []),
        *(["it is not one of ours"] if carrier not in lineage.proved else []),
        *([] if _is_carried_elsewhere(carrier, lineage) else [f"no other branch carries {carrier.timeline}"]),
    )
    return [DeletionForbidden(branch.name, reasons)] if reasons else []


def _is_carried_elsewhere(carrier: Carrier, lineage: Lineage) -> bool:
    others = (lineage.live, *lineage.held)
    return any(each.timeline == carrier.timeline and each.branch.ready for each in others)
