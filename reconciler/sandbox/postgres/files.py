"""The files of clusters: what is copied, what is linked, and the segments of the log.

Files are read and written here rather than by `cp`: it asks every file for its holes, which for a file in memory that
PostgreSQL wrote block by block takes ten times as long as the copy itself, and it fails where a file is removed under
its hands, as happens in the directory of a running server.
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
        """Copy the directory of a running server without its log, and give the number of bytes.

        What is removed meanwhile is left out: the log says so too.
        """
        return self._copy_tree(source, target, "", running=True)

    def copy_resting(self, source: Path, target: Path) -> int:
        """Copy a directory that nobody writes to, and give the number of bytes. Raises OSError."""
        return self._copy_tree(source, target, "", running=False)

    def link_all(self, source: Path, target: Path) -> None:
        """Make a directory with the same files as another, which must never change."""
        self.make_directory(target)
        for path in source.iterdir():
            self.link(path, target / path.name)

    def give_log(self, source: Path, target: Path, end: int) -> None:
        """Give the target the log of the source up to the segment that holds the byte before `end`."""
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
        """Make a directory that nobody else may look into, as PostgreSQL demands."""
        path.mkdir(mode=0o700)
        self.installation.hand_over(path)

    def link(self, source: Path, target: Path) -> None:
        """Give a file another name; where that cannot be, copy it."""
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

    Whoever then removes the directory is not to do that while files are still made in it.
    """
    running = asyncio.ensure_future(asyncio.to_thread(function, *arguments))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait({running})
        raise


def log_end(cluster: Path) -> int:
    """Give the position, in bytes, where the segment ends that is written now."""
    numbers = {_segment_number(path.name): path for path in (cluster / _LOG).iterdir()}
    segments = sorted((number, path) for number, path in numbers.items() if number is not None)
    used = (number for number, path in reversed(segments) if _is_used(path, number))
    return (next(used, 0) + 1) * SEGMENT_BYTES


def _is_used(segment: Path, number: int) -> bool:
    """Tell whether a segment is more than reserved: its first page then says which one it is (`xlp_pageaddr`)."""
    with segment.open("rb", buffering=0) as file:
        header = file.read(16)
    return int.from_bytes(header[8:], sys.byteorder) == number * SEGMENT_BYTES


def _vanishing(*, running: bool) -> contextlib.AbstractContextManager[None]:
    """Allow for files that are removed by a running server before they are opened."""
    return contextlib.suppress(*([FileNotFoundError] if running else []))


def _is_left_out(name: str) -> bool:
    directory, _, file = name.rpartition("/")
    return name in _ELSEWHERE or name in _OF_THE_SERVER or directory in _EMPTIED or file.startswith(_TEMPORARY)


def _segment_number(name: str) -> int | None:
    """Give the number of the segment of the log that a file holds, whatever its timeline; None for other files."""
    if not re.fullmatch("[0-9A-F]{24}", name):
        return None
    return int(name[8:16], 16) * (0x1_0000_0000 // SEGMENT_BYTES) + int(name[16:], 16)
