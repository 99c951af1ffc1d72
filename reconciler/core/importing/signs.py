"""What else Neon and Cloudflare show of an environment that had a file: how long, by which strategy, which branches.

What a file leaves out is left as it is, and a restore carries it over. So settings of the project, of the compute and
of a Hyperdrive config are not written: whoever changes one at its provider would find it changed back.
"""

from dataclasses import replace
from datetime import timedelta

from reconciler.core.importing.primary import base_name
from reconciler.core.lineage.lineage import Lineage
from reconciler.core.model.declared_branch import is_ours, record, records
from reconciler.core.model.desired import DeclaredBranch, Hyperdrive
from reconciler.core.model.hyperdrive import Strategy
from reconciler.core.model.observed import Branch, HyperdriveConfig
from reconciler.core.values.timeline import ORIGIN

_DEFAULT_HOLD = timedelta(days=7)


def hold_of(lineage: Lineage | None) -> tuple[timedelta | None, str]:
    """Choose how long a replaced timeline is kept, and say why: what is held already must not go by a default."""
    held = [] if lineage is None else [*lineage.held, *lineage.superseded, *lineage.failed]
    if held:
        return (
            None,
            f'it is unknown how long "{held[0].branch.name}" was to be held: set a shorter hold to have it deleted',
        )
    return _DEFAULT_HOLD, "the default: how long a replaced timeline is kept at least"


def with_strategy(hyperdrive: Hyperdrive, bound: HyperdriveConfig, lineage: Lineage | None) -> Hyperdrive:
    """Say that the config is repointed where it shows that it was: a new timeline would have one of its own."""
    live = lineage.live if lineage else None
    if live is None or live.timeline == ORIGIN or live.branch.mark is None or live.branch.last_reset_at is not None:
        return hyperdrive
    was_led_there = live.branch.mark.timeline == live.timeline and base_name(bound.name) == bound.name
    return replace(hyperdrive, strategy=Strategy.REPOINT) if was_led_there else hyperdrive


def declared_branches_of(
    environment: str, lineage: Lineage | None, branches: tuple[Branch, ...]
) -> tuple[DeclaredBranch, ...] | None:
    """Declare the branches that we have made for this environment, as they are; None where there are none.

    If they were left out, the first declared branch would cause all of these to be deleted.
    """
    ours = sorted((each for each in branches if is_ours(environment, each)), key=lambda each: each.name)
    return tuple(_child(each, lineage, branches) for each in ours) or None


def _child(branch: Branch, lineage: Lineage | None, branches: tuple[Branch, ...]) -> DeclaredBranch:
    assert branch.child is not None  # it is ours by that
    kept = records(branch.name, branches)
    return DeclaredBranch(
        name=branch.name,
        parent=_parent(branch, lineage, branches),
        reset=kept[-1].reset if kept else branch.child.reset,
        compute=branch.endpoint is not None,
        schema_only=branch.child.schema_only,
    )


def _parent(branch: Branch, lineage: Lineage | None, branches: tuple[Branch, ...]) -> str | None:
    """Name what a branch was made from; None for the primary, which may be held under another name by now."""
    parent = next((each for each in branches if each.id == branch.parent_id), None)
    timeline_branches = () if lineage is None else (*lineage.all, *lineage.superseded)
    if parent is None or any(each.branch.id == parent.id for each in timeline_branches):
        return None
    kept = record(parent)
    return kept.of if kept else parent.name
