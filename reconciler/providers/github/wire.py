"""The parts of GitHub's responses that we use.

Unknown fields are ignored. A field that is missing or has the wrong type raises a ProviderError that names it.
"""

from dataclasses import dataclass
from enum import Enum

from reconciler.providers.http.response import ResponseReader

# Anyone may write a body, so a long one must not fail the whole read. GitHub accepts less than this.
_LONGEST_BODY = 300_000


class CommitState(Enum):
    """The state of a commit status (docs.github.com, REST API, "Commit statuses")."""

    ERROR = "error"
    FAILURE = "failure"
    PENDING = "pending"
    SUCCESS = "success"


class DeploymentState(Enum):
    """The state of a deployment (docs.github.com, REST API, "Deployment statuses")."""

    ERROR = "error"
    FAILURE = "failure"
    INACTIVE = "inactive"
    IN_PROGRESS = "in_progress"
    QUEUED = "queued"
    PENDING = "pending"
    SUCCESS = "success"


@dataclass(frozen=True, slots=True)
class PullRequest:
    """A pull request. `url` is its page; `head_repository` is "owner/name", empty if the fork was deleted."""

    number: int
    url: str
    head_branch: str
    head_commit: str
    base_branch: str
    is_open: bool
    merged: bool
    title: str
    body: str = ""
    head_repository: str = ""

    @classmethod
    def read(cls, item: ResponseReader) -> "PullRequest":
        """Read a response. A listing has `merged_at` but no `merged`."""
        head = item.part("head")
        repository = head.maybe("repo")
        return cls(
            number=item.serial("number"),
            url=item.text("html_url"),
            head_branch=head.text("ref"),
            head_commit=head.text("sha"),
            base_branch=item.part("base").text("ref"),
            is_open=item.text("state") == "open",
            merged=bool(item.maybe_text("merged_at")),
            title=item.maybe_text("title"),
            body=body_in(item),
            head_repository=repository.maybe_text("full_name") if repository else "",
        )


@dataclass(frozen=True, slots=True)
class Issue:
    """An issue. `url` is its page."""

    number: int
    url: str
    title: str
    body: str

    @classmethod
    def read(cls, item: ResponseReader) -> "Issue":
        """Read a response."""
        return cls(item.serial("number"), item.text("html_url"), item.maybe_text("title"), body_in(item))


def body_in(item: ResponseReader) -> str:
    """Return the body of a comment, issue or pull request; empty if it has none."""
    return item.maybe_text("body", _LONGEST_BODY)
