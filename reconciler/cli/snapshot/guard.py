"""`reconciler snapshot guard`: dumps are kept out of Git."""

import os
from pathlib import Path

import click

from reconciler.cli.snapshot.place import Where, directory_option
from reconciler.errors import InputError
from reconciler.providers.git.command import Git
from reconciler.providers.postgres.snapshot_shelf import DIRECTORY, is_ignored, root_of

_MARK = "# reconciler snapshot guard"
# The first bytes of pg_dump's custom format are PGDMP, whatever the file is called.
_HOOK = f"""#!/bin/sh
{_MARK}: refuses to commit dumps of databases
git diff --cached --name-only --diff-filter=ACMR -z | tr '\\n\\0' '?\\n' | {{
  status=0
  while IFS= read -r name; do
    case $name in
      {DIRECTORY}/* | */{DIRECTORY}/* | *.dump) found=yes ;;
      *) found=$(git cat-file blob ":$name" 2> /dev/null | head -c 5 | grep -a -c '^PGDMP' || :) ;;
    esac
    case $found in
      yes | 1) echo "refused: $name is a dump of a database; git rm --cached takes it out" >&2; status=1 ;;
    esac
  done
  exit $status
}}
"""


@click.command(name="guard")
@directory_option
@click.option("--install", is_flag=True, help="Add a pre-commit hook that refuses dumps.")
def command(directory: Path | None, *, install: bool) -> int:
    """Say whether dumps can get into Git: whether their directory is ignored, and a pre-commit hook refuses them.

    Exit status: 0 they can't, 1 they can, or error.
    """
    root = root_of(Path.cwd(), os.environ)
    if root is None:
        raise InputError(f"{Path.cwd()} is in no Git repository")
    hooks, is_of_this_repository = _hooks(root)
    hook = root / hooks / "pre-commit"
    if install:
        if not is_of_this_repository:
            hint = "git config core.hooksPath .git/hooks gives this repository hooks of its own again"
            raise InputError(f"core.hooksPath sends all repositories to {hooks}: nothing is installed there", hint=hint)
        _install(hook)
    shelf = Where(None, None, None, None, None, directory).shelf.directory
    ignored, guarded = is_ignored(shelf / "example.dump", os.environ), _is_ours(hook)
    click.echo(f"{shelf} {'is ignored by Git' if ignored else 'is not ignored: add it to .gitignore'}")
    click.echo(f"{hook} {'refuses dumps' if guarded else 'does not refuse dumps: --install adds that'}")
    return 0 if ignored and guarded else 1


def _hooks(root: Path) -> tuple[str, bool]:
    """Return the directory of hooks that a person's git uses, and whether it is of this repository alone."""
    # Scope by scope: our own git runs with hooks off, and would name another directory.
    for scope in ("--local", "--global", "--system"):
        answer = Git.at(root, os.environ).attempt("config", scope, "--type=path", "--get", "core.hooksPath")
        if answer.status == 0 and answer.text:
            return answer.text, scope == "--local"
    return Git.at(root, os.environ).run("rev-parse", "--git-common-dir").text + "/hooks", True


def _is_ours(hook: Path) -> bool:
    try:
        return _MARK in hook.read_text(encoding="utf-8", errors="replace") and os.access(hook, os.X_OK)
    except OSError:
        return False


def _install(hook: Path) -> None:
    if hook.exists() and not _is_ours(hook):
        hint = f"keep its file and append to it: {_MARK} is the line that is looked for"
        raise InputError(f"{hook} exists already, and was not written by reconciler", hint=hint)
    try:
        hook.parent.mkdir(parents=True, exist_ok=True)
        hook.write_text(_HOOK, encoding="utf-8")
        hook.chmod(0o755)
    except OSError as error:
        raise InputError(f"{hook} can't be written: {error.strerror}") from error
