"""`reconciler snapshot list`: which snapshots there are."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from reconciler.cli.console.messages import say
from reconciler.cli.snapshot.place import Where, directory_option, summary
from reconciler.providers.postgres.snapshot_shelf import Kept


@click.command(name="list")
@directory_option
@click.option("--format", "shape", type=click.Choice(["text", "json"]), default="text", help="How to print them.")
def command(directory: Path | None, shape: str) -> int:
    """Show the snapshots that there are, the newest first.

    Exit status: 0, 1 error.
    """
    kept = Where(None, None, None, None, None, directory).shelf.all()
    if shape == "json":
        facts = [{"path": str(each.path), "manifest": each.manifest and asdict(each.manifest)} for each in kept]
        click.echo(json.dumps(facts, indent=2))
        return 0
    for each in kept:
        click.echo(_line(each))
    if not kept:
        say("no snapshots: reconciler snapshot create takes one")
    return 0


def _line(kept: Kept) -> str:
    if kept.manifest is None:
        return f"{kept.path.name}  {kept.problem}"
    server = kept.manifest.origin.server // 10000
    commit = f", commit {kept.manifest.commit[:12]}" if kept.manifest.commit else ""
    last = (kept.manifest.contents.migrations or ("",))[-1]
    migration = f", migration {last}" if last else ""
    return f"{kept.path.name}  {summary(kept.manifest)}, PostgreSQL {server}{commit}{migration}"
