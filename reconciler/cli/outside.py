"""`reconciler outside`: what lives outside the database, and how far back it reaches."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import click

from reconciler.cli.console.exit_status import ExitStatus
from reconciler.cli.console.messages import warn
from reconciler.cli.options.moment import read_moment
from reconciler.cli.repository import environments
from reconciler.core.drill.not_restored import measured
from reconciler.core.drill.results import Stays
from reconciler.core.model.desired import Desired, Outside, Worker
from reconciler.core.model.observed import ObservedWorker, Unknown
from reconciler.core.plan.not_restored import stays_of
from reconciler.core.values.duration import for_people
from reconciler.core.values.instant import Instant
from reconciler.errors import InputError
from reconciler.providers.clock import SystemClock
from reconciler.providers.wrangler.checkout import Checkout
from reconciler.render.markdown import prose
from reconciler.render.wording import describe_outside


@dataclass(frozen=True, slots=True)
class Inventory:
    """What is outside, each compared with the target; `unread` lists the files that could not be read."""

    environment: str
    now: Instant
    target: Instant | None
    outside: tuple[tuple[Outside, Stays], ...]
    unread: tuple[Unknown, ...]

    @property
    def status(self) -> ExitStatus:
        """Return the exit status."""
        if self.unread:
            return ExitStatus.ERROR
        return ExitStatus.PENDING if any(found.warning for _, found in self.outside) else ExitStatus.DONE


@click.command(name="outside")
@click.argument("environment", required=False)
@click.option("--to", "moment", metavar="MOMENT", help="Check against this moment, not the file's restore.")
@click.option("--format", "form", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True)
def command(environment: str | None, moment: str | None, form: str) -> int:
    """List what a restore does not rewind, how long it is kept, and whether that reaches back far enough.

    Reads the desired-state file and the bindings in wrangler.jsonc; it needs no credentials. MOMENT is
    "2026-11-21T09:55:00Z", "2026-11-21 10:55 Europe/Berlin" or "41 days ago"; without it, the moment that the file
    asks for is the target; if it asks for none, nothing is checked.

    Exit status: 0 everything reaches back that far, or there is no target; 2 something does not; 1 a file can't
    be read.
    """
    file = environments.find(environment)
    now = SystemClock().now()
    target = None if moment is None else _past(read_moment(moment, now), now)
    found = inventory(file.read(), Checkout(file.root), target, now)
    for each in found.unread:
        warn(f"its bindings are not listed: {each.reason}")
    click.echo(_rendered(found, form))
    return found.status


def inventory(desired: Desired, checkout: Checkout, target: Instant | None, now: Instant) -> Inventory:
    """Read the bindings of every Worker of the file, and compare what is outside with the target or the file's own."""
    target = desired.timeline.moment if target is None else target
    workers = [_read(each, checkout) for each in desired.workers]
    outside = stays_of(desired, workers)
    return Inventory(
        environment=desired.environment,
        now=now,
        target=target,
        outside=tuple(zip(outside, measured(outside, target, now), strict=True)),
        unread=tuple(each for each in workers if isinstance(each, Unknown)),
    )


def _read(worker: Worker, checkout: Checkout) -> ObservedWorker | Unknown:
    try:
        file = checkout.read(worker)
    except InputError as error:
        return Unknown(error.message, error.hint)
    return ObservedWorker(
        worker.config, worker.environment, file.script, file.hyperdrive_id, (), bindings=file.bindings
    )


def _past(target: Instant, now: Instant) -> Instant:
    if target > now:
        raise InputError(f"{target} is in the future", hint="a restore goes back: name a moment that has passed")
    return target


def _rendered(found: Inventory, form: str) -> str:
    if form == "json":
        return _as_json(found)
    return "\n".join(_as_markdown(found) if form == "markdown" else _as_text(found))


def _heading(found: Inventory) -> str:
    if found.target is None:
        return "what a restore does not rewind (no target: --to MOMENT checks how far back it reaches)"
    return f"what a restore to {found.target}, {for_people(found.now - found.target)} ago, does not rewind"


def _as_text(found: Inventory) -> Iterator[str]:
    yield f"{found.environment}: {_heading(found)}"
    for outside, held in found.outside:
        yield f"  {describe_outside(outside)}"
        if held.warning:
            yield f"    does not reach back that far: {held.warning}"
    if not found.outside:
        yield "  nothing found: no binding, and no outside in the file"


def _as_markdown(found: Inventory) -> Iterator[str]:
    yield f"**{prose(found.environment)}**: {_heading(found)}"
    yield ""
    for outside, held in found.outside:
        short = f" **Does not reach back that far**: {prose(held.warning)}." if held.warning else ""
        yield f"- {prose(describe_outside(outside))}.{short}"
    if not found.outside:
        yield "Nothing found: no binding, and no `outside` in the file."


def _as_json(found: Inventory) -> str:
    facts = {
        "environment": found.environment,
        "target": None if found.target is None else found.target.text,
        "outside": [
            {
                "name": held.name,
                "retention": None if outside.retention is None else held.retention,
                "recovery": held.recovery,
                "reaches": None if found.target is None or outside.retention is None else not held.warning,
                "warning": held.warning,
            }
            for outside, held in found.outside
        ],
        "unread": [each.reason for each in found.unread],
    }
    return json.dumps(facts, indent=2, ensure_ascii=False)
