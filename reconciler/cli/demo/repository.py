"""The demo's Git repository: a desired-state file, a wrangler.jsonc, and the commits that people would make."""

from pathlib import Path

import git

from reconciler.core.values.instant import Instant

ENVIRONMENT = "production"

_DESIRED_STATE = """\
{
  "primary": {
    "project": "aged-wildflower-123456",
    "branch": "main",
    "restore": null,
  },
  "hyperdrive": { "name": "tech961", "database": "tech961", "role": "app" },
  "worker": { "config": "wrangler.jsonc", "binding": "HYPERDRIVE" },
  "verify": {
    "sql": [{ "name": "there are listings", "query": "select count(*) > 0 from \\"Listing\\"" }],%s
  },
  "drill": { "rto": { "file": "reference/performance-budget.md", "section": "Backend" } },
}
"""
_BUDGET_FILE = "reference/performance-budget.md"
_BUDGET = """\
# Performance budget

## Backend

| what | budget |
| --- | --- |
| RTO | < 30 minutes |
"""
_REQUEST_GATE = """
    "http": [{ "name": "the Worker reaches its database", "url": "%s", "contains": "{version}" }],"""
_WRANGLER = """\
{
  "name": "tech961-api",
  "main": "src/index.js",
  "compatibility_date": "2025-09-01",
  // The reconciler changes this id, and nothing else.
  "hyperdrive": [{ "binding": "HYPERDRIVE", "id": "%s" }],
}
"""
_CONFIGURATION = {
    "user": {"name": "demo", "email": "demo@reconciler.invalid"},
    "commit": {"gpgsign": "false"},
    "core": {"hooksPath": "/dev/null", "autocrlf": "false"},
}


class DemoRepository:
    """A real repository in an empty directory."""

    def __init__(self, root: Path, health: str | None = None) -> None:
        """Make it. `health` is an address of the Worker that becomes an HTTP gate."""
        self.root = root
        self.file = root / "desired-state" / f"{ENVIRONMENT}.jsonc"
        self._repository = git.Repo.init(root, initial_branch="main")
        with self._repository.config_writer() as configuration:
            for section, values in _CONFIGURATION.items():
                for key, value in values.items():
                    configuration.set_value(section, key, value)
        self.file.parent.mkdir()
        budget = root / _BUDGET_FILE
        budget.parent.mkdir()
        budget.write_text(_BUDGET, encoding="utf-8")
        gate = _REQUEST_GATE % health if health else ""
        self.file.write_text(_DESIRED_STATE % gate, encoding="utf-8")

    def close(self) -> None:
        """End the processes that GitPython keeps."""
        self._repository.close()

    def begin(self, hyperdrive_id: str) -> None:
        """Commit the set-up as it is before anything happens."""
        (self.root / "wrangler.jsonc").write_text(_WRANGLER % hyperdrive_id, encoding="utf-8")
        self._commit("Production as it is")

    def ask_for(self, to: Instant) -> str:
        """Commit the one-line change of a restore; return its diff."""
        line = f'"restore": {{ "to": "{to}", "id": "inc-42", "reason": "a migration dropped Listing" }},'
        text = self.file.read_text(encoding="utf-8").replace('"restore": null,', line)
        self.file.write_text(text, encoding="utf-8")
        self._commit(f"Restore production to {to}")
        return self._diff()

    def revert(self) -> str:
        """Revert the restore, as anybody would; return the diff."""
        asked = next(each for each in self._repository.iter_commits() if str(each.summary).startswith("Restore"))
        self._repository.git.revert("--no-edit", asked.hexsha)
        return self._diff()

    def commit_deployed(self) -> None:
        """Commit the wrangler.jsonc that an apply has edited."""
        self._commit("wrangler.jsonc as it is deployed")

    def _commit(self, message: str) -> None:
        self._repository.git.add("--all")
        self._repository.git.commit("--quiet", "--message", message)

    def _diff(self) -> str:
        shown: str = self._repository.git.show("--format=%h %s", "--unified=0", "--", str(self.file))
        kept = [line for line in shown.splitlines() if not line.startswith(("diff", "index", "---", "+++", "@@"))]
        return "\n".join(f"    {line}" for line in kept if line)
