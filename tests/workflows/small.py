"""Small workflows, and the repository that they are in."""

import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
CHECKOUT = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1"
UPLOAD = "actions/upload-artifact@bbbca2ddaa5d8feaa63e36b76fdaad77386f024f"
OUTPUT = "${{ steps.a.outputs.it }}"


class Repository:
    """A bare repository whose commits are made in place: what is in `tree` is what the next one holds."""

    def __init__(self, directory):
        self.bare, self.tree = directory / "remote.git", directory / "tree"
        self.tree.mkdir()
        subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", self.bare], check=True)

    def git(self, *arguments):
        identity = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.com", "-c", "core.bare=false"]
        place = [f"--git-dir={self.bare}", f"--work-tree={self.tree}"]
        said = subprocess.run(["git", *identity, *place, *arguments], check=True, capture_output=True, text=True)
        return said.stdout.strip()

    def commit(self, files, branch=None):
        """Commit on the branch that is checked out, or on a new one from there; return the commit."""
        if branch:
            self.git("checkout", "--quiet", "-B", branch)
        for name, content in files.items():
            path = self.tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False))
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "a commit")
        return self.git("rev-parse", "HEAD")


def job(*steps, **more):
    return {"runs-on": "ubuntu-24.04", "steps": [*steps], **more}


def sh(script, **more):
    return {"run": script, **more}
