"""The jobs of a run: which of them run, on what matrix, with what permissions, and what came of them."""

import itertools
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from tests.support import workflow_files
from tests.support.expressions import Known, Scope, truthy
from tests.support.workflow_files import WorkflowError
from tests.support.workflow_steps import Level, Step, Steps


@dataclass
class Job:
    """A job that ran, or was skipped. One of a matrix has `matrix`."""

    id: str
    workflow: str
    name: str = ""
    matrix: dict = field(default_factory=dict)
    permissions: dict = field(default_factory=dict)
    environment: str = ""
    concurrency: dict = field(default_factory=dict)
    conclusion: str = "skipped"
    outputs: dict = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    token: str = ""

    @property
    def log(self):
        return "".join(f"--- {self.workflow} {self.id}: {each.name}: {each.outcome}\n{each.log}" for each in self.steps)

    @property
    def summary(self):
        return "".join(each.summary for each in self.steps)

    @property
    def annotations(self):
        return [annotation for each in self.steps for annotation in each.annotations]

    def step(self, name):
        """The step of this name or id."""
        return next(each for each in self.steps if name in (each.name, each.id))


@dataclass
class Run:
    """A run of one workflow. `jobs` has a list for each id, of one job or of as many as its matrix gives."""

    workflow: str
    event: str
    name: str
    number: int
    artifact_directory: Path
    concurrency: dict = field(default_factory=dict)
    jobs: dict[str, list[Job]] = field(default_factory=dict)

    @property
    def all_jobs(self):
        return [job for jobs in self.jobs.values() for job in jobs]

    @property
    def conclusion(self):
        ends = [job.conclusion for job in self.all_jobs]
        return "failure" if "failure" in ends else "success" if "success" in ends else "skipped"

    @property
    def log(self):
        return "".join(job.log for job in self.all_jobs)

    @property
    def summary(self):
        return "".join(job.summary for job in self.all_jobs)

    @property
    def annotations(self):
        return [annotation for job in self.all_jobs for annotation in job.annotations]

    @property
    def artifacts(self):
        """The files of each artefact: name -> {path: content}."""
        found = defaultdict(dict)
        for file in self.artifact_directory.rglob("*"):
            if file.is_file():
                name, *path = file.relative_to(self.artifact_directory).parts
                found[name]["/".join(path)] = file.read_bytes()
        return dict(found)


@dataclass(frozen=True)
class Event:
    """What happened, as the context `github` has it. `source` is the commit whose workflows run."""

    name: str
    payload: dict
    source: str
    sha: str
    ref: str
    head_ref: str = ""
    base_ref: str = ""
    fork: bool = False
    inputs: dict = field(default_factory=dict)


class Jobs:
    """Runs one job of a run, or as many as its matrix gives."""

    def __init__(self, runner, run, workflow, event, contexts):
        self._runner, self._run, self._workflow = runner, run, workflow
        self._event, self._contexts = event, contexts

    def run(self, key, described):
        job = Job(key, self._run.workflow, str(described.get("name", key)))
        needed = [each for name in self._ancestors(key) for each in self._run.jobs[name]]
        ends = {each.conclusion for each in needed}
        contexts = {**self._contexts, "needs": Known({name: self._need(name) for name in needs(described)})}
        status = {
            "success": ends <= {"success"}, "failure": "failure" in ends, "always": True, "cancelled": False,
        }  # fmt: skip
        if not Scope(contexts, status).condition(described.get("if")):
            return [job]
        strategy = described.get("strategy", {})
        made = []
        for values in _combinations(Scope(contexts).render(strategy.get("matrix", {}))):
            job = Job(key, self._run.workflow, matrix=values)
            made.append(job)
            if truthy(strategy.get("fail-fast", True)) and "failure" in [each.conclusion for each in made]:
                job.conclusion = "cancelled"
                continue
            self._one(job, described, {**contexts, "matrix": Known(values), "strategy": strategy})
        return made

    def _ancestors(self, key):
        direct = needs(self._workflow["jobs"][key])
        return {*direct, *(each for name in direct for each in self._ancestors(name))}

    def _need(self, name):
        jobs = self._run.jobs[name]
        outputs = {key: value for job in jobs for key, value in job.outputs.items()}
        declared = self._workflow["jobs"][name].get("outputs", {})
        ends = [job.conclusion for job in jobs]
        result = next((end for end in ("failure", "cancelled", "success") if end in ends), "skipped")
        return Known({"result": result, "outputs": Known({**dict.fromkeys(declared), **outputs})})

    def _one(self, job, described, contexts):
        runner, scope = self._runner, Scope(contexts)
        job.name = scope.text(described.get("name", job.id))
        named = scope.render(described.get("environment", ""))
        job.environment = named["name"] if isinstance(named, dict) else named
        job.concurrency = concurrency(described, scope)
        job.permissions = workflow_files.permissions(
            described.get("permissions", self._workflow.get("permissions", {})), job.id
        )
        job.token = runner.token_for(job, self._event)
        github = Known({**contexts["github"], "job": job.id, "token": job.token})
        hidden = runner.secrets_for(job, self._event)
        machine = runner.machine(job, self._run, self._event, github)
        contexts = {**contexts, "github": github, "secrets": hidden, "job": {"status": "success"}}
        environment = {}
        for described_environment in (self._workflow.get("env", {}), described.get("env", {})):
            environment |= {name: Scope(contexts).text(value) for name, value in described_environment.items()}
        contexts["runner"] = Known({"temp": str(runner.temporary), "os": "Linux", "arch": "X64", "name": "runner"})
        level = Level(contexts, environment)
        Steps(machine).run(described["steps"], level)
        job.steps, job.conclusion = level.steps, level.status
        self._give(job, described.get("outputs", {}), level, hidden)

    def _give(self, job, outputs, level, hidden):
        """Give a job's outputs on; one that holds a secret is left out, as the runner of GitHub does."""
        for name, value in outputs.items():
            text = level.scope(level.environment).text(value)
            if not any(secret and secret in text for secret in hidden.values()):
                job.outputs[name] = text


def needs(job):
    """Return the jobs that one waits for."""
    found = job.get("needs", [])
    return [found] if isinstance(found, str) else found


def concurrency(described, scope):
    """Return the group of a workflow or job, and whether a newer run cancels it."""
    found = scope.render(described.get("concurrency", {}))
    found = {"group": found} if isinstance(found, str) else found
    if unknown := set(found) - {"group", "cancel-in-progress"}:
        raise WorkflowError(f"concurrency: not known here: {unknown}")
    return found


def _combinations(matrix):
    if unknown := {"include", "exclude"} & set(matrix):
        raise WorkflowError(f"a matrix's {unknown} is not known here")
    for name, values in matrix.items():
        if not isinstance(values, list) or not values:
            raise WorkflowError(f"the matrix's {name} must be a list with something in it, not {values!r}")
    return [dict(zip(matrix, each, strict=True)) for each in itertools.product(*matrix.values())]
