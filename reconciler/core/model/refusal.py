"""The shape of a refusal. Each refusal is a class beside its rule: it holds the numbers and names the way out.

Sentences are templates: `{branch}` is a field or a property of the refusal. A length of time is written for people,
and a tuple as a list, with semicolons where the template says `{reasons:;}`.
"""

import string
from abc import ABC
from collections.abc import Iterator, Mapping
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
        return _SENTENCE.vformat(self.problem, (), _Attributes(self))

    @property
    def hint(self) -> str:
        """What to do about it."""
        return _SENTENCE.vformat(self.way_out, (), _Attributes(self))


class _Attributes(Mapping[str, Any]):
    """The fields and properties of a refusal, by name."""

    def __init__(self, refusal: Refusal) -> None:
        self._refusal = refusal

    def __getitem__(self, name: str) -> Any:
        return getattr(self._refusal, name)

    def __iter__(self) -> Iterator[str]:
        return iter(dir(self._refusal))

    def __len__(self) -> int:
        return len(dir(self._refusal))


class _Sentence(string.Formatter):
    def format_field(self, value: Any, format_spec: str) -> Any:
        if isinstance(value, timedelta):
            return for_people(value)
        if isinstance(value, tuple):
            return f"{format_spec or ','} ".join(str(each) for each in value) or "nothing"
        return super().format_field(value, format_spec)


_SENTENCE = _Sentence()
