"""Secrets are a type: whatever prints one prints stars, and whatever prints its value by mistake prints stars too."""

from dataclasses import dataclass, field

from reconciler.core.values.redaction import EVERYWHERE, STARS


@dataclass(frozen=True, slots=True)
class Secret:
    """A password, key or connection string. `reveal` is called only where it leaves for its provider.

    From the moment that it is made, its value is taken out of everything that this process says.
    """

    _value: str = field(repr=False)

    def __post_init__(self) -> None:
        EVERYWHERE.hide(self._value)

    def reveal(self) -> str:
        """Return the secret itself."""
        return self._value

    def __str__(self) -> str:
        return STARS

    def __repr__(self) -> str:
        return f"Secret({STARS})"

    def __reduce__(self) -> str:
        raise TypeError("a secret is not written anywhere")
