"""The Git repository of a drill: of its own, in a temporary directory, so that nobody's branch or index is touched."""

import json
from pathlib import Path

import git

from reconciler.cli.proposal.base import Base, Examined
from reconciler.cli.proposal.proposal import Change, publish
from reconciler.cli.proposal.text import message, restore_subject
from reconciler.cli.repository.environments import DIRECTORY, EnvironmentFile

_CONFIGURATION = {
    "user": {"name": "reconciler drill", "email": "drill@reconciler.invalid"},
    "commit": {"gpgsign": "false"},
    "core": {"hooksPath": "/dev/null", "autocrlf": "false"},
}


class DrillRepository:
    """A real repository in an empty directory, with a desired-state file and a wrangler.jsonc for each Worker."""

    def __init__(self, root: Path, environment: str) -> None:
        """Make it."""
        root = root.resolve()
        self.root = root
        self.file = EnvironmentFile(root / DIRECTORY / f"{environment}.jsonc", root)
        self._repository = git.Repo.init(root, initial_branch="main")
        with self._repository.config_writer() as configuration:
            for section, values in _CONFIGURATION.items():
                for key, value in values.items():
                    configuration.set_value(section, key, value)
        self.file.path.parent.mkdir()

    def close(self) -> None:
        """End the processes that GitPython keeps."""
        self._repository.close()

    def begin(self, text: str, workers: dict[str, tuple[str, str, str]]) -> None:
        """Commit what there is before the damage. `workers`: path -> script, binding, id of the Hyperdrive config."""
        self.file.path.write_text(text, encoding="utf-8")
        for path, (script, binding, config) in workers.items():
            content = {"name": script, "hyperdrive": [{"binding": binding, "id": config}]}
            (self.root / path).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        self._repository.git.add("--all")
        self._repository.git.commit("--quiet", "--message", "What there is before the drill")

    def merge(self, base: Base, examined: Examined, text: str, reason: str) -> str:
        """Commit a restore on a branch as `reconciler restore` does, merge it, and return the commit."""
        change = Change(
            base=base,
            branch=f"restore/{base.environment}/{examined.desired.timeline}",
            text=text,
            message=message(restore_subject(examined), base, examined, reason),
            body="",
            apart="",
        )
        commit, _ = publish(change)
        self._repository.git.merge("--quiet", "--ff-only", commit)
        return commit
