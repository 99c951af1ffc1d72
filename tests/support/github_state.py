"""What a GitHub knows of one repository: issues, pull requests, comments, statuses and deployments."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

BOT = "github-actions[bot]"


@dataclass
class Comment:
    """A comment on an issue or a pull request."""

    id: int
    number: int
    body: str
    author: str
    at: str
    edits: int = 0


@dataclass
class Issue:
    """An issue, or what a pull request shares with one."""

    number: int
    title: str
    body: str
    author: str
    at: str
    labels: list[str] = field(default_factory=list)
    state: str = "open"
    state_reason: str | None = None
    closed_at: str | None = None


@dataclass
class Pull(Issue):
    """A pull request. `commits` are those that it brought."""

    head: str = ""
    head_repository: str = ""
    base: str = ""
    head_commit: str = ""
    base_commit: str = ""
    merge_commit: str = ""
    merged_at: str | None = None
    commits: tuple[str, ...] = ()


@dataclass
class Status:
    """A status of a commit."""

    id: int
    commit: str
    context: str
    state: str
    description: str
    url: str
    at: str


@dataclass
class Deployment:
    """A deployment, and its states, the oldest first."""

    id: int
    commit: str
    ref: str
    environment: str
    description: str
    task: str
    author: str
    at: str
    states: list[dict] = field(default_factory=list)


class Refused(Exception):
    """GitHub says no: a status and a body."""

    def __init__(self, status, message, *errors):
        super().__init__(message)
        self.status = status
        self.body = {"message": message, "documentation_url": "https://docs.github.com/rest"}
        if errors:
            self.body["errors"] = list(errors)


def invalid(resource, field, message):
    """Refuse what is well formed and does not fit what there is."""
    problem = {"resource": resource, "code": "custom", "field": field, "message": message}
    return Refused(422, "Validation Failed", problem)


class State:
    """All of it. `bare` is the repository that pull requests are about, or None where there are none."""

    def __init__(self, repository, bare):
        self.repository = repository
        self.bare = bare
        self.issues, self.comments, self.statuses, self.deployments = [], [], [], []
        self._last = 0
        self._begun = datetime.fromtimestamp(time.time(), UTC)

    @property
    def default_branch(self):
        return self.bare.default_branch() if self.bare else "main"

    def pulls(self):
        return [each for each in self.issues if isinstance(each, Pull)]

    def number(self):
        return len(self.issues) + 1

    def id(self):
        self._last += 1
        return self._last

    def now(self):
        """Give a moment that is later than every one before."""
        moment = self._begun + timedelta(seconds=self.id())
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    def issue(self, number):
        """Find an issue or pull request."""
        return self._found(self.issues, "number", number)

    def pull(self, number):
        return self._found(self.pulls(), "number", number)

    def comment(self, identity):
        return self._found(self.comments, "id", identity)

    def deployment(self, identity):
        return self._found(self.deployments, "id", identity)

    def _found(self, among, name, value):
        found = next((each for each in among if getattr(each, name) == int(value)), None)
        if found is None:
            raise Refused(404, "Not Found")
        return found

    def resolve(self, name):
        """Give the commit that a name stands for."""
        if self.bare is None:
            return name
        commit = self.bare.branch(name) or self.bare.commit(name)
        if not commit:
            raise Refused(422, f"No commit found for SHA: {name}")
        return commit

    def add_issue(self, author, title, body, labels):
        self.issues.append(Issue(self.number(), str(title), body, author, self.now(), list(labels)))
        return self.issues[-1]

    def add_comment(self, author, number, body):
        self.issue(number)
        if not body.strip() or len(body) > 65536:
            raise invalid("IssueComment", "body", "body is too long (maximum is 65536 characters)")
        self.comments.append(Comment(self.id(), int(number), body, author, self.now()))
        return self.comments[-1]

    def add_pull(self, author, fields, repository=""):
        head, base = fields["head"].partition(":")[2] or fields["head"], fields["base"]
        same = (head, base, repository or self.repository)
        if any(each.state == "open" and (each.head, each.base, each.head_repository) == same for each in self.pulls()):
            raise invalid("PullRequest", "", f"A pull request already exists for {fields['head']}.")
        for name, branch in (("head", head), ("base", base)):
            if self.bare and not self.bare.branch(branch):
                raise Refused(422, "Validation Failed", {"resource": "PullRequest", "field": name, "code": "invalid"})
        if self.bare and not self.bare.commits(base, head):
            raise invalid("PullRequest", "", f"No commits between {base} and {head}")
        pull = Pull(self.number(), fields["title"], fields.get("body") or "", author, self.now(), head=head, base=base)
        pull.head_repository = repository or self.repository
        pull.head_commit = pull.base_commit = "" if self.bare else f"{pull.number:040x}"
        self.issues.append(pull)
        self.refresh()
        return pull

    def close(self, issue, reason):
        issue.state, issue.state_reason, issue.closed_at = "closed", reason, self.now()

    def refresh(self):
        """Bring refs/pull/N/head and refs/pull/N/merge of open pull requests up to date with their branches."""
        for pull in self.pulls():
            if self.bare and pull.state == "open":
                self._refresh(pull)

    def _refresh(self, pull):
        tips = self.bare.branch(pull.head) or pull.head_commit, self.bare.branch(pull.base)
        if tips == (pull.head_commit, pull.base_commit):
            return
        pull.head_commit, pull.base_commit = head, base = tips
        pull.commits = tuple(self.bare.commits(base, head))
        pull.merge_commit = self.bare.merged(base, head, f"Merge {head} into {base}")
        self.bare.set(f"refs/pull/{pull.number}/head", head)
        self.bare.set(f"refs/pull/{pull.number}/merge", pull.merge_commit)

    def merge(self, number):
        """Merge a pull request into its base, as the button does. Gives the id of the commit that it made."""
        self.refresh()
        pull = self.pull(number)
        if pull.state != "open":
            raise Refused(405, "Pull Request is not mergeable")
        message = f"Merge pull request #{number} from {pull.head}\n\n{pull.title}"
        commit = self.bare.merged(pull.base_commit, pull.head_commit, message)
        if not commit:
            raise Refused(405, "Pull Request has merge conflicts")
        self.bare.advance(pull.base, commit, pull.base_commit)
        self.bare.set(f"refs/pull/{number}/merge", "")
        pull.merge_commit = commit
        self.close(pull, None)
        pull.merged_at = pull.closed_at
        return commit
