"""What GitHub has, as far as it matters here, read leniently from its answers."""

from dataclasses import dataclass
from enum import Enum
from typing import Any


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
    """A pull request. `url` is its page; `head_repository` is "owner/name", empty where the fork was deleted."""

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
    def read(cls, item: dict[str, Any]) -> "PullRequest":
        """Read an answer. A listing has no `merged`, and everything has `merged_at`."""
        return cls(
            number=item["number"],
            url=item["html_url"],
            head_branch=item["head"]["ref"],
            head_commit=item["head"]["sha"],
            base_branch=item["base"]["ref"],
            is_open=item["state"] == "open",
            merged=item.get("merged_at") is not None,
            title=item["title"],
            body=item.get("body") or "",
            head_repository=(item["head"].get("repo") or {}).get("full_name") or "",
        )


@dataclass(frozen=True, slots=True)
class Issue:
    """An issue. `url` is its page."""

    number: int
    url: str
    title: str
    body: str

    @classmethod
    def read(cls, item: dict[str, Any]) -> "Issue":
        """Read an answer."""
        return cls(item["number"], item["html_url"], item["title"], item.get("body") or "")
