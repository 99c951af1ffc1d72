"""`reconciler ci environments`: which environments a push or a pull request concerns."""

import json
import os
from pathlib import Path

import click

from reconciler.cli.ci.actions import Actions
from reconciler.cli.ci.concerned import Concerned, concerned, span_of
from reconciler.cli.repository.environments import find_named
from reconciler.providers.git.repository import Repository


@click.command(name="environments")
@click.option("--root", type=click.Path(exists=True, file_okay=False, path_type=Path), default=Path())
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(root: Path, form: str) -> None:
    """List the environments that a push or pull request concerns.

    These are the ones whose desired-state file, or whose Workers' wrangler.jsonc, changed between the two commits of
    the job's event. Without two commits, these are all; if the workflow's form names an environment, it is that one.
    They go to stdout and, as a JSON list, to the job's output `environments`. A notice names each environment whose
    file was deleted: deleting a file deletes nothing else.
    """
    actions = Actions.read(os.environ)
    repository = Repository.containing(root)
    if chosen := actions.inputs.get("environment"):
        found = Concerned((find_named(chosen, root),))
    else:
        found = concerned(root, span_of(actions, repository), repository)
    names = [file.name for file in found.files]
    for name in found.deleted:
        # A file may have any name, and one with a line end in it must not begin a line of the log.
        shown = "".join(each if each.isprintable() else "?" for each in name)
        actions.notice(shown, "its file was deleted; its data and its Hyperdrive configs stay as they are")
    if actions.output_file is not None:
        actions.output("environments", json.dumps(names))
    shown = json.dumps(names) if form == "json" else "\n".join(names)
    if shown:
        actions.say(shown)
