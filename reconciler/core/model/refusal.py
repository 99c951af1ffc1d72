"""The shape of a refusal. Each refusal is a class beside its rule: it holds the numbers and names the way out.

Sentences are templates: `{branch}` is a field or a property of the refusal. A length of time is written for people,
and a tuple as a list, with semicolons where the template says `{reasons:;}`.
"""

import string
from abc import ABC
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from reconciler.core.values.duration import for_people


class Refusal(ABC):
    """A rule that forbids a step; while one holds, nothing is done.

    `rule` is its stable name. `problem` says what is wrong, with the numbers, and `way_out` what to do about it.
    `before_the_call` says what checks the rule once more right before a provider is called: `docs/guards.md` lists it.

    A refusal `about_declared_branch` or `about_setting` does not keep the primary from being restored. One about a
    setting is given only when nothing else is left to do.
    """

    __slots__ = ()
    rule: ClassVar[str]
    problem: ClassVar[str]
    way_out: ClassVar[str]
    before_the_call: ClassVar[str] = "the look"
    about_declared_branch: ClassVar[bool] = False
    about_setting: ClassVar[bool] = False

    @property
    def blocks_restores(self) -> bool:
        """Whether no timeline is made live while it holds."""
        return not (self.about_declared_branch or self.about_setting)

    @property
    def may_lag(self) -> bool:
        """Whether it may be gone on the next look, because one list of a provider lags behind another."""
        return False

    @property
    def message(self) -> str:
        """What is wrong, in one sentence with the numbers."""
        return _SENTENCE.format(self.problem, self)

    @property
    def hint(self) -> str:
        """What to do about it."""
        return _SENTENCE.format(self.way_out, self)


class _Sentence(string.Formatter):
    """Fills in a template from the attributes of a refusal, the one positional argument."""

    def get_value(self, key: int | str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:  # noqa: ARG002
        return getattr(args[0], str(key))

    def format_field(self, value: Any, format_spec: str) -> Any:
        if isinstance(value, timedelta):
            return for_people(value)
        if isinstance(value, tuple):
            return f"{format_spec or ','} ".join(str(each) for each in value) or "nothing"
        return super().format_field(value, format_spec)


_SENTENCE = _Sentence()
