"""Runs the steps of one job exactly as they are written, with the files, variables and commands of GitHub's runner."""

import os
import re
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from tests.support import workflow_actions, workflow_files
from tests.support.expressions import Known, Scope, truthy
from tests.support.plain_words import check_words
from tests.support.workflow_files import WorkflowError

_COMMAND = re.compile(r"^\s*::([a-z-]+)(?: ([^:]*(?::(?!:)[^:]*)*))?::(.*)$")
_ESCAPES = (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%"))
_LEVELS = ("error", "warning", "notice")
# An answer within this time, where a step says nothing else, so that a test ends.
_LONGEST_SECONDS = 240
_FILES = ("GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STEP_SUMMARY", "GITHUB_STATE")


@dataclass(frozen=True)
class Annotation:
    """What a step wrote with ::error, ::warning or ::notice."""

    level: str
    title: str
    message: str
    file: str = ""
    line: str = ""


@dataclass
class Step:
    """A step that ran, or was skipped. `conclusion` is `outcome`, but success where continue-on-error forgave it."""

    name: str
    id: str
    outcome: str = "skipped"
    conclusion: str = "skipped"
    outputs: dict = field(default_factory=dict)
    log: str = ""
    summary: str = ""
    annotations: list = field(default_factory=list)
    masks: list = field(default_factory=list)
    steps: list = field(default_factory=list)
    status: int = 0


@dataclass
class Level:
    """The steps of a job, or of a composite action within it: what they share."""

    contexts: dict
    environment: dict
    overrides: dict = field(default_factory=dict)
    steps: list = field(default_factory=list)
    action: Path | None = None
    status: str = "success"

    def scope(self, environment, *, with_status=False, barred=()):
        done = Known({each.id: _seen(each) for each in self.steps if each.id})
        contexts = {**self.contexts, "env": environment, "steps": done}
        contexts = {name: value for name, value in contexts.items() if name not in barred}
        if not with_status:
            return Scope(contexts)
        ended = {"success": self.status == "success", "failure": self.status == "failure"}
        return Scope(contexts, {**ended, "always": True, "cancelled": False})


def _seen(step):
    return {"outputs": step.outputs, "outcome": step.outcome, "conclusion": step.conclusion}


@dataclass(frozen=True)
class Machine:
    """What a job runs on. `variables` is the environment of its processes; `actions` are repositories of actions."""

    workspace: Path
    temporary: Path
    variables: dict
    surroundings: workflow_actions.Surroundings
    actions: dict


class Steps:
    """Runs steps one after the other."""

    def __init__(self, machine):
        self._machine = machine
        self._paths = []

    def run(self, described, level):
        """Run the steps of a level; what happened is in `level.steps` and `level.status`."""
        for number, each in enumerate(described, 1):
            step = Step(str(each.get("name", "")) or each.get("uses") or f"step {number}", each.get("id", ""))
            environment = {**level.environment, **level.overrides}
            if level.scope(environment, with_status=True, barred=("secrets",)).condition(each.get("if")):
                self._one(each, step, level, environment)
            level.steps.append(step)
            if step.conclusion == "failure":
                level.status = "failure"

    def _one(self, described, step, level, environment):
        scope = level.scope(environment)
        own = {name: scope.text(value) for name, value in described.get("env", {}).items()}
        environment |= own
        scope = level.scope(environment)
        step.name = scope.text(step.name)
        try:
            if "uses" in described:
                self._use(described, step, level, scope, own)
            else:
                self._command(described, step, level, scope, environment)
        except workflow_actions.ActionFailed as error:
            step.outcome = "failure"
            step.log += f"Error: {error}\n"
            step.annotations.append(Annotation("error", "", str(error)))
        forgiven = truthy(scope.render(described.get("continue-on-error", False)))
        step.conclusion = "success" if forgiven else step.outcome

    # A step that runs a command.

    def _command(self, described, step, level, scope, environment):
        script = self._machine.temporary / f"{uuid4()}.sh"
        script.write_text(scope.text(described["run"]))
        files = {name: self._machine.temporary / f"{name.lower()}_{uuid4()}" for name in _FILES}
        for file in files.values():
            file.touch()
        variables = {**self._machine.variables, **self._github_variables(level), **environment}
        variables |= {name: str(file) for name, file in files.items()}
        variables["PATH"] = os.pathsep.join([*reversed(self._paths), self._machine.variables["PATH"]])
        directory = self._machine.workspace / scope.text(described.get("working-directory", "."))
        minutes = scope.render(described.get("timeout-minutes"))
        limit = min(_LONGEST_SECONDS, float(minutes) * 60 if minutes else _LONGEST_SECONDS)
        step.status, said = _execute(script, directory, variables, limit)
        check_words(said)
        step.outcome = "failure" if step.status else "success"
        _hear(step, said)
        step.outputs = _pairs(files["GITHUB_OUTPUT"])
        step.summary = files["GITHUB_STEP_SUMMARY"].read_text()
        level.environment.update(_pairs(files["GITHUB_ENV"]))
        self._paths += files["GITHUB_PATH"].read_text().splitlines()
        for file in (script, *files.values()):
            file.unlink()

    def _github_variables(self, level):
        return {"GITHUB_ACTION_PATH": str(level.action)} if level.action else {}

    # A step that uses an action.

    def _use(self, described, step, level, scope, own):
        given = {name: scope.text(value) for name, value in described.get("with", {}).items()}
        uses = described["uses"]
        name, _, version = uses.partition("@")
        if uses.startswith("./"):
            self._composite(self._machine.workspace / uses, given, step, level, own)
        elif "/".join(name.split("/")[:2]) in self._machine.actions:
            self._composite(self._downloaded(name, version), given, step, level, own)
        else:
            step.outcome = "failure"
            step.outputs, said = workflow_actions.run(name, given, self._machine.surroundings)
            _hear(step, said)
            step.outcome = "success"

    def _downloaded(self, name, version):
        """Bring an action of another repository, whole, to where a runner has it."""
        owner, repository, *inside = name.split("/")
        directory = self._machine.temporary.parent / "_actions" / owner / repository / version
        if not directory.exists():
            directory.mkdir(parents=True)
            source = self._machine.actions[f"{owner}/{repository}"]
            archive = subprocess.run(
                ["git", "-C", source, "archive", "--format=tar", version], check=True, capture_output=True
            ).stdout
            subprocess.run(["tar", "-x", "-C", directory], check=True, input=archive)
        return directory.joinpath(*inside)

    def _composite(self, directory, given, step, level, own):
        file = directory / "action.yml"
        if not file.is_file():
            raise workflow_actions.ActionFailed(f"Can't find 'action.yml' under '{directory}'")
        action = workflow_files.action(file.read_text(), file)
        shared = ("github", "job", "runner", "strategy", "matrix")
        contexts = {name: level.contexts[name] for name in shared if name in level.contexts}
        contexts["github"] = Known({**contexts["github"], "action_path": str(directory)})
        contexts["inputs"] = Known(_inputs(action, given, Scope(contexts), directory))
        # A relative path of "./" stands for the action's own directory in GITHUB_ACTION_PATH, resolved.
        inner = Level(contexts, level.environment, {**level.overrides, **own}, action=directory.resolve())
        self.run(action["runs"]["steps"], inner)
        step.steps, step.outcome = inner.steps, inner.status
        scope = inner.scope({**inner.environment, **inner.overrides})
        step.outputs = {name: scope.text(each["value"]) for name, each in action.get("outputs", {}).items()}
        for each in inner.steps:
            step.log += each.log
            step.summary += each.summary
            step.annotations += each.annotations
            step.masks += each.masks


def _inputs(action, given, scope, directory):
    described = action.get("inputs", {})
    if unknown := set(given) - set(described):
        raise WorkflowError(f"{directory}: unexpected inputs: {', '.join(unknown)}")
    # GitHub itself does not insist on what is required; a test does.
    if missing := [name for name, each in described.items() if each.get("required") and name not in given]:
        raise WorkflowError(f"{directory}: these inputs are missing: {', '.join(missing)}")
    return {name: given.get(name, scope.text(each.get("default", ""))) for name, each in described.items()}


def _execute(script, directory, variables, limit):
    """Run a script as the runner does for `shell: bash`; end everything that it leaves behind."""
    process = subprocess.Popen(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", script],
        cwd=directory, env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip
    try:
        said, _ = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        said, _ = process.communicate()
        return 1, f"{said.decode()}\n::error::The action has timed out after {limit:.0f} s\n"
    return process.returncode, said.decode()


def _hear(step, said):
    """Take the workflow commands out of what a step said; the rest is its log."""
    stopped = ""
    for line in said.splitlines():
        found = _COMMAND.match(line)
        if stopped:
            stopped = "" if line.strip() == f"::{stopped}::" else stopped
            step.log += f"{line}\n" if stopped else ""
            continue
        if not found:
            step.log += f"{line}\n"
            continue
        name, properties, message = found[1], _properties(found[2] or ""), _unescaped(found[3])
        if name == "stop-commands":
            stopped = message
        elif name == "add-mask":
            step.masks.append(message)
        elif name in _LEVELS:
            place = properties.get("file", ""), properties.get("line", "")
            step.annotations.append(Annotation(name, properties.get("title", ""), message, *place))
            step.log += f"##[{name}]{message}\n"
        elif name in ("group", "endgroup", "debug"):
            step.log += f"##[{name}]{message}\n"
        else:
            raise WorkflowError(f"the workflow command {name} is not known here, or not any more: {line}")


def _properties(text):
    return {name: _unescaped(value) for name, _, value in (each.partition("=") for each in text.split(",") if each)}


def _unescaped(text):
    for escaped, plain in _ESCAPES:
        text = text.replace(escaped, plain)
    return text


def _pairs(file):
    """Read GITHUB_OUTPUT or GITHUB_ENV: NAME=VALUE, or NAME<<END and lines up to END."""
    found, lines = {}, iter(file.read_text().splitlines())
    for line in lines:
        if not line:
            continue
        name, sign, value = (
            re.fullmatch(r"([^=<]*?)(=|<<)(.*)", line).groups() if re.search("=|<<", line) else (0, 0, 0)
        )
        if not sign:
            raise workflow_actions.ActionFailed(f"Invalid format '{line}'")
        if sign == "<<":
            end, value = value, []
            for inside in lines:
                if inside == end:
                    break
                value.append(inside)
            else:
                raise workflow_actions.ActionFailed(f"Matching delimiter not found '{end}'")
            value = "\n".join(value)
        found[name] = value
    return found
