"""The tables of `docs/provider-rules.md`: the rules of the providers, and the tests that prove them."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "provider-rules.md"
COUNT = 25
PROVIDERS = {"Neon": "N", "Cloudflare": "C"}

_ROW = re.compile(r"\| ([A-Z]\d+) \| (.+) \| (.+) \| (.+) \|")
_QUOTED = re.compile(r"`([^`]+)`")


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of a table. `tests` have pytest's names; `gap` is what no test proves yet."""

    id: str
    text: str
    kept_by: tuple[str, ...]
    tests: tuple[str, ...]
    gap: str

    @property
    def is_shown(self) -> bool:
        """Whether tests prove the whole rule."""
        return bool(self.tests) and not self.gap


def read(text: str) -> list[Rule]:
    """Read every line of the tables, in order."""
    return [_rule(*found.groups()) for found in map(_ROW.fullmatch, text.splitlines()) if found]


def _rule(identity: str, text: str, kept_by: str, shown_by: str) -> Rule:
    shown, _, gap = shown_by.partition("not yet: ")
    return Rule(identity, text, tuple(_QUOTED.findall(kept_by)), tuple(_QUOTED.findall(shown)), gap)


def summary(rules: list[Rule]) -> str:
    """Return one line with the numbers of proven rules."""
    shown = [rule.id for rule in rules if rule.is_shown]
    counts = (
        f"{name} {sum(each.startswith(letter) for each in shown)} of {COUNT}" for name, letter in PROVIDERS.items()
    )
    return f"rules: {', '.join(counts)} shown by a test"
