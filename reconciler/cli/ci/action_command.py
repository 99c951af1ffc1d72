"""`reconciler ci action`: what the composite action runs. One command, with the action's inputs as its options."""

import os
from collections.abc import Mapping

import click

from reconciler.errors import InputError

# Each is an option of the same name. Which command has which is for the command to check.
_OPTIONS = ("root", "pull-request", "output", "to", "id", "to-timeline", "reason")
_INPUTS = ("command", "environment", *_OPTIONS, "destroy")
_CHANGES_PENDING = 2


@click.command(name="action")
@click.pass_context
def command(context: click.Context) -> int:
    """Run the command that the inputs of the GitHub action name.

    The inputs are read from the environment, as INPUT_COMMAND, INPUT_PULL_REQUEST and so on.

    Exit status: that of the command, but 0 for changes pending or drift, which a comment or an issue reports.
    """
    words = arguments({name: os.environ.get(_variable(name), "") for name in _INPUTS})
    ended = context.find_root().command.main(args=words, prog_name="reconciler", standalone_mode=False)
    return exit_status(words, ended if isinstance(ended, int) else 0)


def arguments(inputs: Mapping[str, str]) -> list[str]:
    """Return the command line for the action's inputs. A value is one argument, whatever it holds.

    Raises InputError if no command is given.
    """
    words = inputs["command"].split()
    if not words:
        raise InputError("the action's input command is empty", hint='set it, such as command: "ci apply"')
    words += [f"--{name}={inputs[name]}" for name in _OPTIONS if inputs.get(name)]
    targets = filter(None, inputs.get("destroy", "").split(","))
    words += ["--all" if target == "all" else f"--destroy={target}" for target in targets]
    environment = inputs.get("environment", "")
    if not environment:
        return words
    return [*words, f"--environment={environment}"] if words[0] == "ci" else [*words, "--", environment]


def exit_status(words: list[str], status: int) -> int:
    """Return the job's exit status. 2 fails a drill only: it is a broken promise there, and a difference elsewhere."""
    return 0 if status == _CHANGES_PENDING and words[0] != "drill" else status


def _variable(name: str) -> str:
    return f"INPUT_{name.upper().replace('-', '_')}"
