"""Somebody's clone of a production's repository, and the bare remote that it came from."""

import json
import re
import subprocess

from tests.support.command import Said
from tests.support.plain_words import run_main
from tests.support.remotes import BareRemote, clone, commit_files, git

_CREDENTIALS = ("NEON_API_KEY", "CLOUDFLARE_API_TOKEN")
_ABSENT = ("GITHUB_TOKEN", "GITHUB_REPOSITORY", "GITHUB_ACTIONS", "GITHUB_API_URL", "RECONCILER_REMOTE")
_GIT = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
FILE = "desired-state/production.jsonc"


def written(desired):
    """A desired-state file as people write it: comments, trailing commas, the restore on one line."""
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}," for key, value in desired.items() if key != "primary"]
    primary = [
        f"    // null, or {{ to, id, reason }}\n    {json.dumps(key)}: {json.dumps(value)}, // {key}"
        for key, value in desired["primary"].items()
    ]
    return "\n".join(["// Production.", "{", '  "primary": {', *primary, "  },", *lines, "}", ""])


class Desk:
    """A clone to run `reconciler` in: what `Command` takes for a production, with its remote."""

    def __init__(self, production, directory):
        self.sandbox = production.sandbox
        self.shop = production.shop
        self.desired = production.desired
        self.environment = production.environment
        self.secrets = production.secrets
        self.remote = BareRemote(directory / "hub")
        git(production.root, "push", "--quiet", self.remote.url, "HEAD:main")
        self.root = self.clone(directory / "desk")

    def clone(self, directory):
        """Clone the remote, as another person would."""
        clone(self.remote, directory)
        git(directory, "config", "user.name", "Ada Tester")
        git(directory, "config", "user.email", "ada@example.invalid")
        return directory

    def git(self, *arguments):
        return git(self.root, *arguments)

    def push(self, files, message="Change"):
        """Commit files and push them to the remote's main."""
        return commit_files(self.root, files, message, push=True)

    def remote_file(self, name, path=FILE):
        """A file of the remote, as it is at a commit or branch, to the last byte."""
        command = ["git", "cat-file", "blob", f"{name}:{path}"]
        return subprocess.run(command, cwd=self.remote.path, stdout=subprocess.PIPE, check=True).stdout.decode()

    def remote_branches(self):
        found = git(self.remote.path, "for-each-ref", "--format=%(refname:short)", "refs/heads")
        return found.split("\n")

    def wrangler_id(self):
        """The Hyperdrive config that the clone's wrangler.jsonc names."""
        [path] = self.root.glob("*.jsonc")
        return re.search(r'"id": "([^"]*)"', path.read_text())[1]

    def message(self, name):
        return git(self.remote.path, "log", "-1", "--format=%B", name)

    def merge(self, branch):
        """Merge a branch into the remote's main as GitHub does; the clone follows."""
        self.git("fetch", "--quiet", "origin")
        self.git("merge", "--quiet", "--no-ff", "-m", f"Merge {branch}", f"origin/{branch}")
        self.git("push", "--quiet", "origin", "HEAD:main")

    def credentials(self):
        """Everything that nobody may be told: passwords of the databases, and keys of the providers."""
        return [*self.secrets(), *(self.environment[name] for name in _CREDENTIALS)]

    def before_push(self, command):
        """Have the remote run a shell command when a push has arrived and is not done yet."""
        hook = self.remote.path / "hooks" / "pre-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\n{command}\n")
        hook.chmod(0o755)

    def state(self):
        """Everything that a command must leave alone: each file, the index, HEAD and the branches."""
        files = [path for path in self.root.rglob("*") if path.is_file() and ".git" not in path.parts]
        kept = [*files, self.root / ".git" / "index", self.root / ".git" / "HEAD", self.root / ".git" / "config"]
        state = {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in kept}
        state["branches"] = self.git("for-each-ref", "refs/heads", "refs/tags", "refs/stash")
        return state


class Runner:
    """Runs `reconciler` at a desk, in this process: `run(desk, "restore", …, GITHUB_TOKEN=…)`."""

    def __init__(self, monkeypatch, capsys):
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        self._said = []

    def __call__(self, desk, *arguments, **variables):
        self._monkeypatch.chdir(desk.root)
        for name, value in {**dict.fromkeys(_ABSENT), **_GIT, **desk.environment, **variables}.items():
            if value is None:
                self._monkeypatch.delenv(name, raising=False)
            else:
                self._monkeypatch.setenv(name, value)
        said = Said(*run_main(self._monkeypatch, self._capsys, *arguments))
        self._said.append((desk, said))
        return said

    def check(self, secrets):
        """No traceback, and no secret, in anything that was said or committed."""
        for desk, said in self._said:
            text = said.stdout + said.stderr + git(desk.remote.path, "log", "--all", "--patch", "--format=%B")
            assert "Traceback" not in text, text
            for secret in [*secrets, *desk.credentials()]:
                assert secret not in text, f"a secret was told: {text}"
