"""The refusals: each is a type that holds the numbers, says what is wrong in one sentence, and names the way out."""

from abc import ABC, abstractmethod
from typing import ClassVar


class Refusal(ABC):
    """A rule that forbids going on. `rule` is its stable name; nothing is done while one stands.

    `may_lag`: a list that lags behind another one looks the same, so an apply looks again before it believes it.
    `about_child`: it is about a declared branch alone, and keeps nobody from restoring the primary. Nor does one
    `about_setting`, which is refused only where nothing else is to be done.
    """

    __slots__ = ()
    rule: ClassVar[str]
    about_declared_branch: ClassVar[bool] = False
    about_setting: ClassVar[bool] = False

    @property
    def keeps_restores(self) -> bool:
        """Tell whether no timeline is made live while it stands."""
        return not (self.about_declared_branch or self.about_setting)

    @property
    def may_lag(self) -> bool:
        """Tell whether it may be gone on the next look, without anybody having done anything."""
        return False

    @property
    @abstractmethod
    def message(self) -> str:
        """Say what is wrong, with the numbers."""

    @property
    @abstractmethod
    def hint(self) -> str:
        """Say what to do."""
