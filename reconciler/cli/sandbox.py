"""`reconciler sandbox`: up, down, exec. The sandbox itself is imported only when a command runs."""

import sys
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import click

_DIRECTORY = click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Work in this new or empty directory instead of a temporary one.",
)
_EMPTY = click.option("--empty", is_flag=True, help="Start without the example project.")
_PORT = click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Listen here instead of on any free port."
)
_WITHOUT_POSTGRES = click.option(
    "--without-postgres",
    is_flag=True,
    help="Keep no rows: the two APIs answer, people can log in, and what needs rows is refused.",
)
_VERBOSE = click.option("--verbose", is_flag=True, help="Report unexpected errors on standard error.")


@click.group(name="sandbox")
def command() -> None:
    """Run a local Neon and Cloudflare on real PostgreSQL."""


@command.command()
@_DIRECTORY
@_PORT
@click.option("--detach", is_flag=True, help="Return as soon as it is ready; `sandbox down` stops it.")
@_EMPTY
@_VERBOSE
@_WITHOUT_POSTGRES
def up(directory: Path | None, port: int, *, detach: bool, empty: bool, verbose: bool, without_postgres: bool) -> None:
    """Start a sandbox and print its variables as `export` lines.

    It runs until it is stopped, and then leaves nothing behind.
    """
    process = _process()
    options = process.Options(directory, port, empty, verbose, postgres=not without_postgres)
    try:
        if detach:
            click.echo(process.up_detached(options), nl=False)
        else:
            process.up(options)
    except process.SandboxFailed as error:
        _fail(error)


@command.command()
@_DIRECTORY
def down(directory: Path | None) -> None:
    """Stop the running sandbox and wait until nothing of it is left."""
    process = _process()
    try:
        stopped = process.down(directory)
    except process.SandboxFailed as error:
        _fail(error)
    click.echo(f"the sandbox (process {stopped}) is stopped", err=True)


@command.command(name="exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@_EMPTY
@_VERBOSE
@_WITHOUT_POSTGRES
@click.argument("program", metavar="COMMAND...", nargs=-1, required=True, type=click.UNPROCESSED)
def execute(program: tuple[str, ...], *, empty: bool, verbose: bool, without_postgres: bool) -> None:
    """Run a COMMAND against a fresh sandbox, and tear the sandbox down.

    The command finds the sandbox by its environment. The exit code is the command's.
    """
    process = _process()
    try:
        options = process.Options(empty=empty, verbose=verbose, postgres=not without_postgres)
        status = process.execute(program, options)
    except process.SandboxFailed as error:
        _fail(error)
    sys.exit(status)


def _process() -> ModuleType:
    try:
        from reconciler.sandbox import process
    except ModuleNotFoundError as error:
        _fail(f"the sandbox needs {error.name}: pip install 'reconciler[sandbox]'")
    return process


def _fail(error: object) -> NoReturn:
    click.echo(f"error: {error}", err=True)
    sys.exit(1)
