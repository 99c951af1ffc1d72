"""Finds workerd: the file in RECONCILER_WORKERD, else `workerd` on PATH."""

import asyncio
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

HOW_TO_GET_IT = (
    "Workers run in workerd, and none was found: `npm install workerd`, then set RECONCILER_WORKERD to "
    "node_modules/.bin/workerd (or put it on PATH) and start the sandbox again."
)


@dataclass(frozen=True)
class Workerd:
    """The program. `newest_date` is the newest compatibility date that it knows, as YYYY-MM-DD."""

    program: Path
    newest_date: str


def locate() -> Path | None:
    """Return the program; None if there is none."""
    configured = os.environ.get("RECONCILER_WORKERD")
    found = configured if configured is not None else shutil.which("workerd")
    if not found or not os.access(found, os.X_OK) or Path(found).is_dir():
        return None
    return _native(Path(found).resolve())


async def examine(program: Path) -> Workerd:
    """Read the version of the program, which is a date. Raises OSError if it cannot be run."""
    process = await asyncio.create_subprocess_exec(
        program, "--version", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    output, _ = await process.communicate()
    version = re.search(rb"\d{4}-\d{2}-\d{2}", output)
    if process.returncode != 0 or version is None:
        raise OSError(f"{program} is no workerd: it answered --version with status {process.returncode}")
    return Workerd(program, version[0].decode())


def _native(program: Path) -> Path:
    """Return the binary behind npm's launcher: a launcher that is killed leaves its workerd running."""
    with program.open("rb") as file:
        if file.read(2) != b"#!":
            return program
    for directory in program.parents:
        for binary in sorted(directory.glob("@cloudflare/workerd-*/bin/workerd")):
            return binary
    return program
