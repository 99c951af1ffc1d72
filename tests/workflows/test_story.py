"""The whole life of a restore in pull requests, from an empty remote, with the workflows exactly as written."""

import json
import subprocess

import pytest

from tests.support import github_description
from tests.support.database import DAMAGED, GOOD, text
from tests.support.github import GitHubServer
from tests.support.remotes import HttpRemote, clone, git
from tests.support.workflow_runner import NOBODY, Runner, copy_project

PERSON = "canary-token-of-a-person"
ENVIRONMENT = "production"


class Hub:
    """GitHub with a production's repository: the remote over HTTP, the API, the workflows, and somebody's laptop."""

    def __init__(self, production, command, directory):
        self.production, self.command = production, command
        self.remote = HttpRemote(directory / "hub")
        self.remote.accept_token(PERSON)
        self.api = GitHubServer(github_description.require(), PERSON, bare=self.remote.path)
        self.tokens = [PERSON]
        self.runner = Runner(
            directory=directory / "runner",
            repository=self.remote.path,
            address=self.remote.url,
            name=self.api.repository,
            secrets={name: production.environment[name] for name in ("NEON_API_KEY", "CLOUDFLARE_API_TOKEN")},
            variables={
                name: production.environment[name]
                for name in ("NEON_API_HOST", "CLOUDFLARE_API_BASE_URL", "CLOUDFLARE_ACCOUNT_ID")
            },
            environment={"GITHUB_API_URL": self.api.url, "GITHUB_SERVER_URL": self.remote.address},
            token=self._token,
            branches_of=lambda number: (self.api.pull(number).base, self.api.pull(number).head),
        )
        self.runs = []
        self.directory = directory
        self.tip = NOBODY
        self._begin()

    def close(self):
        self.api.close()
        self.remote.close()

    def _token(self, job):
        """Give each job a token of its own that may do what the job asks for; the deployment is GitHub's."""
        token = f"ghs_canary_{len(self.tokens)}"
        self.tokens.append(token)
        self.api.admit(token, permissions=job.permissions)
        if job.permissions.get("contents"):
            self.remote.accept_token(token)
        if job.environment:
            self.api.start_deployment(job.environment, self.main)
        return token

    def _begin(self):
        """Push the first commit: the production as it is, with the workflows."""
        production = self.production
        copy_project(production.root)
        for other in (production.root / "desired-state").iterdir():
            if other.is_dir() or other.name not in ("production.jsonc", "schema.json"):
                subprocess.run(["rm", "-rf", other], check=True)
        production.write("Production, as it is")
        git(production.root, "push", "--quiet", self._with_token(PERSON), "HEAD:main")
        self.laptop = clone(self.remote_with_token, self.directory / "laptop")
        git(self.laptop, "config", "user.name", "Rita")
        git(self.laptop, "config", "user.email", "rita@example.invalid")

    @property
    def remote_with_token(self):
        class Remote:
            url = self._with_token(PERSON)

        return Remote

    def _with_token(self, token):
        return self.remote.url.replace("://", f"://x-access-token:{token}@")

    @property
    def main(self):
        return self.remote.ref("refs/heads/main")

    # What happens on GitHub.

    def pushed(self):
        """Run what the pushes to main since the last time start."""
        before, self.tip = self.tip, self.main
        return self._ran(self.runner.push(before, self.tip))

    def opened(self, number):
        pull = self.api.pull(number)
        return self._ran(self.runner.pull_request(number, pull.base, pull.head_commit, head_branch=pull.head))

    def merged(self, number):
        self.tip = self.main
        self.api.merge(number)
        return self.pushed()

    def on_schedule(self, workflow):
        return self._ran(self.runner.schedule(workflow))

    def by_form(self, workflow, inputs):
        return self._ran(self.runner.dispatch(workflow, inputs))

    def _ran(self, runs):
        self.runs += runs
        self.tip = self.main  # what a job pushes starts nothing
        return {run.workflow.removesuffix(".yml"): run for run in runs}

    # What somebody does on a laptop.

    def say(self, *arguments, **more):
        """Run `reconciler` on the laptop; return what it printed."""
        token = {"GITHUB_TOKEN": PERSON, "GITHUB_REPOSITORY": self.api.repository, "GITHUB_API_URL": self.api.url}
        where = _Laptop(self.production, self.laptop)
        said = self.command(where, *arguments, **token, **more)
        assert said.status == 0, said.stderr
        return said.stdout

    def proposed(self, printed):
        """Read what a proposal has printed: the timeline, the plan's digest and the number of the pull request."""
        facts = json.loads(printed)
        return facts["timeline"], facts["digest"], int(facts["pull_request"].rsplit("/", 1)[1])

    # What must hold.

    def check_serves(self, rows):
        """The Worker's traffic, followed through Hyperdrive, leads to these rows, and main names what is deployed."""
        production = self.production
        assert production.rows() == rows
        serving = production.bound_to(production.serving(production.scripts[0]))
        name = production.wrangler_path(production.scripts[0]).name
        assert serving in git(self.remote.path, "show", f"main:{name}")
        git(self.laptop, "pull", "--quiet")

    def check_no_secret(self):
        """No credential stands in any log, comment, summary, annotation, artefact, note or commit."""
        secrets = [*self.tokens, *self.runner_secrets(), *self.production.secrets()]
        said = [each.stdout + each.stderr for each in self.command.said]
        outputs = [*said, self.api.received(), *(run.log + run.summary for run in self.runs)]
        outputs += [str(run.annotations) for run in self.runs]
        outputs += [
            content.decode() for run in self.runs for each in run.artifacts.values() for content in each.values()
        ]
        objects = git(self.remote.path, "cat-file", "--batch-check", "--batch-all-objects").splitlines()
        wanted = [each.split()[0] for each in objects if each.split()[1] != "tree"]
        outputs.append(git(self.remote.path, "cat-file", "--batch", given="\n".join(wanted).encode()))
        for secret in secrets:
            assert not any(secret in output for output in outputs), secret

    def runner_secrets(self):
        return [self.production.environment[name] for name in ("NEON_API_KEY", "CLOUDFLARE_API_TOKEN")]


class _Laptop:
    """A clone as `Command` wants it."""

    def __init__(self, production, root):
        self.root, self.environment, self.secrets = root, production.environment, production.secrets


@pytest.fixture
def hub(production, command, tmp_path):
    hub = Hub(production, command, tmp_path)
    yield hub
    hub.close()


def test_a_restore_and_its_undo_by_pull_request_and_drift_from_an_empty_remote(hub):
    production_is_as_its_file_says(hub)
    asked = a_restore_is_proposed_planned_and_merged(hub)
    git_remembers_it(hub)
    it_is_undone_the_same_way(hub)
    what_is_changed_by_hand_is_one_issue_until_it_is_mended(hub, asked)
    a_form_does_it_without_a_laptop(hub)
    assert hub.api.violations == []
    hub.check_no_secret()


def production_is_as_its_file_says(hub):
    """It is damaged: the apply has nothing to do."""
    run = hub.pushed()["apply"]
    assert run.conclusion == "success", run.log
    hub.check_serves(DAMAGED)


def a_restore_is_proposed_planned_and_merged(hub):
    printed = hub.say(
        "restore", ENVIRONMENT, "--to", text(hub.production.shop.good), "--id", "inc-42",
        "--reason", "0042 dropped Listing", "--pr", "--format", "json",
    )  # fmt: skip
    asked, digest, number = hub.proposed(printed)
    plan = hub.opened(number)["plan"]
    assert plan.conclusion == "success", plan.log
    [comment] = hub.api.comments(number)
    for part in (asked, digest, "```mermaid"):
        assert part in comment.body
    [status] = hub.api.statuses(hub.api.pull(number).head_commit)
    assert (status.context, status.state) == ("reconciler/plan/production", "success")
    assert digest.encode() in b"".join(plan.artifacts["plan"].values())
    hub.check_serves(DAMAGED)

    apply = hub.merged(number)["apply"]
    assert apply.conclusion == "success", apply.log
    hub.check_serves(GOOD)
    assert asked in apply.summary
    assert f"exactly the plan that was reviewed: {digest}" in apply.summary
    deployment = hub.api.deployments()[-1]
    assert [each["state"] for each in deployment.states] == ["in_progress", "success"]
    return asked


def git_remembers_it(hub):
    entries = json.loads(hub.say("history", ENVIRONMENT, "--format", "json"))["entries"]
    assert [each["outcome"] for each in entries if each["entry"] == "apply"] == ["converged", "in sync"]
    assert "inc-42: 0042 dropped Listing" in [note for each in entries for note in each["notes"]]


def it_is_undone_the_same_way(hub):
    printed = hub.say("rollback", ENVIRONMENT, "--pr", "--format", "json", "--reason", "the migration was right")
    asked, _, number = hub.proposed(printed)
    assert asked == "origin"
    assert hub.opened(number)["plan"].conclusion == "success"
    undo = hub.merged(number)["apply"]
    assert undo.conclusion == "success", undo.log
    hub.check_serves(DAMAGED)


def what_is_changed_by_hand_is_one_issue_until_it_is_mended(hub, timeline):
    """Somebody deploys the Worker with another binding: one issue, however often it is looked for."""
    production, script = hub.production, hub.production.scripts[0]
    right = production.bound_to(production.serving(script))
    production.put_script(script, production.config(f"{production.name}-{timeline}")["id"], production.upload)
    for _ in range(2):
        assert hub.on_schedule("drift.yml")["drift"].conclusion == "success"
        [issue] = hub.api.issues()
        assert issue.state == "open"
        assert script in issue.body
    production.put_script(script, right, production.upload)
    assert hub.on_schedule("drift.yml")["drift"].conclusion == "success"
    [issue] = hub.api.issues()
    assert issue.state == "closed"


def a_form_does_it_without_a_laptop(hub):
    inputs = {"kind": "restore", "environment": ENVIRONMENT, "to": text(hub.production.shop.good), "id": "inc-43"}
    run = hub.by_form("restore.yml", {**inputs, "reason": "no laptop at hand"})["restore"]
    assert run.conclusion == "success", run.log
    pull = hub.api.pulls()[-1]
    [comment] = hub.api.comments(pull.number)
    assert "no laptop at hand" in comment.body
    hub.check_serves(DAMAGED)
