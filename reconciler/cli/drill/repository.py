"""A drill's own Git repository, in a temporary directory: no other branch or index is touched."""

import json
from pathlib import Path

from reconciler.cli.proposal.base import Base, Examined
from reconciler.cli.proposal.publish import Change, publish
from reconciler.cli.proposal.text import message, restore_subject
from reconciler.cli.repository.temporary import TemporaryRepository


class DrillRepository(TemporaryRepository):
    """Holds a desired-state file, and a wrangler.jsonc for each Worker."""

    def __init__(self, root: Path, environment: str) -> None:
        """Make it in an empty directory."""
        super().__init__(root, environment, "reconciler drill")

    def begin(self, text: str, workers: dict[str, tuple[str, str, str]]) -> None:
        """Commit the state before the damage. `workers`: path -> script, binding, id of the Hyperdrive config."""
        self.file.path.write_text(text, encoding="utf-8")
        for path, (script, binding, config) in workers.items():
            content = {"name": script, "hyperdrive": [{"binding": binding, "id": config}]}
            self.write(path, json.dumps(content, indent=2) + "\n")
        self.commit("What there is before the drill")

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
        self.git.git.merge("--quiet", "--ff-only", commit)
        return commit
