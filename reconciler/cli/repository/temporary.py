"""A Git repository of its own, in a temporary directory: for the demo, and for drills."""

from pathlib import Path

import git

from reconciler.cli.repository.environments import DIRECTORY, EnvironmentFile

_SAFE = {"commit": {"gpgsign": "false"}, "core": {"hooksPath": "/dev/null", "autocrlf": "false"}}


class TemporaryRepository:
    """A real repository with one commit author, and a place for the file of one environment. Close it at the end."""

    def __init__(self, root: Path, environment: str, author: str) -> None:
        """Make it in an empty directory. `author` is also the name in the author's e-mail address."""
        self.root = root.resolve()
        self.file = EnvironmentFile(self.root / DIRECTORY / f"{environment}.jsonc", self.root)
        self.git = git.Repo.init(self.root, initial_branch="main")
        user = {"name": author, "email": f"{author.rsplit(maxsplit=1)[-1]}@reconciler.invalid"}
        with self.git.config_writer() as configuration:
            for section, values in {"user": user, **_SAFE}.items():
                for key, value in values.items():
                    configuration.set_value(section, key, value)
        self.file.path.parent.mkdir()

    def write(self, path: str, text: str) -> None:
        """Write a file, named from the root."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def commit(self, message: str) -> None:
        """Commit everything."""
        self.git.git.add("--all")
        self.git.git.commit("--quiet", "--message", message)

    def close(self) -> None:
        """End the processes that GitPython keeps."""
        self.git.close()
