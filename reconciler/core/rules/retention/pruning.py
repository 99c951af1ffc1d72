"""Deletes held branches whose hold has ended: the last of all rules, one thing at a time, leaf first.

A config whose branch is gone (`orphans`) comes after that.

Nothing is deleted within an hour after a replacement, so that you can look at a restore first. Nor within an hour after
a change of the primary: a swap of names may end long after it began, in another run.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from reconciler.core.lineage.lineage import Lineage
from reconciler.core.model.desired import Desired
from reconciler.core.model.observed import UNASKED, Observed, Unknown
from reconciler.core.model.refusal import Refusal
from reconciler.core.rules.context.limits import BranchLimitReached, ConfigLimitReached, RootBranchLimitReached
from reconciler.core.rules.context.planning import Blocked, PlanningContext
from reconciler.core.rules.project import protection
from reconciler.core.rules.retention.orphans import orphans
from reconciler.core.rules.retention.retained import RetainedBranch, kept_at, units
from reconciler.core.steps import Step
from reconciler.core.steps.hyperdrive import DeleteHyperdrive
from reconciler.core.steps.primary import DeleteBranch

# The shortest hold that a file may ask for.
QUIET = timedelta(hours=1)
_ROOM = frozenset({"config-limit", "branch-limit", "root-branch-limit"})


def must_know_uses(desired: Desired, observed: Observed, lineage: Lineage) -> bool:
    """Whether something could be deleted, unless a Worker of the account uses its Hyperdrive configs."""
    held, lost = units(desired, observed, lineage), orphans(desired, observed, lineage)
    return any(each.may_go(observed.at) for each in held) or any(each.may_go(observed.at) for each in lost)


def prune(context: PlanningContext) -> tuple[Step, ...]:
    """Delete the next thing whose hold has ended, unless something was replaced within the last hour."""
    held = units(context.desired, context.observed, context.lineage)
    changed = [context.lineage.live.branch.updated_at, *(each.replaced_at for each in held)]
    if any(context.observed.at - each < QUIET for each in changed if each is not None):
        return ()
    return next_to_go(context)


def next_to_go(context: PlanningContext) -> tuple[Step, ...]:
    """Delete the next thing whose hold has ended, or the next orphan, whatever was replaced when."""
    return _next(context, units(context.desired, context.observed, context.lineage)) or _next_orphan(context)


def make_room(context: PlanningContext, refused: Blocked) -> tuple[Step, ...] | Blocked:
    """If only room is lacking, delete something whose hold has ended, without the hour's wait; else refuse."""
    if any(each.rule not in _ROOM for each in refused.refusals):
        return refused
    held = units(context.desired, context.observed, context.lineage)
    configs_lack = any(each.rule == ConfigLimitReached.rule for each in refused.refusals)
    freed = (_next_orphan(context) if configs_lack else ()) or _next(context, held)
    return freed or Blocked(tuple(_with_ends(context, each, held) for each in refused.refusals))


def _with_ends(context: PlanningContext, refusal: Refusal, held: tuple[RetainedBranch, ...]) -> Refusal:
    """Add to a refusal when the ends of holds will make room."""
    assert isinstance(refusal, BranchLimitReached | RootBranchLimitReached | ConfigLimitReached)  # by their rules
    if isinstance(refusal, RootBranchLimitReached):
        held = tuple(each for each in held if each.branch.parent_id is None)
    if isinstance(refusal, ConfigLimitReached):
        held = tuple(each for each in held if each.configs)
    return replace(refusal, held=_ends(context, held, with_orphans=isinstance(refusal, ConfigLimitReached)))


def _ends(context: PlanningContext, held: tuple[RetainedBranch, ...], *, with_orphans: bool) -> tuple[str, ...]:
    """Say when holds end of what is deleted then, the first end first."""
    seen, at = context.observed, context.observed.at
    ends = [
        (each.until, f"the hold of {each.timeline_branch.timeline}")
        for each in held
        if each.until is not None
        and each.until > at
        and not kept_at(context.desired, seen, context.lineage, each, each.until)
    ]
    if with_orphans:
        left = orphans(context.desired, seen, context.lineage)
        ends += [(each.until, f'the time of "{each.config.name}"') for each in left if each.until and not each.stays]
    return tuple(f"{what} ends at {until}" for until, what in sorted(ends))


def _next(context: PlanningContext, held: tuple[RetainedBranch, ...]) -> tuple[Step, ...]:
    """Return the next deletion. A branch whose uses are unknown stays."""
    if isinstance(context.observed.uses, Unknown):
        return ()
    for each in held:
        if each.may_go(context.observed.at):
            return (_delete(context.desired, each),)
    return ()


def _next_orphan(context: PlanningContext) -> tuple[Step, ...]:
    """Delete a config that points to no branch. A config whose uses are unknown stays."""
    if isinstance(context.observed.uses, Unknown):
        return ()
    for each in orphans(context.desired, context.observed, context.lineage):
        if each.may_go(context.observed.at):
            reason = "its branch is gone, and nothing uses it"
            return (DeleteHyperdrive(name=each.config.name, branch="", reason=reason),)
    return ()


def _delete(desired: Desired, unit: RetainedBranch) -> Step:
    reason = f"the hold of {unit.timeline_branch.timeline} ended at {unit.until}, and nothing uses it"
    for config in unit.configs:
        return DeleteHyperdrive(name=config.name, branch=unit.branch.name, reason=reason)
    unprotects = protection.is_taken_at_the_end(desired, unit.branch)
    return DeleteBranch(branch=unit.branch.name, unprotects=unprotects, reason=reason)


def warnings(desired: Desired, observed: Observed, lineage: Lineage, steps: tuple[Step, ...]) -> Iterator[str]:
    """Say what stays although its hold has ended, and what is deleted."""
    deleted = {step.branch for step in steps if isinstance(step, DeleteBranch)}
    for each in units(desired, observed, lineage):
        if isinstance(observed.uses, Unknown) and observed.uses != UNASKED and each.may_go(observed.at):
            why = f"because who uses it is unknown: {observed.uses.reason}"
            yield f'the hold of "{each.branch.name}" has ended, but it stays, {why}'
        if each.has_ended(observed.at) and each.stays and each.stays == protection.keeps(desired, each.branch):
            yield f'the hold of "{each.branch.name}" has ended, but it stays: {each.stays[0]}'
        if each.branch.name in deleted:
            yield (
                f'"{each.branch.name}" is deleted for good, because its hold ended at {each.until}: you can then no '
                f"longer go back to {each.timeline_branch.timeline}. To keep it, set a longer primary.hold"
            )
