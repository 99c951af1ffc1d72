"""How large a compute may become, and when it suspends: as Neon reports it, or as the file asks for it.

Source: Neon's API description, EndpointUpdateRequest: sizes are in compute units (CU), of which 0.25 is the least;
`suspend_timeout_seconds` is 0 for the default, which is 300, -1 for never, and otherwise from 60 to 604800.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

from reconciler.core.values.duration import for_people

NEVER = -1
_DEFAULT_SECONDS = 300


@dataclass(frozen=True, slots=True)
class ComputeSettings:
    """The least and the most compute units, and after how many seconds without use it suspends.

    None is what Neon does not report, or the file does not ask for.
    """

    minimum: float | None = None
    maximum: float | None = None
    suspend: int | None = None

    def over(self, others: "ComputeSettings") -> "ComputeSettings":
        """Return these settings, and the others' where there are none."""
        return ComputeSettings(
            others.minimum if self.minimum is None else self.minimum,
            others.maximum if self.maximum is None else self.maximum,
            others.suspend if self.suspend is None else self.suspend,
        )

    def diff(self, found: "ComputeSettings") -> "ComputeSettings":
        """Return what of these is found to be otherwise: both sizes or none, as they are set together.

        What Neon does not report does not differ: a change of it could never be read back.
        """
        other_size = _differ(self.minimum, found.minimum) or _differ(self.maximum, found.maximum)
        sized = self if other_size else UNSAID
        suspends_otherwise = _differ(_seconds(self.suspend), _seconds(found.suspend))
        return replace(sized, suspend=_seconds(self.suspend) if suspends_otherwise else None)

    @property
    def for_new_compute(self) -> "ComputeSettings":
        """The same for a compute that is yet to be made: Neon's Free plan takes no suspension, not even the default."""
        return replace(self, suspend=None if _seconds(self.suspend) == _DEFAULT_SECONDS else self.suspend)

    def __str__(self) -> str:
        size = "" if self.maximum is None else f"{self.minimum:g} to {self.maximum:g} CU"
        return ", ".join(part for part in (size, _spelled(self.suspend)) if part)


# Neither reported nor asked for.
UNSAID = ComputeSettings()


def _differ(wanted: float | None, found: float | None) -> bool:
    return wanted is not None and found is not None and wanted != found


def _seconds(suspend: int | None) -> int | None:
    return _DEFAULT_SECONDS if suspend == 0 else suspend


def _spelled(suspend: int | None) -> str:
    if suspend is None:
        return ""
    if suspend == NEVER:
        return "never suspended"
    return f"suspended after {for_people(timedelta(seconds=suspend or _DEFAULT_SECONDS))}"
