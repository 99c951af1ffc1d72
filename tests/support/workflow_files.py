"""Workflow files as GitHub reads them: YAML 1.2, the keys that are known here, and which events start what.

A key that is not known is an error: what is left out of an imitation must not be left out of a test in silence.
"""

import re

import yaml


class WorkflowError(Exception):
    """A file that GitHub would not take, or that uses what is not imitated here."""


class _Loader(yaml.SafeLoader):
    """YAML 1.2: `on` is a word, and a key is given once."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if twice := {key for key in keys if keys.count(key) > 1}:
            raise WorkflowError(f"given twice, at line {node.start_mark.line + 1}: {twice}")
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [each for each in resolvers if each[0] not in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(?:true|false)$"), list("tf"))

_WORKFLOW = {"name", "run-name", "on", "permissions", "env", "concurrency", "jobs"}
_JOB = {
    "name", "needs", "permissions", "runs-on", "environment", "concurrency", "outputs", "env", "if", "steps",
    "timeout-minutes", "strategy",
}  # fmt: skip
_STEP = {"name", "id", "if", "env", "continue-on-error", "timeout-minutes"}
_RUN, _USES = {"run", "shell", "working-directory"}, {"uses", "with"}
_ACTION = {"name", "description", "author", "branding", "inputs", "outputs", "runs"}
_SCOPES = {
    "actions", "attestations", "checks", "contents", "deployments", "discussions", "id-token", "issues", "packages",
    "pages", "pull-requests", "security-events", "statuses",
}  # fmt: skip
_EVENTS = {
    "push": {"branches", "branches-ignore", "paths", "paths-ignore"},
    "pull_request": {"types", "branches", "branches-ignore", "paths", "paths-ignore"},
    "workflow_dispatch": {"inputs"},
}
_PULL_REQUEST_TYPES = ("opened", "synchronize", "reopened")
_INPUT = {"description", "required", "default", "type", "options"}
_INPUT_TYPES = ("string", "choice", "boolean", "number", "environment")


def load(text):
    """Read YAML."""
    return yaml.load(text, _Loader)


def workflow(text, path):
    """Read a workflow, and refuse what is not known."""
    read = load(text)
    _keys(read, _WORKFLOW, path, needed={"on", "jobs"})
    read["on"] = _events(read["on"], path)
    permissions(read.get("permissions", {}), path)
    for name, job in read["jobs"].items():
        place = f"{path}: job {name}"
        _keys(job, _JOB, place, needed={"runs-on", "steps"})
        _keys(job.get("strategy", {}), {"matrix", "fail-fast", "max-parallel"}, place)
        permissions(job.get("permissions", {}), place)
        steps(job["steps"], place)
    return read


def action(text, path):
    """Read a composite action's action.yml."""
    read = load(text)
    _keys(read, _ACTION, path, needed={"name", "description", "runs"})
    _keys(read["runs"], {"using", "steps"}, path, needed={"using", "steps"})
    if read["runs"]["using"] != "composite":
        raise WorkflowError(f"{path}: only composite actions are run here")
    for name, each in read.get("inputs", {}).items():
        _keys(each, {"description", "required", "default"}, f"{path}: input {name}", needed={"description"})
    for name, each in read.get("outputs", {}).items():
        _keys(each, {"description", "value"}, f"{path}: output {name}", needed={"description", "value"})
    steps(read["runs"]["steps"], path)
    for step in read["runs"]["steps"]:
        if "run" in step and "shell" not in step:
            raise WorkflowError(f"{path}: a composite action's run needs a shell: {step}")
        if "timeout-minutes" in step:
            raise WorkflowError(f"{path}: a composite action's steps have no timeout-minutes")
    return read


def steps(given, place):
    """Refuse steps with unknown keys, and ids given twice."""
    for step in given:
        if ("run" in step) == ("uses" in step):
            raise WorkflowError(f"{place}: either run or uses: {step}")
        _keys(step, _STEP | (_RUN if "run" in step else _USES), f"{place}: step {step.get('name', '')}")
        if step.get("shell", "bash") != "bash":
            raise WorkflowError(f"{place}: the shell {step['shell']} is not known here")
    ids = [step["id"] for step in given if "id" in step]
    if len(set(ids)) != len(ids):
        raise WorkflowError(f"{place}: an id is given twice: {ids}")


def permissions(given, place):
    """Return the permissions that are granted, as a map."""
    if given in ("read-all", "write-all"):
        return dict.fromkeys(_SCOPES, given.removesuffix("-all"))
    _keys(given, _SCOPES, f"{place}: permissions")
    if wrong := set(given.values()) - {"read", "write", "none"}:
        raise WorkflowError(f"{place}: permissions can't be {wrong}")
    return {scope: access for scope, access in given.items() if access != "none"}


def wants_push(on, branch, changed):
    """Whether a push of a branch starts a workflow."""
    return "push" in on and _branch_fits(on["push"], branch) and _paths_fit(on["push"], changed)


def wants_pull_request(on, activity, base, changed):
    """Whether something that happened to a pull request starts a workflow."""
    wanted = on.get("pull_request")
    if wanted is None or activity not in wanted.get("types", _PULL_REQUEST_TYPES):
        return False
    return _branch_fits(wanted, base) and _paths_fit(wanted, changed)


def dispatch_inputs(on, given, path):
    """Check what was put into a form, and return it with the defaults, typed as the context `inputs` has it."""
    if "workflow_dispatch" not in on:
        raise WorkflowError(f"{path}: can't be started by hand")
    described = on["workflow_dispatch"].get("inputs", {})
    if unknown := set(given) - set(described):
        raise WorkflowError(f"{path}: unexpected inputs: {unknown}")
    return {name: _input(name, each, given.get(name), path) for name, each in described.items()}


def _input(name, described, given, path):
    value = described.get("default", "") if given is None else given
    if described.get("required") and value == "":
        raise WorkflowError(f"{path}: the input {name} is required")
    match described.get("type", "string"):
        case "boolean":
            if str(value).lower() not in ("true", "false", ""):
                raise WorkflowError(f"{path}: the input {name} is true or false, not {value}")
            return str(value).lower() == "true"
        case "choice" if value not in described["options"]:
            raise WorkflowError(f"{path}: the input {name} is one of {described['options']}, not {value}")
        case "number" if value != "":
            return float(value)
        case _:
            return str(value)


def _events(given, path):
    events = {given: {}} if isinstance(given, str) else given
    events = {name: {} for name in events} if isinstance(events, list) else events
    read = {}
    for name, filters in events.items():
        if name == "schedule":
            read[name] = [_cron(each, path) for each in filters]
            continue
        if name not in _EVENTS:
            raise WorkflowError(f"{path}: the event {name} is not known here")
        read[name] = filters or {}
        _keys(read[name], _EVENTS[name], f"{path}: {name}")
        for kind in ("branches", "paths"):
            if kind in read[name] and f"{kind}-ignore" in read[name]:
                raise WorkflowError(f"{path}: {name} can't have both {kind} and {kind}-ignore")
    for name, each in read.get("workflow_dispatch", {}).get("inputs", {}).items():
        _keys(each, _INPUT, f"{path}: input {name}")
        if each.get("type", "string") not in _INPUT_TYPES:
            raise WorkflowError(f"{path}: the input {name} has an unknown type")
    return read


def _cron(given, path):
    _keys(given, {"cron"}, f"{path}: schedule", needed={"cron"})
    if not re.fullmatch(r"([\d*/,-]+ ){4}[\d*/,-]+", given["cron"]):
        raise WorkflowError(f"{path}: not five fields of a time: {given['cron']}")
    return given["cron"]


def _keys(given, known, place, needed=frozenset()):
    if not isinstance(given, dict):
        raise WorkflowError(f"{place}: a map expected, not {given!r}")
    if unknown := set(given) - known:
        raise WorkflowError(f"{place}: not known here: {', '.join(sorted(map(str, unknown)))}")
    if missing := needed - set(given):
        raise WorkflowError(f"{place}: missing: {', '.join(sorted(missing))}")


def _branch_fits(filters, branch):
    if "branches" in filters:
        return fits(filters["branches"], branch)
    return not fits(filters.get("branches-ignore", []), branch)


def _paths_fit(filters, changed):
    if "paths" in filters:
        return any(fits(filters["paths"], path) for path in changed)
    if "paths-ignore" in filters:
        return not all(fits(filters["paths-ignore"], path) for path in changed)
    return True


def fits(patterns, name):
    """Match GitHub's filter patterns: the last that matches decides, and `!` takes back."""
    found = False
    for pattern in patterns:
        if re.fullmatch(_regular(pattern.removeprefix("!")), name):
            found = not pattern.startswith("!")
    return found


def _regular(pattern):
    """Translate a filter pattern: `*` without slashes, `**` with, and `?` and `+` for the character before them."""
    pieces = {r"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "?", "+": "+"}
    found = re.findall(r"\*\*/|\*\*|\*|\?|\+|\[[^\]]*\]|\\.|.", pattern)
    return "".join(pieces.get(each) or (each if each[0] in "[\\" else re.escape(each)) for each in found)
