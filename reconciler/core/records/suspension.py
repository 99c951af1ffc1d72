"""A suspension: nothing may be applied to an environment until a moment, for a reason.

While it lasts it is a refusal like any other, but of an apply alone: plans are still made and shown. It is
kept as one line of canonical JSON. Whoever may write to the repository may have written it, so its texts are taken
without what a terminal would obey, on one line, and not at any length.
"""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from reconciler.core.model.refusal import Refusal
from reconciler.core.values.instant import Instant

VERSION = 1
LONGEST = timedelta(days=30)
LONGEST_REASON = 500
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Suspension(Refusal):
    """Who stopped all applying to an environment, since when, until when, and why."""

    rule = "suspended"
    environment: str
    by: str
    since: Instant
    until: Instant
    reason: str

    problem = "{by} suspended {environment} at {since} until {until}: {reason}"

    way_out = "nothing is applied until then; reconciler resume {environment} ends it now"

    def is_over(self, now: Instant) -> bool:
        """Whether its time has gone by."""
        return now >= self.until

    @property
    def line(self) -> str:
        """The suspension as one line of canonical JSON: sorted keys, no spaces, ASCII."""
        facts = {
            "by": self.by,
            "environment": self.environment,
            "reason": self.reason,
            "since": self.since.text,
            "until": self.until.text,
            "version": VERSION,
        }
        return json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)

    @classmethod
    def parse(cls, line: str, environment: str) -> Self:
        """Read a line. Raises ValueError for anything else, also for a version that is not known."""
        try:
            facts = json.loads(line)
        except RecursionError as error:
            raise ValueError("not a suspension: nested too deeply") from error
        if not isinstance(facts, dict) or facts.get("version") != VERSION:
            raise ValueError("not a suspension of this version")
        try:
            by, reason = shown(facts["by"], _LONGEST_NAME), shown(facts["reason"], LONGEST_REASON)
            since, until = Instant.parse(str(facts["since"])), Instant.parse(str(facts["until"]))
        except KeyError as error:
            raise ValueError(f"not a suspension: it has no {error}") from error
        return cls(environment, by or "(unknown)", since, until, reason or "(no reason)")


def shown(text: object, longest: int) -> str:
    """Return a text on one line, without control and direction marks, of at most so many characters."""
    line = " ".join(str(text).split())
    return "".join(filter(str.isprintable, line))[:longest].strip()
