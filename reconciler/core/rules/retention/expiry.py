"""An expiry at Neon for what is held: the backstop for when nobody runs an apply any more.

Neon deletes what has expired without asking who uses it. So only what nothing needs or uses gets an expiry, long after
the end of its hold, and it is taken away as soon as that changes. It is given last of all, and never by the run that
replaced something: what is decided on right then would have to be known before anything is replaced.

Whether Neon lets an account set it is not told before it is tried (API description, "expires_at": early access), so
the file has to ask for it.
"""

from dataclasses import dataclass
from datetime import timedelta

from reconciler.core.lineage.lineage import Lineage
from reconciler.core.model.desired import Desired
from reconciler.core.model.observed import Branch, Observed, Unknown
from reconciler.core.model.provider_limits import LONGEST_EXPIRY
from reconciler.core.model.refusal import Refusal
from reconciler.core.rules.context.planning import Blocked, PlanningContext
from reconciler.core.rules.retention.pruning import QUIET
from reconciler.core.rules.retention.retained import RetainedBranch, kept_at, units
from reconciler.core.steps import Step
from reconciler.core.steps.branch import ClearExpiry, ExpireHeldBranch
from reconciler.core.values.instant import Instant


@dataclass(frozen=True, slots=True)
class SourceExpires(Refusal):
    """Neon creates no child of a branch that expires."""

    rule = "source-expires"
    before_the_call = "the look, Neon"
    source: str
    expires_at: Instant

    problem = 'branch "{source}" expires at {expires_at}, and Neon creates no child of a branch that expires'
    way_out = 'remove its expiry first: neon branches set-expiration "{source}"'


# So much later than an apply would delete it.
SLACK = timedelta(days=7)
# A day less than Neon takes, for clocks that differ.
LONGEST = LONGEST_EXPIRY - timedelta(days=1)


def must_know_uses(desired: Desired, observed: Observed, lineage: Lineage) -> bool:
    """Whether an expiry depends on who uses the Hyperdrive configs of the account."""
    return desired.primary.expire_on_neon is True and any(
        each.branch.expires_at is not None or not _against(desired, observed, lineage, each)
        for each in units(desired, observed, lineage)
    )


def clear_unwanted(context: PlanningContext) -> tuple[Step, ...]:
    """Remove the expiry of what is needed, or held for longer; one at a time, as Neon locks the project."""
    if context.desired.primary.expire_on_neon is None:
        return ()
    for each in units(context.desired, context.observed, context.lineage):
        against = _against(context.desired, context.observed, context.lineage, each)
        if each.branch.ready and each.branch.expires_at is not None and against:
            return clear(each.branch, f"it must not expire: {'; '.join(against)}")
    return ()


def clear(branch: Branch, reason: str) -> tuple[Step, ...]:
    """Remove the expiry of a branch."""
    return (ClearExpiry(branch=branch.name, reason=reason),)


def set_expiry(context: PlanningContext) -> tuple[Step, ...]:
    """Let the next unit expire that may, and does not or too early. What is not known to be unused never does."""
    held = units(context.desired, context.observed, context.lineage)
    if (
        not context.desired.primary.expire_on_neon
        or isinstance(context.observed.uses, Unknown)
        or _is_fresh(context, held)
    ):
        return ()
    for each in held:
        expires, until = each.branch.expires_at, each.until
        if until is None or each.has_ended(context.observed.at):
            continue
        late = expires is not None and expires >= until
        if not late and not _against(context.desired, context.observed, context.lineage, each):
            return (_expire(context.desired, each),)
    return ()


def make_room(context: PlanningContext, refused: Blocked) -> tuple[Step, ...] | Blocked:
    """Remove the expiry of what is held where that alone keeps a branch from being made from it."""
    expiring = {each.source for each in refused.refusals if isinstance(each, SourceExpires)}
    others = [each for each in refused.refusals if not isinstance(each, SourceExpires)]
    if context.desired.primary.expire_on_neon is None or others:
        return refused
    held = units(context.desired, context.observed, context.lineage)
    reason = "a branch that expires can have no children"
    return (
        tuple(ClearExpiry(branch=each.branch.name, reason=reason) for each in held if each.branch.name in expiring)
        or refused
    )


def _is_fresh(context: PlanningContext, held: tuple[RetainedBranch, ...]) -> bool:
    """Whether something was replaced within the last hour; that it expires already is the later change."""
    replaced = [each.replaced_at for each in held if each.replaced_at is not None and each.branch.expires_at is None]
    return any(context.observed.at - each < QUIET for each in replaced)


def _against(desired: Desired, observed: Observed, lineage: Lineage, unit: RetainedBranch) -> tuple[str, ...]:
    """Say what speaks against an expiry: what does so now, and still will when it has come."""
    hold = desired.primary.hold
    if not desired.primary.expire_on_neon:
        return ("the file says that what is held does not expire",)
    if hold is None or unit.until is None or hold + SLACK > LONGEST:
        return ("it is held for longer than Neon lets a branch live",)
    if unit.branch.protected:
        return ("it is protected, and Neon lets no protected branch expire",)
    return kept_at(desired, observed, lineage, unit, _comes(unit.branch.expires_at, unit.until))


def _comes(expires: Instant | None, until: Instant) -> Instant:
    """Tell when an expiry comes, or will when it has been moved because it is too early.

    That it was given is a change of the branch too, which may have moved the end of the hold by a moment.
    """
    due = until.after(SLACK)
    return due if expires is None or expires < until or due - expires < QUIET else expires


def _expire(desired: Desired, unit: RetainedBranch) -> Step:
    assert desired.primary.hold is not None  # what is held for ever is not given an expiry
    seconds = int((desired.primary.hold + SLACK).total_seconds())
    reason = f"nothing needs it when its hold has ended at {unit.until}, also where no apply runs any more"
    return ExpireHeldBranch(branch=unit.branch.name, seconds=seconds, reason=reason)
