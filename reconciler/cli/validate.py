"""`reconciler validate`: check desired-state files; no provider is asked."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import click

from reconciler.cli.console.messages import say
from reconciler.cli.repository import environments
from reconciler.core.file.reading import DesiredStateError
from reconciler.core.model.refusal import Refusal
from reconciler.core.rules.context.concurrency import conflicts
from reconciler.providers.clock import SystemClock
from reconciler.providers.wrangler.checkout import claims_of


@click.command(name="validate")
@click.argument("environment", nargs=-1)
def command(environment: tuple[str, ...]) -> int:
    """Check desired-state files: all of them, or those that you name. No provider is asked.

    Every mistake is reported at once, with file, line and column. Exit status: 0 right, 1 mistakes.
    """
    files = [environments.find(name) for name in environment] if environment else environments.find_all()
    status = 0
    for file in files:
        try:
            desired = file.read()
        except DesiredStateError as error:
            say(error.report)
            status = 1
        else:
            click.echo(f"{desired.environment}: right, asks for {desired.timeline}")
    for refusal in _claimed_twice({file.root for file in files}):
        say(f"{refusal.rule}: {refusal.message}\n    hint: {refusal.hint}")
        status = 1
    return status


def _claimed_twice(roots: set[Path]) -> Iterator[Refusal]:
    """Compare every two files below each root, also where only some were named: a claim takes two."""
    now = SystemClock().now()
    for root in sorted(roots):
        for one, other in itertools.combinations(claims_of(root, now), 2):
            yield from conflicts(one, other)
