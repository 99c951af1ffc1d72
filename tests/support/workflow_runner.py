"""Runs the workflows of GitHub Actions on this machine, with the steps exactly as they are written.

    runner = Runner(
        directory=tmp_path / "runner", repository=bare, name="owner/shop",
        secrets={"NEON_API_KEY": …}, variables={"NEON_API_HOST": …},
        environment={"GITHUB_API_URL": server.url, "GITHUB_SERVER_URL": server.url},
        token=lambda job: server.token(job.permissions),
        branches_of=lambda number: ("main", server.pull_request(number).head_branch),
    )
    [run] = runner.push(before, after)                  # what .github/workflows of `after` starts
    [run] = runner.pull_request(7, "main", head_sha)
    [run] = runner.dispatch("restore.yml", {"environment": "production", "to": "10 minutes ago", "id": "inc-42"})
    [run] = runner.schedule("drift.yml")
    assert run.conclusion == "success", run.log
    run.jobs["apply"][0].steps[2].summary, run.artifacts["plan"], run.annotations

As on GitHub, the workflows are those of the commit that the event is about, `./` actions are those of the workspace,
secrets reach a step only where the workflow passes them, a fork's pull request gets none, and a job that asks for no
permissions has none: `token` is called for each job and may see `permissions`, `environment` and `concurrency`.
Unlike GitHub, one job runs after the other, whatever starts at once, and logs are not masked: a test must see a secret.
"""

import itertools
import json
import os
import shutil
import subprocess
from pathlib import Path

from tests.support import package_cache, workflow_files
from tests.support.expressions import Known, Scope, as_text
from tests.support.workflow_actions import Surroundings
from tests.support.workflow_files import WorkflowError
from tests.support.workflow_jobs import Event, Job, Jobs, Run, concurrency, needs
from tests.support.workflow_steps import Machine

WORKFLOWS = ".github/workflows"
NOBODY = "0" * 40
_PROJECT = ("reconciler", ".github", "pyproject.toml", "README.md", "LICENSE")
_CHECKOUT = Path(__file__).parents[2]
# What pip asks its settings from is the machine's business, as the network is.
_PASSED_ON = ("PIP_", "LANG", "LC_ALL", "SSL_CERT_FILE")
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Runner:
    """A repository on GitHub whose workflows run here.

    `repository` is the bare repository, `address` where jobs clone it from (the same, where left out), `actions` other
    repositories by name, whose composite actions may be used. What is in `warm` below RUNNER_TEMP outlives a job,
    so that a virtual environment is made once; a job starts with everything else gone.
    """

    def __init__(
        self, *, directory, repository, name="owner/repository", address=None, default_branch="main", actor="octocat",
        secrets=None, variables=None, environment=None, token=None, branches_of=None, actions=None, warm="reconciler-*",
        environment_secrets=None,
    ):  # fmt: skip
        self.name, self.default_branch, self.actor = name, default_branch, actor
        self.repository, self.address = Path(repository), address or Path(repository).resolve()
        self._directory, self._warm = Path(directory), warm
        self._secrets, self._variables = dict(secrets or {}), dict(variables or {})
        self._environment_secrets = environment_secrets or {}
        self._environment = dict(environment or {})
        self._token = token or (lambda job: f"ghs_{job.id}")
        self._branches_of = branches_of
        self._actions = actions or {}
        self._numbers = itertools.count(1)
        self.runs = []
        self.workspace = self._directory / "work" / name.split("/")[1] / name.split("/")[1]
        self.temporary = self._directory / "work" / "_temp"
        self.home, self._tools = self._directory / "home", self._directory / "tools"
        for each in (self.workspace, self.temporary, self.home):
            each.mkdir(parents=True, exist_ok=True)

    # Events.

    def push(self, before, after, branch=None):
        """A branch was pushed from one commit to another; `NOBODY` before, where it is new."""
        branch = branch or self.default_branch
        start = before if before != NOBODY else self._start_of(after, branch)
        changed = self._changed(start, after)
        payload = {"ref": f"refs/heads/{branch}", "before": before, "after": after, "head_commit": {"id": after}}
        event = Event("push", payload, after, after, f"refs/heads/{branch}")
        return self._start(event, lambda on: workflow_files.wants_push(on, branch, changed))

    def pull_request(self, number, base, head, *, activity="opened", head_branch="proposal", head_repository=None):
        """A pull request was opened, or pushed to: `base` is a branch, `head` a commit."""
        merged = self.renew(number, base, head)
        tip = self.git("rev-parse", f"refs/heads/{base}").strip()
        changed = self._changed(self.git("merge-base", tip, head).strip(), head)
        head_repository = head_repository or self.name
        payload = {
            "action": activity, "number": number,
            "pull_request": {
                "number": number, "draft": False,
                "head": {"sha": head, "ref": head_branch, "repo": {"full_name": head_repository}},
                "base": {"sha": tip, "ref": base, "repo": {"full_name": self.name}},
            },
        }  # fmt: skip
        fork = head_repository != self.name
        ref = f"refs/pull/{number}/merge"
        event = Event("pull_request", payload, merged, merged, ref, head_branch, base, fork)
        return self._start(event, lambda on: workflow_files.wants_pull_request(on, activity, base, changed))

    def dispatch(self, workflow, inputs=None, branch=None):
        """Somebody filled in a workflow's form."""
        branch = branch or self.default_branch
        tip = self.git("rev-parse", f"refs/heads/{branch}").strip()
        read = self._read(tip, workflow)
        typed = workflow_files.dispatch_inputs(read["on"], inputs or {}, workflow)
        ref = f"refs/heads/{branch}"
        payload = {"ref": ref, "inputs": {name: as_text(value) for name, value in typed.items()}, "workflow": workflow}
        return [self._run(read, workflow, Event("workflow_dispatch", payload, tip, tip, ref, inputs=typed))]

    def schedule(self, workflow):
        """The time of a workflow has come: always on the default branch."""
        tip = self.git("rev-parse", f"refs/heads/{self.default_branch}").strip()
        read = self._read(tip, workflow)
        if "schedule" not in read["on"]:
            raise WorkflowError(f"{workflow}: has no schedule")
        payload = {"schedule": read["on"]["schedule"][0]}
        return [self._run(read, workflow, Event("schedule", payload, tip, tip, f"refs/heads/{self.default_branch}"))]

    def renew(self, number, base, head):
        """Bring refs/pull/NUMBER/head and …/merge up to date, as GitHub does. Returns the commit of the merge."""
        head = self.git("rev-parse", head).strip()
        self.git("update-ref", f"refs/pull/{number}/head", head)
        tip = self.git("rev-parse", f"refs/heads/{base}").strip()
        tree = self.git("merge-tree", "--write-tree", tip, head).split()[0]
        identity = ["-c", "user.name=GitHub", "-c", "user.email=noreply@github.com"]
        merged = self.git(*identity, "commit-tree", tree, "-p", tip, "-p", head, "-m", f"Merge {head}").strip()
        self.git("update-ref", f"refs/pull/{number}/merge", merged)
        return merged

    def git(self, *arguments):
        said = subprocess.run(["git", *arguments], cwd=self.repository, capture_output=True, text=True)
        assert said.returncode == 0, f"git {' '.join(map(str, arguments))}: {said.stderr}"
        return said.stdout

    # Workflows.

    def _start(self, event, wanted):
        names = self.git("ls-tree", "--name-only", f"{event.source}:{WORKFLOWS}").split()
        read = {name: self._read(event.source, name) for name in names if name.endswith((".yml", ".yaml"))}
        return [self._run(each, name, event) for name, each in read.items() if wanted(each["on"])]

    def _read(self, commit, name):
        return workflow_files.workflow(self.git("show", f"{commit}:{WORKFLOWS}/{name}"), name)

    def _changed(self, before, after):
        return self.git("diff", "--name-only", "--no-renames", "-z", before, after).split("\0")[:-1]

    def _start_of(self, after, branch):
        """Where a new branch starts: at the default branch, or at nothing."""
        if branch == self.default_branch:
            return self.git("hash-object", "-t", "tree", "-w", "/dev/null").strip()
        return self.git("merge-base", f"refs/heads/{self.default_branch}", after).strip()

    def _run(self, workflow, file, event):
        number = next(self._numbers)
        contexts = {
            "github": Known(self._github(event, file, workflow, number)),
            # Only a form has inputs; elsewhere each of them is null.
            "inputs": Known(event.inputs) if event.name == "workflow_dispatch" else {},
            "vars": self._variables,
        }
        scope = Scope(contexts)
        name = scope.text(workflow.get("run-name", workflow.get("name", file)))
        run = Run(file, event.name, name, number, self._directory / "artifacts" / str(number))
        run.artifact_directory.mkdir(parents=True)
        run.concurrency = concurrency(workflow, scope)
        self.runs.append(run)
        waiting = dict(workflow["jobs"])
        while waiting:
            ready = [key for key, job in waiting.items() if not set(needs(job)) & set(waiting)]
            if not ready:
                raise WorkflowError(f"{file}: jobs wait for each other: {', '.join(waiting)}")
            key = ready[0]
            run.jobs[key] = Jobs(self, run, workflow, event, contexts).run(key, waiting.pop(key))
        return run

    def _github(self, event, file, workflow, number):
        ref_name = event.ref.removeprefix("refs/heads/").removeprefix("refs/pull/")
        repository = {"full_name": self.name, "default_branch": self.default_branch, "name": self.name.split("/")[1]}
        payload = {**event.payload, "repository": repository, "sender": {"login": self.actor}}
        return {
            "event": payload, "event_name": event.name, "repository": self.name,
            "repository_owner": self.name.split("/")[0], "ref": event.ref, "ref_name": ref_name, "ref_type": "branch",
            "sha": event.sha, "head_ref": event.head_ref, "base_ref": event.base_ref, "actor": self.actor,
            "triggering_actor": self.actor, "run_id": str(1000 + number), "run_number": str(number),
            "run_attempt": "1", "workflow": workflow.get("name", file), "job": "",
            "workflow_ref": f"{self.name}/{WORKFLOWS}/{file}@{event.ref}", "workflow_sha": event.source,
            "server_url": self._environment.get("GITHUB_SERVER_URL", "https://github.com"),
            "api_url": self._environment.get("GITHUB_API_URL", "https://api.github.com"),
            "workspace": str(self.workspace), "token": "",
        }  # fmt: skip

    # What a job gets.

    def secrets_for(self, job, event):
        token = {"GITHUB_TOKEN": job.token}
        return token if event.fork else {**self._secrets, **self._environment_secrets.get(job.environment, {}), **token}

    def machine(self, job, run, event, github):
        """Make everything empty, and give what the steps need."""
        shutil.rmtree(self.workspace)
        self.workspace.mkdir(parents=True)
        kept = set(self.temporary.glob(self._warm))
        for each in set(self.temporary.iterdir()) - kept:
            shutil.rmtree(each) if each.is_dir() else each.unlink()
        payload = self._directory / "event.json"
        payload.write_text(json.dumps(github["event"]))
        variables = self._process_environment(github, payload)
        around = Surroundings(
            self.workspace, variables, job.token, event.sha, event.ref, self.name,
            {self.name: self.address, **self._actions}, run.artifact_directory, self._renewed,
            package_cache.python(self._tools),
        )  # fmt: skip
        return Machine(self.workspace, self.temporary, variables, around, self._actions)

    def _renewed(self, number):
        if self._branches_of:
            base, head = self._branches_of(number)
            self.renew(number, base, head)

    def _process_environment(self, github, payload):
        names = {
            "event_name", "repository", "repository_owner", "ref", "ref_name", "ref_type", "sha", "head_ref",
            "base_ref", "actor", "triggering_actor", "run_id", "run_number", "run_attempt", "workflow", "job",
            "workflow_ref", "workflow_sha", "server_url", "api_url", "workspace",
        }  # fmt: skip
        passed_on = {name: value for name, value in os.environ.items() if name.startswith(_PASSED_ON)}
        return {
            # Without downloading: what builds the package is in the cache of this Python. (0 is how pip is told "no".)
            "PIP_NO_BUILD_ISOLATION": "0", "PIP_NO_INDEX": "1", **passed_on,
            **{f"GITHUB_{name.upper()}": github[name] for name in names},
            "GITHUB_EVENT_PATH": str(payload), "GITHUB_ACTIONS": "true", "CI": "true",
            "HOME": str(self.home), "PATH": _path(), "RUNNER_TEMP": str(self.temporary), "RUNNER_OS": "Linux",
            "RUNNER_ARCH": "X64", "RUNNER_NAME": "runner", "RUNNER_ENVIRONMENT": "self-hosted",
            "RUNNER_TOOL_CACHE": str(self._tools), **self._environment,
        }  # fmt: skip

    def token_for(self, job, event):
        if event.fork:
            job.permissions = dict.fromkeys(job.permissions, "read")
        return self._token(job)


def _path():
    """The programs of the system, and git where it is elsewhere."""
    found = [str(Path(each).parent) for name in ("git", "bash") if (each := shutil.which(name))]
    return os.pathsep.join(dict.fromkeys([*_SYSTEM_PATH.split(":"), *found]))


def copy_project(target):
    """Copy reconciler itself, as far as the workflows need it, to where a repository is made: its files in Git."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *_PROJECT],
        cwd=_CHECKOUT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    for name in listed.split("\0")[:-1]:
        if (_CHECKOUT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(_CHECKOUT / name, target / name)


__all__ = ["NOBODY", "Job", "Run", "Runner", "copy_project"]
