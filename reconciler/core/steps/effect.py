"""What every step has."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One effect on the world, with the reason for it."""

    reason: str = field(compare=False)
