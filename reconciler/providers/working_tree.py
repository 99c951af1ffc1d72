"""The checkout: wrangler.jsonc files, and the commit that deployments are labelled with."""

from pathlib import Path

from reconciler.core.desired import Worker
from reconciler.errors import InputError
from reconciler.ports import WranglerFile
from reconciler.providers.wrangler_file import read_wrangler_config, write_binding_id


class Checkout:
    """The port `WorkingTree`, on the directory that `config` paths start from."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path(self, worker: Worker) -> Path:
        """Return where a Worker's wrangler.jsonc stands."""
        return self._root / worker.config

    def read(self, worker: Worker) -> WranglerFile:
        """Read what wrangler.jsonc says. Raises InputError."""
        config = read_wrangler_config(self.path(worker), worker.binding, worker.environment)
        return WranglerFile(config.script_name, config.binding_id, config.bindings)

    def write(self, worker: Worker, hyperdrive_id: str) -> None:
        """Put the id into wrangler.jsonc. Another run may do the same at the same time: what counts is what stands."""
        try:
            write_binding_id(self.path(worker), worker.binding, worker.environment, hyperdrive_id)
        except InputError:
            if self.read(worker).hyperdrive_id != hyperdrive_id:
                raise

    def commit(self) -> str:
        """Return the id of HEAD; empty outside a repository or before its first commit."""
        import git  # noqa: PLC0415  a tenth of a second that only a deployment needs to spend

        try:
            with git.Repo(self._root, search_parent_directories=True) as repository:
                return repository.head.commit.hexsha
        except (git.InvalidGitRepositoryError, git.NoSuchPathError, ValueError):
            return ""
