"""Says how a drill went: as a table for people, as JSON for programs."""

import json
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from reconciler.core.drill.phases import tenths
from reconciler.core.drill.results import Drill, Measured, Round, Traffic
from reconciler.core.drill.trend import length
from reconciler.core.values.instant import Instant

# As the report shows them, so that the two agree and each adds up as it is read.


def as_json(drill: Drill) -> str:
    """Return everything that was measured and proved."""
    facts = _plain(drill) | {"proved": drill.proved, "kept": drill.kept, "slowest": drill.slowest}
    return json.dumps(facts, indent=2, ensure_ascii=False)


def as_text(drill: Drill) -> str:
    """Return the phases, the proofs and the verdict."""
    lines = [line for each in drill.rounds for line in _round(each)]
    return "\n".join([*lines, verdict(drill)])


def verdict(drill: Drill) -> str:
    """Say in a line whether it was proved, and whether the promise was kept."""
    proved = "everything was proved" if drill.proved else "NOT everything was proved"
    if drill.failure:
        return f"{drill.environment}: {proved}: it ended in {drill.failure}"
    took = f"the slowest restore took {drill.slowest:.1f} s, and the drill {drill.seconds:.1f} s"
    if drill.promise is None:
        return f"{drill.environment}: {proved}; {took}; no RTO is promised"
    kept = "within" if drill.kept else "NOT within"
    return f"{drill.environment}: {proved}; {took}; {kept} the {length(drill.promise.seconds)} of {drill.promise.where}"


def _round(found: Round) -> list[str]:
    lines = [f"{found.destruction}, restored to {found.target}"]
    took = tenths([each.seconds for each in found.phases])
    lines += [f"  {each.phase.value:20}{shown / 10:8.1f} s" for each, shown in zip(found.phases, took, strict=True)]
    lines.append(f"  {'together':20}{found.seconds:8.1f} s")
    lines += [f"  {'proved' if each.holds else 'FAILED'}: {each.claim} ({each.seen})" for each in found.checks]
    if found.noticed is not None:
        lines.append(f"  {found.noticed.said}")
    if (traffic := found.traffic) is not None:
        lines.append(
            f"  {traffic.requests} requests, {traffic.per_second} a second: {traffic.failed} failed, "
            f"{_stale(traffic)}, longest gap {traffic.longest_gap:.2f} s"
        )
    return [*lines, ""]


def _stale(traffic: Traffic) -> str:
    return "stale ones not distinguished" if traffic.stale is None else f"{traffic.stale} stale"


def _plain(value: Any) -> Any:
    match value:
        case Instant():
            return str(value)
        case Measured():
            stretches = _plain(value.stretches)
            return {
                "phase": value.phase.value, "began": value.began, "seconds": value.seconds, "stretches": stretches,
            }  # fmt: skip
        case Enum():
            return value.value
        case tuple() | list():
            return [_plain(each) for each in value]
        case _ if is_dataclass(value):
            return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
        case _:
            return value
