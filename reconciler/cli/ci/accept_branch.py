"""The branch of the pull request that accepts what is live: `accept/<environment>`, which only this job writes."""

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
        """Edit the file of the default branch. Raises InputError if it is not the file that was compared."""
        if base.read(base.text) != desired:
            hint = "the next comparison reads the new one"
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
        """Return the pull request's body; `seen` is when the state that it accepts was observed."""
        changes = "\n".join(f"- {prose(change)}" for change in self.found.changes)
        file = code(self.base.path)
        parts = [f"As of {seen}, what is live is not what {file} asks for. This changes the file:", changes]
        parts.append(self.caution(seen))
        plan = code("gh workflow run plan.yml -f pull_request=NUMBER")
        parts.append(f"{plan}, with the number of this pull request, plans it again: GitHub starts no workflow for it.")
        return "\n\n".join([*parts, "It is closed automatically when the two agree again."])

    def caution(self, seen: Instant) -> str:
        """Say in Markdown what the apply after a merge does."""
        if self.found.corrected:
            names = ", ".join(code(name) for name in self.found.corrected)
            then = f"the apply that follows the merge only puts the id of the live Hyperdrive config into {names}"
        else:
            then = "the apply that follows the merge finds nothing to do"
        asked, look = code(str(self.found.desired.timeline)), code(f"reconciler status {self.base.environment}")
        moved = f"If what is live has moved since, merging it would take the world back to {asked} as it was then"
        return f"As of {seen}, {then}. **{moved}**: {look} shows what is live now."

    def push(self) -> str:
        """Push the change to its branch, unless it is there; return the commit.

        Raises InputError if the branch has commits of someone else, and GitError.
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
    """Return the name of the branch that accepts what is live in an environment."""
    return f"accept/{environment}"
