"""The demo's Git repository: a desired-state file, a wrangler.jsonc, and the commits that people would make."""

from pathlib import Path

from reconciler.cli.repository.temporary import TemporaryRepository
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


class DemoRepository(TemporaryRepository):
    """Holds a desired-state file, a wrangler.jsonc and a performance budget."""

    def __init__(self, root: Path, health: str | None = None) -> None:
        """Make it in an empty directory. `health` is a URL of the Worker that becomes an HTTP gate."""
        super().__init__(root, ENVIRONMENT, "demo")
        self.write(_BUDGET_FILE, _BUDGET)
        self.file.path.write_text(_DESIRED_STATE % (_REQUEST_GATE % health if health else ""), encoding="utf-8")

    def begin(self, hyperdrive_id: str) -> None:
        """Commit the set-up as it is before anything happens."""
        self.write("wrangler.jsonc", _WRANGLER % hyperdrive_id)
        self.commit("Production as it is")

    def ask_for(self, to: Instant) -> str:
        """Commit the one-line change of a restore; return its diff."""
        line = f'"restore": {{ "to": "{to}", "id": "inc-42", "reason": "a migration dropped Listing" }},'
        text = self.file.path.read_text(encoding="utf-8").replace('"restore": null,', line)
        self.file.path.write_text(text, encoding="utf-8")
        self.commit(f"Restore production to {to}")
        return self._diff()

    def revert(self) -> str:
        """Revert the restore; return the diff."""
        asked = next(each for each in self.git.iter_commits() if str(each.summary).startswith("Restore"))
        self.git.git.revert("--no-edit", asked.hexsha)
        return self._diff()

    def commit_deployed(self) -> None:
        """Commit the wrangler.jsonc that an apply has edited."""
        self.commit("wrangler.jsonc as it is deployed")

    def _diff(self) -> str:
        shown: str = self.git.git.show("--format=%h %s", "--unified=0", "--", str(self.file.path))
        kept = [line for line in shown.splitlines() if not line.startswith(("diff", "index", "---", "+++", "@@"))]
        return "\n".join(f"    {line}" for line in kept if line)
