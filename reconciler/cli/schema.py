"""`reconciler schema`: the JSON Schema of desired-state files."""

import json

import click

from reconciler.core.file.model import json_schema


@click.command(name="schema")
def command() -> int:
    """Print the JSON Schema of desired-state files.

    Keep it beside them for completion in editors: reconciler schema > desired-state/schema.json
    """
    click.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))
    return 0
