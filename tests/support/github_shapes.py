"""What GitHub's answers look like: the description's own examples, overlaid with what this one knows."""

import json

from tests.support.github_state import BOT, Pull

REPOSITORY = "/repos/{owner}/{repo}"
_PAGES = "https://github.com"


class Shapes:
    """Makes answers for one repository."""

    def __init__(self, description, repository, api):
        self._description = description
        self._repository = repository
        self._api = api
        self._examples = {}

    def _example(self, method, template, status):
        example = self._whole_example(method, template, status)
        return example[0] if isinstance(example, list) else example

    def _whole_example(self, method, template, status):
        key = method, template, status
        if key not in self._examples:
            example = self._description.endpoint(method, template).example(status)
            text = json.dumps(example)
            text = text.replace("octocat/Hello-World", self._repository).replace("octocat/example", self._repository)
            self._examples[key] = text.replace("https://api.github.com", self._api)
        return json.loads(self._examples[key])

    def user(self, login):
        """Give the short form of a user. A workflow is a bot."""
        example = self._example("POST", f"{REPOSITORY}/issues/{{issue_number}}/comments", 201)["user"]
        kind = {"type": "Bot", "id": 41898282} if login.endswith("[bot]") else {"type": "User", "id": 583231}
        return json.loads(json.dumps(example).replace("octocat", login)) | kind

    def myself(self, login):
        """Give the long form."""
        return self._example("GET", "/user", 200) | {"login": login, "user_view_type": "private"}

    def repository(self, default_branch):
        owner, _, name = self._repository.partition("/")
        example = self._example("GET", REPOSITORY, 200)
        for absent in ("source", "parent", "template_repository"):
            example.pop(absent, None)
        fields = {"full_name": self._repository, "name": name, "default_branch": default_branch, "language": None}
        return example | fields | {"owner": example["owner"] | {"login": owner}}

    def branch(self, name, protected):
        return self._example("GET", f"{REPOSITORY}/branches/{{branch}}", 200) | {"name": name, "protected": protected}

    def rules(self):
        return self._whole_example("GET", f"{REPOSITORY}/rules/branches/{{branch}}", 200)

    def comment(self, comment):
        example = self._example("POST", f"{REPOSITORY}/issues/{{issue_number}}/comments", 201)
        return example | {
            "id": comment.id,
            "body": comment.body,
            "user": self.user(comment.author),
            "author_association": "NONE",
            "html_url": f"{_PAGES}/{self._repository}/issues/{comment.number}#issuecomment-{comment.id}",
            "issue_url": f"{self._api}/repos/{self._repository}/issues/{comment.number}",
            "url": f"{self._api}/repos/{self._repository}/issues/comments/{comment.id}",
            "created_at": comment.at,
            "updated_at": comment.at,
        }

    def issue(self, issue):
        """Give an issue; a pull request is listed as one, and says that it is none."""
        example = self._example("POST", f"{REPOSITORY}/issues", 201)
        kind = "pull" if isinstance(issue, Pull) else "issues"
        linked = example.pop("pull_request", None)
        if isinstance(issue, Pull):
            example["pull_request"] = linked
        # The description names no null among the reasons, though it calls the field nullable.
        reason = {"state_reason": issue.state_reason} if issue.state_reason else {}
        example.pop("state_reason", None)
        return example | self._common(issue, kind) | reason | {"closed_by": None}

    def _common(self, issue, kind):
        return {
            "id": 1000 + issue.number,
            "number": issue.number,
            "title": issue.title,
            "body": issue.body,
            "state": issue.state,
            "locked": False,
            "user": self.user(issue.author),
            "labels": [self._label(name) for name in issue.labels],
            "html_url": f"{_PAGES}/{self._repository}/{kind}/{issue.number}",
            "created_at": issue.at,
            "updated_at": issue.closed_at or issue.at,
            "closed_at": issue.closed_at,
            "assignee": None,
            "assignees": [],
            "milestone": None,
        }

    def _label(self, name):
        return self._example("POST", f"{REPOSITORY}/issues", 201)["labels"][0] | {"name": name, "default": False}

    def pull(self, pull, *, listed=False):
        """Give a pull request; a listing has fewer fields."""
        where = ("GET", f"{REPOSITORY}/pulls", 200) if listed else ("POST", f"{REPOSITORY}/pulls", 201)
        example = self._example(*where) | self._common(pull, "pull")
        example |= {"requested_teams": [], "requested_reviewers": [], "merged_at": pull.merged_at}
        example |= {"merge_commit_sha": pull.merge_commit or None, "draft": False, "active_lock_reason": None}
        for side, branch, commit in (("head", pull.head, pull.head_commit), ("base", pull.base, pull.base_commit)):
            repository = pull.head_repository if side == "head" else self._repository
            owner, _, name = repository.partition("/")
            example[side] |= {"ref": branch, "sha": commit, "label": f"{owner}:{branch}"}
            fork = {"fork": repository != self._repository}
            example[side]["repo"] |= {"full_name": repository, "name": name, **fork}
        if not listed:
            merged = pull.merged_at is not None
            example |= {"merged": merged, "mergeable": bool(pull.merge_commit), "merged_by": None}
            example |= {"commits": len(pull.commits)}
        return example

    def status(self, status):
        example = self._example("POST", f"{REPOSITORY}/statuses/{{sha}}", 201)
        fields = {"id": status.id, "state": status.state, "context": status.context, "creator": self.user(BOT)}
        url = f"{self._api}/repos/{self._repository}/statuses/{status.commit}"
        return example | fields | {"description": status.description, "target_url": status.url or None, "url": url}

    def deployment(self, deployment):
        example = self._example("POST", f"{REPOSITORY}/deployments", 201)
        return example | {
            "id": deployment.id,
            "sha": deployment.commit,
            "ref": deployment.ref,
            "environment": deployment.environment,
            "original_environment": deployment.environment,
            "description": deployment.description,
            "task": deployment.task,
            "payload": {},
            "creator": self.user(deployment.author),
            "url": f"{self._api}/repos/{self._repository}/deployments/{deployment.id}",
            "created_at": deployment.at,
            "updated_at": deployment.at,
        }

    def deployment_state(self, deployment, state):
        example = self._example("POST", f"{REPOSITORY}/deployments/{{deployment_id}}/statuses", 201)
        log = state.get("log_url", "")
        fields = {"id": state["id"], "state": state["state"], "description": state.get("description", "")}
        urls = {"log_url": log, "target_url": log}
        return (
            example | fields | urls | {"environment": deployment.environment, "creator": self.user(deployment.author)}
        )
