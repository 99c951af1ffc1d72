"""Guards that a file waives: by name, with a reason, and one at a time.

Few guards can be waived: a provider decides anyway before anything changes (a limit, a lock), no data is at risk (a
pooled host of the same branch), or the data can only be checked by hand. Every other guard still applies.
"""

from collections.abc import Iterable

from reconciler.core.model.desired import Desired, Waivable
from reconciler.core.model.refusal import Refusal


def is_waived(desired: Desired, guard: Waivable) -> bool:
    """Whether the file waives a guard."""
    return any(each.guard is guard for each in desired.waivers)


def unwaived(desired: Desired, refusals: Iterable[Refusal]) -> list[Refusal]:
    """Return the refusals whose guard the file does not waive."""
    waived = {each.guard.value for each in desired.waivers}
    return [each for each in refusals if each.rule not in waived]
