"""The checkout: wrangler.jsonc files, and the commit that deployments are labelled with."""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from reconciler.core.file.reading import read_desired_state
from reconciler.core.model.desired import Worker
from reconciler.core.model.observed import Claim
from reconciler.core.records.receipt import Receipt, parse
from reconciler.core.values.instant import Instant
from reconciler.errors import GitError, InputError
from reconciler.ports import WranglerFile
from reconciler.providers.git.notes import Notes
from reconciler.providers.git.repository import Repository, head_of
from reconciler.providers.wrangler.file import read_wrangler_config, write_binding_id

DIRECTORY = "desired-state"
_LONGEST_BYTES = 1_000_000
_PATIENCE_SECONDS = 10.0


class Checkout:
    """The port `WorkingTree`, on the directory that `config` paths start from."""

    def __init__(self, root: Path, environment: Mapping[str, str] = os.environ) -> None:
        self._root = root
        self._environment = environment
        self._has_fetched = False

    def path(self, worker: Worker) -> Path:
        """Return the path of a Worker's wrangler.jsonc."""
        return self._root / worker.config

    def read(self, worker: Worker) -> WranglerFile:
        """Read what wrangler.jsonc says. Raises InputError."""
        config = read_wrangler_config(self.path(worker), worker.binding, worker.environment)
        return WranglerFile(config.script_name, config.binding_id, config.bindings, config.account_id or "")

    def write(self, worker: Worker, hyperdrive_id: str) -> None:
        """Write the id into wrangler.jsonc. Another run may do so at the same time: the resulting content counts."""
        try:
            write_binding_id(self.path(worker), worker.binding, worker.environment, hyperdrive_id)
        except InputError:
            if self.read(worker).hyperdrive_id != hyperdrive_id:
                raise

    def claims(self, environment: str, now: Instant) -> tuple[Claim, ...]:
        """Read what the files of the other environments claim; what can't be read claims nothing."""
        return tuple(each for each in claims_of(self._root, now) if each.environment != environment)

    def commit(self) -> str:
        """Return the id of HEAD; empty outside a repository or before its first commit."""
        try:
            return head_of(self._root)
        except GitError:
            return ""

    def receipts(self) -> tuple[Receipt, ...]:
        """Return the receipts that applies have left; none where they can't be read.

        The remote's are fetched the first time, where it answers soon: it may know of applies elsewhere.
        """
        try:
            repository = Repository.containing(self._root, self._environment)
            if repository is None:
                return ()
            notes = Notes(repository.patient(_PATIENCE_SECONDS))
            if not self._has_fetched:
                self._has_fetched = True
                with suppress(GitError):
                    notes.fetch()
            return tuple(_read(notes.all()))
        except GitError:
            return ()


def _read(notes: Mapping[str, tuple[str, ...]]) -> Iterator[Receipt]:
    """Read the receipts among the lines. Each names its commit."""
    for commit, lines in notes.items():
        for line in lines:
            with suppress(ValueError):
                receipt = parse(line)
                if receipt.commit == commit:
                    yield receipt


def claims_of(root: Path, now: Instant) -> tuple[Claim, ...]:
    """Read what every desired-state file below a root claims.

    A file with mistakes claims nothing, and a Worker whose wrangler.jsonc can't be read is left out: neither can be
    applied, and a broken neighbour must not keep an environment from being restored.
    """
    files = sorted((root / DIRECTORY).glob("*.jsonc"))
    found = (_claim(root, path, now) for path in files if _is_plain(root, path))
    return tuple(claim for claim in found if claim is not None)


def _is_plain(root: Path, path: Path) -> bool:
    """Whether it is a regular file inside the tree: a link may point to a device or an endless file."""
    try:
        inside = path.resolve().is_relative_to(root.resolve())
        return inside and path.is_file() and path.stat().st_size <= _LONGEST_BYTES
    except (OSError, RuntimeError):  # a link that points to itself is the latter
        return False


def _claim(root: Path, path: Path, now: Instant) -> Claim | None:
    try:
        text = path.read_bytes().decode()
        desired = read_desired_state(text, file=path.name, environment=path.stem, now=now)
    except (InputError, OSError, UnicodeDecodeError):
        return None
    tree, workers = Checkout(root), []
    for worker in desired.workers:
        with suppress(InputError):
            if not _is_plain(root, tree.path(worker)):
                continue
            read = tree.read(worker)
            workers.append((read.account, read.script))
    return Claim(path.stem, desired.primary.project, desired.primary.branch, tuple(workers))
