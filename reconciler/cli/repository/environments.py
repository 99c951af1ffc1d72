"""Finds and reads desired-state files."""

from dataclasses import dataclass
from pathlib import Path

from reconciler.core.file.reading import read_desired_state
from reconciler.core.model.desired import Desired
from reconciler.errors import InputError
from reconciler.providers.clock import SystemClock

DIRECTORY = "desired-state"
_LONGEST_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class EnvironmentFile:
    """A desired-state file. `root` is the directory that paths in it start from: the repository's."""

    path: Path
    root: Path

    @property
    def name(self) -> str:
        """The environment's name."""
        return self.path.stem

    def read(self) -> Desired:
        """Read it. Raises DesiredStateError with every mistake, and InputError."""
        shown = _relative(self.path)
        try:
            content = self._content()
            text = content.decode("utf-8")
        except OSError as error:
            raise InputError(f"{shown}: cannot be read ({error.strerror})") from error
        except UnicodeDecodeError as error:
            raise InputError(f"{shown}: is not UTF-8 (byte {error.start})", hint="save it as UTF-8") from error
        if len(content) > _LONGEST_BYTES:
            raise InputError(f"{shown}: is longer than {_LONGEST_BYTES:,} bytes", hint="is it the right file?")
        now = SystemClock().now()
        return read_desired_state(text, file=shown, environment=self.name, now=now)

    def _content(self) -> bytes:
        # Reads no more than needed to see that it is too long: it may be a link to /dev/zero.
        with self.path.open("rb") as file:
            return file.read(_LONGEST_BYTES + 1)


def find(name: str | None) -> EnvironmentFile:
    """Find one environment: by name, by path, or the only one there is. Raises InputError."""
    if name is not None and (name.endswith((".json", ".jsonc")) or "/" in name):
        path = Path(name).resolve()
        if not path.is_file():
            raise InputError(f"{name}: there is no such file")
        return EnvironmentFile(path, path.parent.parent if path.parent.name == DIRECTORY else path.parent)
    if name is not None:
        return find_named(name)
    files = find_all()
    if len(files) > 1:
        raise InputError("which environment?", hint=f"name one of: {', '.join(file.name for file in files)}")
    return files[0]


def find_named(name: str, start: Path | None = None) -> EnvironmentFile:
    """Find an environment by its name only. Raises InputError."""
    files = find_all(start)
    for file in files:
        if file.name == name:
            return file
    raise InputError(f'there is no environment "{name}"', hint=f"there is: {', '.join(file.name for file in files)}")


def find_all(start: Path | None = None) -> list[EnvironmentFile]:
    """Find every environment, from a directory (this one) upward. Raises InputError where there is none."""
    here = start.absolute() if start is not None else Path.cwd()
    for root in (here, *here.parents):
        directory = root / DIRECTORY
        if directory.is_dir():
            files = sorted(path for path in directory.iterdir() if path.suffix == ".jsonc" and path.is_file())
            if not files:
                raise InputError(
                    f"{_relative(directory)} has no environment",
                    hint="to write one for an existing project: reconciler import production",
                )
            return [EnvironmentFile(path, root) for path in files]
    raise InputError(
        f"there is no directory {DIRECTORY}/ here or above",
        hint=(
            f"run it inside the repository, or name a file: reconciler plan {DIRECTORY}/production.jsonc; to start: "
            "reconciler import production"
        ),
    )


def _relative(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
