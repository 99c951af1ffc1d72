"""What is known of an LSN before Neon is asked: an LSN bears no time, so windows and clocks say nothing of it.

Only Neon knows whether the history still has it; it answers before anything is changed.
"""

from dataclasses import dataclass

from reconciler.core.model.observed import Branch
from reconciler.core.model.refusal import Refusal
from reconciler.core.values.lsn import Lsn

# Records begin at every eighth byte, and Neon may make a branch at the next one.
_ALIGNMENT = 8


@dataclass(frozen=True, slots=True)
class LsnWithoutSource(Refusal):
    """A timeline that began at an LSN is to be made again, and nothing says from which timeline."""

    rule = "lsn-without-source"
    to: Lsn

    problem = "{to} is an LSN, and the file does not say which timeline it belongs to"
    way_out = "add that timeline to primary.restore as from"


@dataclass(frozen=True, slots=True)
class LsnBeforeSource(Refusal):
    """The LSN lies before the source branch began: that place is in its parent's log."""

    rule = "lsn-before-source"
    before_the_call = "the look, Neon"
    to: Lsn
    source: str
    began: Lsn

    problem = '{to} is before branch "{source}" began (at {began} of its parent)'
    way_out = "name the timeline whose log the LSN is from in primary.restore.from"


def before_source(lsn: Lsn, branch: Branch) -> list[Refusal]:
    """Refuse an LSN that the log of a branch cannot have. Where a branch began is not known of each."""
    began = Lsn.parse(branch.lsn)
    return [LsnBeforeSource(lsn, branch.name, began)] if began is not None and not has(branch, lsn) else []


def has(branch: Branch, lsn: Lsn) -> bool:
    """Whether an LSN may be in the log of a branch."""
    began = Lsn.parse(branch.lsn)
    return began is None or began <= lsn


def difference(lsn: Lsn, branch: Branch) -> str:
    """Say how a candidate differs from the LSN that was asked for; empty if it does not, as far as Neon says."""
    found = Lsn.parse(branch.lsn)
    if found is None or found.position < lsn.position + _ALIGNMENT:
        return ""
    return f"it holds {found}, later than {lsn}"
