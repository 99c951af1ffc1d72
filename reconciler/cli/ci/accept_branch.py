"""The pull request that accepts what is live: a branch of this job's own, `accept/<environment>`, kept up to date."""

from dataclasses import dataclass

from reconciler.cli.ci.acceptance import Acceptable
from reconciler.cli.ci.own_branch import refuse_work_of_others
from reconciler.cli.proposal.base import Base
from reconciler.core.model.desired import Desired
from reconciler.core.values.instant import Instant
from reconciler.errors import InputError
from reconciler.render.markdown import code, prose


@dataclass(frozen=True, slots=True)
class Accepting:
    """A change of the desired-state file that accepts what is live."""

    base: Base
    text: str
    found: Acceptable

    @classmethod
    def of(cls, base: Base, desired: Desired, found: Acceptable) -> "Accepting":
        """Edit the file as it is on the default branch. Raises InputError where that is not the file compared."""
        if base.read(base.text) != desired:
            hint = "the next comparison looks at the new one"
            raise InputError(f"{base.path} on {base.where} is not the file that was compared", hint=hint)
        text = found.edit(base.text)
        if base.read(text) != found.desired:
            raise InputError(f"{base.path} could not be edited", hint="edit it by hand")
        return cls(base, text, found)

    @property
    def branch(self) -> str:
        """The branch's name."""
        return branch_of(self.base.environment)

    @property
    def title(self) -> str:
        """The commit's subject and the pull request's title."""
        return f"{self.base.environment}: accept what is live"

    @property
    def message(self) -> str:
        """The commit's message."""
        return "\n".join([self.title, "", *(f"- {change}" for change in self.found.changes), ""])

    def body(self, seen: Instant) -> str:
        """Write the pull request's text; `seen` is when what it accepts was seen to be live."""
        changes = "\n".join(f"- {prose(change)}" for change in self.found.changes)
        file = code(self.base.path)
        parts = [f"As of {seen}, what is live is not what {file} asks for. This changes the file:", changes]
        parts.append(self.caution(seen))
        plan = code("gh workflow run plan.yml -f pull_request=NUMBER")
        parts.append(f"{plan}, with the number of this pull request, plans it as of now: GitHub does not by itself.")
        return "\n\n".join([*parts, "It is closed by itself when the two agree again."])

    def caution(self, seen: Instant) -> str:
        """Say in Markdown what merging it does: nothing in the world, unless that has moved since."""
        if self.found.corrected:
            names = ", ".join(code(name) for name in self.found.corrected)
            then = f"the apply that follows the merge only puts the id of the live Hyperdrive config into {names}"
        else:
            then = "the apply that follows the merge finds nothing to do"
        asked, look = code(str(self.found.desired.timeline)), code(f"reconciler status {self.base.environment}")
        moved = f"If what is live has moved since, merging it would take the world back to {asked} as it was then"
        return f"As of {seen}, {then}. **{moved}**: {look} tells what is live now."

    def push(self) -> str:
        """Have the change on its branch of the remote; return the commit.

        Raises InputError where somebody has put work of their own on the branch; GitError from the remote.
        """
        base, repository, ref = self.base, self.base.repository, f"refs/heads/{self.branch}"
        standing = repository.remote_ref(ref)
        if standing:
            repository.fetch(self.branch)
            refuse_work_of_others(repository, self.branch, standing, base.commit, (base.path,))
            parent = repository.resolve(f"{standing}^") or ""
            if base.decoded(standing) == self.text and base.decoded(parent) == base.text:
                return standing
        commit = repository.commit(base.commit, {base.path: self.text.encode()}, self.message)
        repository.push(commit, ref, expected=standing)
        return commit


def branch_of(environment: str) -> str:
    """Name the branch that accepts what is live in an environment."""
    return f"accept/{environment}"
