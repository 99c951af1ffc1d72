"""An expiry at Neon for held branches: the backstop if apply no longer runs.

Neon deletes an expired branch whether or not it is used. So only a branch that nothing needs or uses gets an expiry,
long after the end of its hold, and loses it as soon as that changes. It is set last of all, and never by the run that
replaced something: that run would have to know who uses the branch before it replaces anything.

Whether an account may set it is known only after a try (API description, "expires_at": early access), so the file has
to ask for it.
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


# How much later Neon deletes a branch than an apply would.
SLACK = timedelta(days=7)
# A day less than Neon accepts, because clocks differ.
LONGEST = LONGEST_EXPIRY - timedelta(days=1)


def must_know_uses(desired: Desired, observed: Observed, lineage: Lineage) -> bool:
    """Whether an expiry depends on who uses the Hyperdrive configs of the account."""
    return desired.primary.expire_on_neon is True and any(
        each.branch.expires_at is not None or not _objections(desired, observed, lineage, each)
        for each in units(desired, observed, lineage)
    )


def clear_unwanted(context: PlanningContext) -> tuple[Step, ...]:
    """Remove the expiry of a branch that is needed, or held for longer; one at a time, as Neon locks the project."""
    if context.desired.primary.expire_on_neon is None:
        return ()
    for each in units(context.desired, context.observed, context.lineage):
        objections = _objections(context.desired, context.observed, context.lineage, each)
        if each.branch.ready and each.branch.expires_at is not None and objections:
            return clear(each.branch, f"it must not expire: {'; '.join(objections)}")
    return ()


def clear(branch: Branch, reason: str) -> tuple[Step, ...]:
    """Remove the expiry of a branch."""
    return (ClearExpiry(branch=branch.name, reason=reason),)


def set_expiry(context: PlanningContext) -> tuple[Step, ...]:
    """Set the expiry of the next held branch that may expire, but does not, or too early.

    A branch whose uses are unknown never expires. Nor is anything set within an hour after a replacement; an expiry
    shows that the branch's last change is a later one.
    """
    held = units(context.desired, context.observed, context.lineage)
    if not context.desired.primary.expire_on_neon or isinstance(context.observed.uses, Unknown):
        return ()
    replaced = [each.replaced_at for each in held if each.replaced_at is not None and each.branch.expires_at is None]
    if any(context.observed.at - each < QUIET for each in replaced):
        return ()
    for each in held:
        expires, until = each.branch.expires_at, each.until
        if until is None or each.has_ended(context.observed.at):
            continue
        is_late = expires is not None and expires >= until
        if not is_late and not _objections(context.desired, context.observed, context.lineage, each):
            return (_expire(context.desired, each),)
    return ()


def make_room(context: PlanningContext, refused: Blocked) -> tuple[Step, ...] | Blocked:
    """Remove the expiry of held branches if that is all that keeps a branch from being created from them."""
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


def _objections(desired: Desired, observed: Observed, lineage: Lineage, unit: RetainedBranch) -> tuple[str, ...]:
    """Return the reasons against an expiry that will still hold when it comes."""
    hold = desired.primary.hold
    if not desired.primary.expire_on_neon:
        return ("the file sets primary.expire_on_neon to false",)
    if hold is None or unit.until is None or hold + SLACK > LONGEST:
        return ("it is held for longer than Neon's longest expiry",)
    if unit.branch.protected:
        return ("it is protected, and a protected branch can't expire at Neon",)
    return kept_at(desired, observed, lineage, unit, _expiry_of(unit.branch.expires_at, unit.until))


def _expiry_of(expires: Instant | None, until: Instant) -> Instant:
    """Return when the branch expires, or will once a too early expiry has been moved.

    Setting the expiry changes the branch, which may have moved the end of the hold by a moment.
    """
    due = until.after(SLACK)
    return due if expires is None or expires < until or due - expires < QUIET else expires


def _expire(desired: Desired, unit: RetainedBranch) -> Step:
    assert desired.primary.hold is not None  # what is held for ever gets no expiry
    seconds = int((desired.primary.hold + SLACK).total_seconds())
    reason = f"nothing needs it after its hold ends at {unit.until}, even if no apply runs by then"
    return ExpireHeldBranch(branch=unit.branch.name, seconds=seconds, reason=reason)
