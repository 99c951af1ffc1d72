"""Receipts: what an apply saw, did and saw after. One line of canonical JSON each, chained by digests.

A receipt is attached to the commit that asked. It is a help for people, and never needed to know what is live:
that is read from Neon. `previous` is the digest of the environment's receipt before it, so a receipt that is lost or
altered shows; two runs that raced may name the same one.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Any

from reconciler.core.values.instant import Instant

VERSION = 1

_LONGEST_SECONDS = 1e9  # no run lasts for 30 years; NaN and infinity do not either


class Result(Enum):
    """How an apply ended."""

    CONVERGED = "converged"
    REFUSED = "refused"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class TakenStep:
    """A step that was taken and read back: when it began (UTC), and how many seconds until it was seen."""

    step: str
    target: str
    what: str
    reason: str
    began: str
    seconds: float


@dataclass(frozen=True, slots=True)
class GateResult:
    """A gate and whether it passed; `detail` says why not."""

    gate: str
    on: str
    passed: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class WorkerIdentity:
    """Which version of a Worker was deployed at the end, and which Hyperdrive config it is bound to."""

    script: str
    version: str
    hyperdrive: str


@dataclass(frozen=True, slots=True)
class Identities:
    """The providers' own ids, as they were at the end. Empty where there is none."""

    project: str
    branch: str = ""
    branch_name: str = ""
    lsn: str = ""
    endpoint: str = ""
    hyperdrive: str = ""
    workers: tuple[WorkerIdentity, ...] = ()


@dataclass(frozen=True, slots=True)
class Receipt:
    """One apply. Times are RFC 3339 in UTC; `seconds` is by a clock that never goes back.

    `commit` is the commit that asked; `changed`: the file differed from that commit.
    `actor` is who ran it, `run` where its log is. `outside` names what the restore did not rewind, `lifted` the guards
    that the file lifted, with the reasons, `rewound` the roles and databases that came back or are gone; these two are
    left out of the line where there is none, as in older receipts.
    """

    environment: str
    commit: str
    changed: bool
    began: str
    seconds: float
    before: str
    asked: str
    after: str
    digest: str
    result: Result
    detail: str
    steps: tuple[TakenStep, ...]
    gates: tuple[GateResult, ...]
    ids: Identities
    outside: tuple[str, ...]
    actor: str
    run: str
    tool: str
    previous: str = ""
    lifted: tuple[str, ...] = ()
    rewound: tuple[str, ...] = ()

    @property
    def began_at(self) -> Instant:
        """When it began."""
        return Instant.parse(self.began)

    @property
    def line(self) -> str:
        """The receipt as one line of canonical JSON: sorted keys, no spaces, ASCII."""
        facts = _facts(self) | {"result": self.result.value, "version": VERSION}
        for name in ("lifted", "rewound"):
            if not facts[name]:
                del facts[name]
        return json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=_facts)

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the line, which the next receipt names as its previous one."""
        return fingerprint(self.line)


def _facts(part: Any) -> dict[str, Any]:
    """Return a part's fields by name, as they are: `asdict` would copy each, and a long history has many."""
    return {name: getattr(part, name) for name in part.__slots__}


def fingerprint(line: str) -> str:
    """Return the SHA-256 of a receipt's line, in hexadecimal."""
    return hashlib.sha256(line.encode()).hexdigest()


def parse(line: str) -> Receipt:
    """Read a receipt's line. Raises ValueError for anything else, also for a version that is not known."""
    try:
        facts = json.loads(line)
    except RecursionError as error:
        raise ValueError("not a receipt: nested too deeply") from error
    if not isinstance(facts, dict) or facts.get("version") != VERSION:
        raise ValueError("not a receipt of this version")
    try:
        return _receipt(facts)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a receipt: {error}") from error


def _receipt(facts: dict[str, Any]) -> Receipt:
    ids = facts["ids"]
    workers = tuple(WorkerIdentity(**each) for each in ids["workers"])
    rest = {key: value for key, value in facts.items() if key != "version"}
    receipt = Receipt(
        **rest
        | {
            "result": Result(facts["result"]),
            "steps": tuple(TakenStep(**each) for each in facts["steps"]),
            "gates": tuple(GateResult(**each) for each in facts["gates"]),
            "ids": Identities(**ids | {"workers": workers}),
            "outside": tuple(facts["outside"]),
            "lifted": tuple(facts.get("lifted", ())),
            "rewound": tuple(facts.get("rewound", ())),
        }
    )
    _ = receipt.began_at  # a time that cannot be read is no receipt's
    _check(receipt)
    return receipt


def _check(part: Any) -> None:
    """Raise TypeError unless every field has a value of its type: a receipt may have been written by anybody."""
    for field in fields(part):
        value = getattr(part, field.name)
        if field.type is float and not (type(value) in (int, float) and 0 <= value < _LONGEST_SECONDS):
            raise TypeError(f"{field.name} is no length of time")
        if isinstance(field.type, type) and field.type is not float and not isinstance(value, field.type):
            raise TypeError(f"{field.name} is no {field.type.__name__}")
        for each in value if isinstance(value, tuple) else (value,):
            if is_dataclass(each):
                _check(each)
            elif isinstance(value, tuple) and not isinstance(each, str):
                raise TypeError(f"{field.name} holds something else than text")


def latest(receipts: Iterable[Receipt], environment: str) -> Receipt | None:
    """Find an environment's last receipt: the one that the next is chained to."""
    own = [each for each in receipts if each.environment == environment]
    return max(own, key=lambda each: (each.began, each.fingerprint), default=None)


def missing(receipts: Iterable[Receipt]) -> frozenset[str]:
    """Return the digests that receipts name as previous and that no receipt has: what was lost or altered."""
    known = tuple(receipts)
    return frozenset(each.previous for each in known if each.previous) - {each.fingerprint for each in known}
