"""What Neon's and Cloudflare's plans allow, in one place, each with the page of the documentation that says it."""

from dataclasses import dataclass
from datetime import timedelta

from reconciler.core.model.compute import NEVER

# Hyperdrive configs of an account on Workers Free and Paid (Hyperdrive documentation, Limits). A token can't read which
# plan an account has.
FREE_CONFIGS = 10
PAID_CONFIGS = 25
# The longest expiry of a branch, from now (Neon documentation, Branch expiration).
LONGEST_EXPIRY = timedelta(days=30)
# The longest history window of any plan (Neon documentation, Plans).
LONGEST_HISTORY = timedelta(days=30)
# The smallest and the largest compute, in compute units (Neon documentation, Manage computes).
SMALLEST_COMPUTE, LARGEST_COMPUTE = 0.25, 56.0


@dataclass(frozen=True, slots=True)
class NeonPlan:
    """The limits of a Neon plan (Neon documentation, Plans); None if the documentation states none.

    `largest_compute` is in compute units, `suspensions` in seconds: the delays after which a compute may suspend.
    """

    root_branches: int
    protected_branches: int
    history: timedelta
    largest_compute: float | None = None
    suspensions: tuple[int, ...] | None = None


_NEON_PLANS = {
    "free": NeonPlan(3, 0, timedelta(hours=6), largest_compute=2.0, suspensions=(300,)),
    "launch": NeonPlan(5, 2, timedelta(days=7), suspensions=(300, NEVER)),
    "scale": NeonPlan(25, 5, LONGEST_HISTORY),
}


def neon_plan(name: str) -> NeonPlan | None:
    """Return the limits of a plan, None if they are unknown. Neon's name of it, such as `free_v3`, begins with ours."""
    return next((plan for kind, plan in _NEON_PLANS.items() if name.startswith(kind)), None)
