"""Guards that a file lifts: by name, with a reason, and one at a time.

Only those can be lifted in which a provider has the last word before anything is changed (a limit, a lock), which
concern no data (a pooled origin of the very same branch), or which only a person can answer who has looked (what can't
be proved any more). Whatever a lifted guard lets through still has to pass
every other one.
"""

from collections.abc import Iterable

from reconciler.core.model.desired import Desired, Liftable
from reconciler.core.model.refusal import Refusal


def is_lifted(desired: Desired, guard: Liftable) -> bool:
    """Tell whether the file lifts a guard."""
    return any(each.guard is guard for each in desired.lift)


def standing(desired: Desired, refusals: Iterable[Refusal]) -> list[Refusal]:
    """Return the refusals that stand: those whose guard the file does not lift."""
    lifted = {each.guard.value for each in desired.lift}
    return [each for each in refusals if each.rule not in lifted]
