"""A bare repository in which a GitHub would keep its pull requests: their refs, their merges."""

import os
import subprocess

_PERSON = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Rita Reviewer"), ("EMAIL", "rita@example.com"))
}


class BareRepository:
    """The commands of Git that a merge needs; nothing is checked out, and no hook runs."""

    def __init__(self, path):
        self.path = path

    def branch(self, name):
        """Give the tip of a branch; "" where there is none."""
        return self.commit(f"refs/heads/{name}")

    def commit(self, name):
        """Give the id of a commit; "" where there is none."""
        return self._git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", check=False).strip()

    def default_branch(self):
        """Give the branch that HEAD names."""
        return self._git("symbolic-ref", "--short", "HEAD").strip()

    def commits(self, base, head):
        """Give the ids of what `head` has and `base` has not."""
        return self._git("rev-list", f"{base}..{head}").split()

    def merged(self, base, head, message):
        """Make a merge, and give its id; "" where it conflicts."""
        made = self._run("merge-tree", "--write-tree", base, head)
        if made.returncode != 0:
            return ""
        return self._git("commit-tree", made.stdout.strip(), "-p", base, "-p", head, "-m", message).strip()

    def set(self, ref, commit):
        """Set a ref, or delete it where the commit is ""."""
        self._git("update-ref", *(["-d", ref] if not commit else [ref, commit]))

    def advance(self, branch, new, old):
        """Move a branch, if it is where it is thought to be."""
        self._git("update-ref", f"refs/heads/{branch}", new, old)

    def _git(self, *arguments, check=True):
        done = self._run(*arguments)
        assert done.returncode == 0 or not check, done.stderr
        return done.stdout

    def _run(self, *arguments):
        command = ["git", "-c", "core.hooksPath=/dev/null", "--git-dir", str(self.path), *arguments]
        return subprocess.run(command, env=os.environ | _PERSON, capture_output=True, text=True)
