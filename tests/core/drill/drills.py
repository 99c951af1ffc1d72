"""Drills to report on."""

from dataclasses import replace

from reconciler.core.drill.results import (
    Check,
    Drill,
    Measured,
    Phase,
    Promise,
    Round,
    Stays,
    Stretch,
    TableProof,
    Traffic,
)
from reconciler.core.values.instant import Instant

BEGUN = Instant.parse_strict("2027-03-30T08:00:00Z")
LISTING = TableProof("public.Listing", 1_200, None, 1_200, "aa11" * 8, None, "aa11" * 8)
CLICK = TableProof("public.Click", 70_000, 70_000, 70_000, "bb22" * 8, "bb22" * 8, "bb22" * 8)
SECONDS = (1.26, 0.34, 2.17, 5.55, 1.15, 0.84, 3.33, 0.46)


def once(phase, began, seconds):
    return Measured(phase, (Stretch(began, seconds),))


PHASES = tuple(
    once(phase, sum(SECONDS[:number]), seconds)
    for number, (phase, seconds) in enumerate(zip(list(Phase)[1:], SECONDS, strict=True))
)
ROUND = Round(
    destruction='drop table "Listing"',
    target=BEGUN,
    timeline="r-20270330T080000000Z-drill",
    phases=PHASES,
    tables=(LISTING, CLICK),
    checks=(
        Check("the row written before the target is there", "it is", True),
        Check("the same checks fail on the damaged branch", "2 of 4 failed", True),
    ),
    traffic=Traffic(20, 812, 0, 3, 0.21),
    ids=(("Neon branch", "br-drill-1"), ("Hyperdrive config", "c0ffee")),
)
DRILL = Drill(
    environment="production",
    project="aged-wildflower-123456",
    begun=BEGUN,
    method="branch",
    commit="0123456789abcdef",
    rounds=(ROUND,),
    seconds=43.7,
    promise=Promise(1_800, "reference/performance-budget.md § Backend"),
    outside=(
        Stays("Axiom archive", "30d", "query it by _time", "it keeps 30 d, and the target is 41 d old"),
        Stays("R2 bucket photos", "forever", "none"),
    ),
    versions=(("reconciler", "0.1.0"), ("PostgreSQL", "17.2")),
)
UNPROVED = replace(
    ROUND,
    destruction='delete half of "Click"',
    tables=(replace(CLICK, rows_damaged=35_000, rows_restored=35_000, checksum_restored="cc33" * 8),),
    checks=(Check("all rows are back", "35,000 of 70,000", False),),
    traffic=None,
    ids=(),
)


def slower(seconds: float, drill: Drill = DRILL) -> Drill:
    """The same drill with one phase that took this long."""
    return replace(drill, rounds=(replace(ROUND, phases=(once(Phase.BRANCH, 0.0, seconds),)),))
