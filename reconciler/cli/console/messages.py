"""What a command says beside its result: on stderr, one line each."""

import click


def say(line: str) -> None:
    """Write a line to stderr."""
    click.echo(line, err=True)


def warn(message: str) -> None:
    """Write a warning to stderr."""
    say(f"warning: {message}")
