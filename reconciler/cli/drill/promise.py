"""The promise that a drill is measured against, where the file says that there is one."""

from pathlib import Path

from reconciler.core.drill.promise import read_promise, spelled_promise
from reconciler.core.drill.results import Promise
from reconciler.core.model.desired import DrillSettings
from reconciler.errors import InputError


def promise(settings: DrillSettings, root: Path) -> Promise | None:
    """Read it; None where there is none. Raises InputError where it is not to be found, or not clear."""
    source = settings.rto_source
    if source is None:
        return spelled_promise(settings.rto) if settings.rto else None
    try:
        text = (root / source.file).read_text(encoding="utf-8")
    except OSError as error:
        hint = "drill.rto names the file from the repository's root"
        raise InputError(f"{source.file} cannot be read ({error.strerror})", hint=hint) from error
    except UnicodeDecodeError as error:
        raise InputError(f"{source.file} is not UTF-8 (byte {error.start})", hint="save it as UTF-8") from error
    return read_promise(text, source.file, source.section)
