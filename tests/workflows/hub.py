"""GitHub with a production's repository: the remote over HTTP, the API, jobs as the workflows have them, a laptop."""

import base64
import json
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

from tests.support import github_description
from tests.support.github import GitHubServer
from tests.support.job import Job
from tests.support.remotes import HttpRemote, clone, git
from tests.workflows.files import OURS, action, action_step, copy_project, filled, read

PERSON = "canary-token-of-a-person"
ENVIRONMENT = "production"
NO_COMMIT = "0" * 40


@dataclass(eq=False)
class Place:
    """A clone, as `Command` takes a production."""

    root: Path
    environment: dict = field(default_factory=dict)
    secrets: object = list

    def git(self, *arguments):
        return git(self.root, *arguments)


class Hub:
    """A repository that starts with one commit: the production as it is, with the workflows."""

    def __init__(self, production, command, directory):
        self.production, self.command, self.directory = production, command, directory
        self.remote = HttpRemote(directory / "hub")
        self.remote.accept_token(PERSON)
        self.api = GitHubServer(github_description.require(), PERSON, bare=self.remote.path)
        self.tokens, self.ended, self.files = [PERSON], [], []
        copy_project(production.root)
        production.write("Production, as it is")
        address = self.remote.url.replace("://", f"://x-access-token:{PERSON}@")
        git(production.root, "push", "--quiet", address, "HEAD:main")
        self.laptop = clone(SimpleNamespace(url=address), directory / "laptop")
        git(self.laptop, "config", "user.name", "Rita")
        git(self.laptop, "config", "user.email", "rita@example.invalid")

    def close(self):
        self.api.close()
        self.remote.close()

    @property
    def main(self):
        return self.remote.ref("refs/heads/main")

    # What GitHub starts.

    def pushed(self, before):
        """Run apply.yml for a push to main: the job of the environments, then one job for each."""
        event = {"event": "push", "payload": self.api.push_event(before, self.main)}
        [found] = self.run_job("apply.yml", "environments", **event)
        names = json.loads(found.outputs["environments"])
        return [self.run_job("apply.yml", "apply", {"matrix.environment": name}, **event)[0] for name in names]

    def opened(self, number):
        """Run plan.yml for a pull request."""
        job = read("plan.yml")["jobs"]["plan"]
        values = {
            "inputs.pull_request": "",
            job["steps"][1]["with"]["ref"].removeprefix("${{ ").removesuffix(" }}"): self.api.merge_commit(number),
        }
        event = {"event": "pull_request", "payload": self.api.pull_request_event(number)}
        return self.run_job("plan.yml", "plan", values, **event)[0]

    def merged(self, number):
        before = self.main
        self.api.merge(number)
        return self.pushed(before)

    def by_form(self, **inputs):
        """Run both jobs of restore.yml."""
        empty = dict.fromkeys(read("restore.yml")["on"]["workflow_dispatch"]["inputs"], "")
        values = {f"inputs.{name}": value for name, value in {**empty, **inputs}.items()}
        [proposed] = self.run_job("restore.yml", "propose", values, payload={"inputs": inputs})
        number = proposed.outputs["pull_request"]
        [planned] = self.run_job("restore.yml", "plan", {"needs.propose.outputs.pull-request": number})
        return proposed, planned

    def run_job(self, workflow, name, values=(), event="workflow_dispatch", payload=None):
        """Run a job's checkouts and, with a token of its own, its steps of the composite action."""
        job, place = read(workflow)["jobs"][name], self.directory / f"job-{len(self.tokens)}"
        token = self._token(job)
        known = {**self._known(token, place), **dict(values)}
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                self._check_out(place, filled(step["with"], known), token)
        run, ended = Job(self.command, Place(place), self.api, self.directory / f"files-{len(self.tokens)}"), []
        for step in [each for each in job["steps"] if each.get("uses") == OURS]:
            variables = self._variables(filled(step["with"], known), known)
            ended.append(run("action", event=event, payload=payload, **variables))
        self.ended += ended
        return ended

    def _known(self, token, place):
        """Return what the expressions of the workflows stand for."""
        around = self.production.environment
        variables = ("NEON_API_HOST", "CLOUDFLARE_API_BASE_URL")
        self.files.append(place / "plan.md")
        return {
            "github.token": token,
            "github.event.repository.default_branch": "main",
            "runner.temp": str(place),
            "vars.CLOUDFLARE_ACCOUNT_ID || secrets.CLOUDFLARE_ACCOUNT_ID": around["CLOUDFLARE_ACCOUNT_ID"],
            "vars.RECONCILER_WRANGLER": "",
            **{f"secrets.{name}": around[name] for name in ("NEON_API_KEY", "CLOUDFLARE_API_TOKEN")},
            **{f"vars.{name}": around[name] for name in variables},
        }

    def _variables(self, given, known):
        """Return the environment that the action gives to its command."""
        defaults = {name: each.get("default", "") for name, each in action()["inputs"].items()}
        inputs = {f"inputs.{name}": value for name, value in {**filled(defaults, known), **given}.items()}
        server = {"GITHUB_SERVER_URL": self.remote.address, "GITHUB_REF": "refs/heads/main"}
        return {**filled(action_step("run")["env"], {**inputs, "steps.install.outputs.program": ""}), **server}

    def _token(self, job):
        """Return a token that may do what the job's permissions say. GitHub starts the deployment of a job."""
        token = f"ghs_canary_{len(self.tokens)}"
        self.tokens.append(token)
        self.api.admit(token, permissions=job["permissions"])
        if job["permissions"].get("contents"):
            self.remote.accept_token(token)
        if job.get("environment"):
            self.api.start_deployment(ENVIRONMENT, self.main)
        return token

    def _check_out(self, workspace, given, token):
        """Check out as actions/checkout does, without leaving the credential behind."""
        directory, ref = workspace / given.get("path", ""), given.get("ref", "main")
        directory.mkdir(parents=True)
        git(directory, "init", "--quiet")
        git(directory, "remote", "add", "origin", self.remote.url)
        credential = base64.b64encode(f"x-access-token:{token}".encode()).decode()
        depth = int(given.get("fetch-depth", 1))
        wanted = [f"+refs/heads/{ref}:refs/remotes/origin/{ref}" if ref == "main" else ref]
        wanted += [] if depth else ["+refs/heads/*:refs/remotes/origin/*"]
        options = ["--no-tags", *([f"--depth={depth}"] if depth else [])]
        header = f"http.extraHeader=Authorization: basic {credential}"
        git(directory, "-c", header, "fetch", "--quiet", *options, "origin", *wanted)
        git(directory, "checkout", "--quiet", *(["-B", "main", "origin/main"] if ref == "main" else ["FETCH_HEAD"]))

    # What a person does on a laptop.

    def say(self, *arguments):
        """Run `reconciler` on the laptop; return what it printed."""
        variables = {"GITHUB_TOKEN": PERSON, "GITHUB_REPOSITORY": self.api.repository, "GITHUB_API_URL": self.api.url}
        git(self.laptop, "pull", "--quiet")
        where = Place(self.laptop, self.production.environment, self.production.secrets)
        said = self.command(where, *arguments, **variables)
        assert said.status == 0, said.stderr
        return said.stdout

    def proposed(self, *arguments):
        """Propose on the laptop; return the timeline, the plan's digest and the number of the pull request."""
        facts = json.loads(self.say(*arguments, "--pr", "--format", "json"))
        return facts["timeline"], facts["digest"], int(facts["pull_request"].rsplit("/", 1)[1])

    # What must hold.

    def check_serves(self, rows):
        """The Worker's traffic, followed through Hyperdrive, reaches these rows; main names what is deployed."""
        production = self.production
        assert rows == production.rows()
        serving = production.bound_to(production.serving(production.scripts[0]))
        name = production.wrangler_path(production.scripts[0]).name
        assert serving in git(self.remote.path, "show", f"main:{name}")

    def check_no_secret(self):
        """No credential is in any log, summary, output, comment, artefact, note or commit."""
        keys = [self.production.environment[name] for name in ("NEON_API_KEY", "CLOUDFLARE_API_TOKEN")]
        left = [each.stdout + each.stderr for each in self.command.said]
        left += [each.summary + json.dumps(each.outputs) for each in self.ended]
        left += [path.read_text() for path in self.files if path.exists()]
        objects = git(self.remote.path, "cat-file", "--batch-check", "--batch-all-objects").splitlines()
        wanted = "\n".join(each.split()[0] for each in objects if each.split()[1] != "tree")
        left += [self.api.received(), git(self.remote.path, "cat-file", "--batch", given=wanted.encode())]
        for secret in [*self.tokens, *keys, *self.production.secrets()]:
            assert not any(secret in text for text in left), secret
