"""The content of a lease: canonical JSON in the message of a commit without parents and without files."""

import json
from dataclasses import asdict, dataclass, replace
from typing import Self

from reconciler.core.values.instant import Instant

VERSION = 1
# Longer than any run renews: a duration beyond it was not written by this tool.
_LONGEST_SECONDS = 3600.0
_LONGEST_TEXT = 300
# How long a lease that cannot be read has to stand still before it counts as dead.
UNREADABLE_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class LeaseState:
    """A lease on the remote. `expires_at` is by its owner's clock; `run` is where its log is, or empty."""

    environment: str
    owner: str
    taken_at: Instant
    expires_at: Instant
    run: str


@dataclass(frozen=True, slots=True)
class Record:
    """A lease with what identifies it: a random `nonce` for each run, and the number of its renewal.

    It lasts `seconds` from each renewal on. `readable` is false where the content is not of this version.
    """

    state: LeaseState
    nonce: str
    renewal: int
    seconds: float
    readable: bool = True

    @property
    def line(self) -> str:
        """The record as one line of canonical JSON: sorted keys, no spaces, ASCII."""
        facts = asdict(self.state) | {
            "taken_at": self.state.taken_at.text,
            "expires_at": self.state.expires_at.text,
            "nonce": self.nonce,
            "renewal": self.renewal,
            "seconds": self.seconds,
            "version": VERSION,
        }
        return json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)

    def renewed(self, now: Instant) -> Self:
        """Return what is to stand there when it is taken or renewed now."""
        expires_at = Instant(now.milliseconds + round(self.seconds * 1000))
        taken_at = self.state.taken_at if self.renewal else now
        state = replace(self.state, taken_at=taken_at, expires_at=expires_at)
        return replace(self, state=state, renewal=self.renewal + 1)

    @classmethod
    def parse(cls, line: str, environment: str, identity: str) -> Self:
        """Read a record. An unreadable one counts as held; its `identity` distinguishes it from others."""
        try:
            return cls._read(json.loads(line), environment)
        except (ValueError, KeyError, TypeError):
            nowhen = Instant(0)
            state = LeaseState(environment, "an owner whose lease cannot be read", nowhen, nowhen, "")
            return cls(state, identity, 0, UNREADABLE_SECONDS, readable=False)

    @classmethod
    def _read(cls, facts: dict[str, object], environment: str) -> Self:
        seconds, renewal = facts["seconds"], facts["renewal"]
        if facts["version"] != VERSION or not isinstance(seconds, int | float) or not isinstance(renewal, int):
            raise ValueError("not a lease of this version")
        if not 0 < seconds <= _LONGEST_SECONDS:
            raise ValueError("no duration of a lease")
        taken_at, expires_at = Instant.parse(str(facts["taken_at"])), Instant.parse(str(facts["expires_at"]))
        state = LeaseState(environment, _shown(facts["owner"]), taken_at, expires_at, _shown(facts["run"]))
        return cls(state, str(facts["nonce"]), renewal, seconds)


def _shown(text: object) -> str:
    """Return what others wrote as it may be shown: on one line, without control characters, not too long."""
    return "".join(filter(str.isprintable, str(text)))[:_LONGEST_TEXT]
