"""The files of clusters: copying, linking, and the segments of the log.

Files are copied here rather than by `cp`. `cp` looks for holes in every file, which for a file in memory that
PostgreSQL wrote block by block takes ten times as long as the copy. It also fails when a file is removed during the
copy, as happens in the directory of a running server.
"""

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from reconciler.sandbox.postgres.installation import Installation

T = TypeVar("T")
SEGMENT_BYTES = 1024 * 1024
UNCHANGING = ("1", "4")  # the directories of template1 and template0, whose numbers are fixed since PostgreSQL 15

_CHUNK_BYTES = 1024 * 1024
_LOG = "pg_wal"
_ELSEWHERE = frozenset({_LOG, *(f"base/{name}" for name in UNCHANGING)})
# what belongs to the running server alone; PostgreSQL's documentation, "Making a Base Backup Using the Low Level API"
_OF_THE_SERVER = frozenset({"postmaster.pid", "postmaster.opts", "backup_label", "backup_label.old"})
_EMPTIED = frozenset({"pg_dynshmem", "pg_replslot", "pg_stat_tmp", "pg_subtrans"})
_TEMPORARY = "pgsql_tmp"


@dataclass(frozen=True, slots=True)
class ClusterFiles:
    """Copies and links files for the account that PostgreSQL runs as."""

    installation: Installation

    def copy_running(self, source: Path, target: Path) -> int:
        """Copy the directory of a running server without its log and return the number of bytes.

        Files removed during the copy are left out: the log removes them too.
        """
        return self._copy_tree(source, target, "", running=True)

    def copy_resting(self, source: Path, target: Path) -> int:
        """Copy a directory that is not written to and return the number of bytes. Raises OSError."""
        return self._copy_tree(source, target, "", running=False)

    def link_all(self, source: Path, target: Path) -> None:
        """Make a directory with links to the files of another. These files must never change."""
        self.make_directory(target)
        for path in source.iterdir():
            self.link(path, target / path.name)

    def give_log(self, source: Path, target: Path, end: int) -> None:
        """Give the target the source's log up to the segment with the byte before `end`."""
        last = (end - 1) // SEGMENT_BYTES
        log = target / _LOG
        self.make_directory(log)
        self.make_directory(log / "archive_status")
        for path in (source / _LOG).iterdir():
            number = _segment_number(path.name)
            if path.suffix == ".history" or number == last:
                self._copy(path, log / path.name)
            elif number is not None and number < last:
                self.link(path, log / path.name)

    def write(self, path: Path, text: str = "") -> None:
        """Make a file."""
        path.write_text(text)
        self.installation.hand_over(path)

    def make_directory(self, path: Path) -> None:
        """Make a directory that only its owner can read, as PostgreSQL requires."""
        path.mkdir(mode=0o700)
        self.installation.hand_over(path)

    def link(self, source: Path, target: Path) -> None:
        """Link a file; if that is not possible, copy it."""
        try:
            os.link(source, target)
        except OSError:  # a file system without links, or too many of one file
            self._copy(source, target)

    def _copy_tree(self, source: Path, target: Path, inside: str, *, running: bool) -> int:
        self.make_directory(target)
        copied = 0
        with _vanishing(running=running), os.scandir(source) as entries:
            for entry in entries:
                name = inside + entry.name
                if running and _is_left_out(name):
                    continue
                path, there = Path(entry.path), target / entry.name
                with _vanishing(running=running):
                    if entry.is_dir():
                        copied += self._copy_tree(path, there, f"{name}/", running=running)
                    else:
                        copied += self._copy(path, there)
        return copied

    def _copy(self, source: Path, target: Path) -> int:
        copied, buffer = 0, memoryview(bytearray(_CHUNK_BYTES))
        with source.open("rb", buffering=0) as reading, target.open("xb", buffering=0) as writing:
            os.fchmod(writing.fileno(), 0o600)
            while count := reading.readinto(buffer):
                copied += count
                writing.write(buffer[:count])
        self.installation.hand_over(target)
        return copied


async def in_thread(function: Callable[..., T], *arguments: object) -> T:
    """Run a function in a thread, and wait for its end even when cancelled.

    So no caller removes a directory while the thread still makes files in it.
    """
    running = asyncio.ensure_future(asyncio.to_thread(function, *arguments))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait({running})
        raise


def log_end(cluster: Path) -> int:
    """Return the position, in bytes, of the end of the current segment."""
    numbers = {_segment_number(path.name): path for path in (cluster / _LOG).iterdir()}
    segments = sorted((number, path) for number, path in numbers.items() if number is not None)
    used = (number for number, path in reversed(segments) if _is_used(path, number))
    return (next(used, 0) + 1) * SEGMENT_BYTES


def _is_used(segment: Path, number: int) -> bool:
    """Return whether a segment is in use: only then its first page has its own address (`xlp_pageaddr`)."""
    with segment.open("rb", buffering=0) as file:
        header = file.read(16)
    return int.from_bytes(header[8:], sys.byteorder) == number * SEGMENT_BYTES


def _vanishing(*, running: bool) -> contextlib.AbstractContextManager[None]:
    """Allow a running server to remove files before they are opened."""
    return contextlib.suppress(*([FileNotFoundError] if running else []))


def _is_left_out(name: str) -> bool:
    directory, _, file = name.rpartition("/")
    return name in _ELSEWHERE or name in _OF_THE_SERVER or directory in _EMPTIED or file.startswith(_TEMPORARY)


def _segment_number(name: str) -> int | None:
    """Return the segment number of a file of the log, on any timeline; None for other files."""
    if not re.fullmatch("[0-9A-F]{24}", name):
        return None
    return int(name[8:16], 16) * (0x1_0000_0000 // SEGMENT_BYTES) + int(name[16:], 16)
