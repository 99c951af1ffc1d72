"""A place for many short-lived files."""

import shutil
from pathlib import Path

_ENOUGH_BYTES = 4 << 30


def memory():
    """A directory in memory if there is enough: making and removing thousands of files is slow on some disks."""
    place = Path("/dev/shm")
    return place if place.is_dir() and shutil.disk_usage(place).free > _ENOUGH_BYTES else None
