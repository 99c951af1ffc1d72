"""The three actions of GitHub that the workflows use, imitated as far as the workflows use them.

actions/checkout really fetches from the remote, by the refspecs that the real one uses and to the same HEAD.
An input that is not imitated is an error.
"""

import base64
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support.workflow_files import WorkflowError

_GIT = ["git", "-c", "protocol.version=2", "-c", "init.defaultBranch=main", "-c", "advice.detachedHead=false"]
_CHECKOUT = {
    "repository": "", "ref": "", "path": ".", "fetch-depth": "1", "persist-credentials": "true", "token": None,
}  # fmt: skip
_PYTHON = {"python-version": None, "update-environment": "true"}
_UPLOAD = {"name": "artifact", "path": None, "if-no-files-found": "warn", "retention-days": "", "overwrite": "false"}


class ActionFailed(Exception):
    """The action ended with an error."""


@dataclass(frozen=True)
class Surroundings:
    """What an action finds. `addresses` are those of repositories; `renew` brings a pull request's refs up to date."""

    workspace: Path
    environment: dict
    token: str
    sha: str
    ref: str
    repository: str
    addresses: dict
    artifacts: Path
    renew: object
    python: Path


def run(name, given, around):
    """Run an action by its name. Returns its outputs and what it wrote into the log."""
    imitations = {
        "actions/checkout": (_checkout, _CHECKOUT),
        "actions/setup-python": (_setup_python, _PYTHON),
        "actions/upload-artifact": (_upload, _UPLOAD),
    }
    if name not in imitations:
        raise WorkflowError(f"the action {name} is not known here")
    imitation, known = imitations[name]
    if unknown := set(given) - set(known):
        raise WorkflowError(f"{name}: these inputs are not known here: {', '.join(unknown)}")
    return imitation({**known, **{key: value for key, value in given.items() if value != ""}}, around)


def _checkout(given, around):
    repository = given["repository"] or around.repository
    if repository not in around.addresses:
        raise ActionFailed(f"the repository {repository} cannot be read")
    directory = (around.workspace / given["path"]).resolve()
    if not directory.is_relative_to(around.workspace.resolve()):
        raise ActionFailed(f"Repository path '{directory}' is not under '{around.workspace}'")
    ref, commit = given["ref"], ""
    if not ref and repository == around.repository:
        ref, commit = around.ref, around.sha
    elif re.fullmatch("[0-9a-f]{40}", ref):
        ref, commit = "", ref
    if number := re.match(r"refs/pull/(\d+)/", ref):
        around.renew(int(number[1]))
    token = given["token"] or around.token
    clone = _Clone(directory, around, around.addresses[repository], token)
    clone.fetch(ref, commit, int(given["fetch-depth"]))
    clone.check_out(ref, commit)
    if given["persist-credentials"] == "true":
        clone.persist()
    found = clone.git("rev-parse", "HEAD").strip()
    return {"ref": ref, "commit": found}, f"HEAD is now at {found}\n"


class _Clone:
    """The work tree that checkout makes."""

    def __init__(self, directory, around, address, token):
        self._directory, self._around, self._address = directory, around, address
        header = base64.b64encode(f"x-access-token:{token}".encode()).decode()
        self._header = f"AUTHORIZATION: basic {header}"
        directory.mkdir(parents=True, exist_ok=True)
        if (directory / ".git").exists():
            raise WorkflowError("a second checkout at the same place is not known here")
        # The real one empties the directory, too, where it holds no repository.
        for inside in directory.iterdir():
            shutil.rmtree(inside) if inside.is_dir() else inside.unlink()
        self.git("init", "--quiet")
        self.git("remote", "add", "origin", str(address))
        self.git("config", "--local", "gc.auto", "0")

    def git(self, *arguments, **more):
        variables = {**self._around.environment, "GIT_TERMINAL_PROMPT": "0", **more}
        said = subprocess.run(
            [*_GIT, *arguments], cwd=self._directory, env=variables, capture_output=True, text=True, timeout=60
        )
        if said.returncode:
            raise ActionFailed(f"git {arguments[0]}: {said.stderr}")
        return said.stdout

    def fetch(self, ref, commit, depth):
        every = ["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"]
        wanted = _refspecs(ref, commit)
        specifications = [[f"--depth={depth}", *wanted]] if depth > 0 else [every, wanted]
        for options in specifications:
            self.git(
                "fetch", "--no-tags", "--prune", "--no-recurse-submodules",
                *[each for each in options if each.startswith("--")], "origin",
                *[each for each in options if not each.startswith("--")],
                GIT_CONFIG_COUNT="1", GIT_CONFIG_KEY_0=self._section, GIT_CONFIG_VALUE_0=self._header,
            )  # fmt: skip

    @property
    def _section(self):
        return f"http.{self._around.environment['GITHUB_SERVER_URL']}/.extraheader"

    def check_out(self, ref, commit):
        if not ref or ref.startswith("refs/pull/"):
            at = commit or f"refs/remotes/pull/{ref.removeprefix('refs/pull/')}"
            self.git("checkout", "--quiet", "--force", "--detach", at)
        else:
            branch = ref.removeprefix("refs/heads/")
            self.git("checkout", "--quiet", "--force", "-B", branch, f"refs/remotes/origin/{branch}")

    def persist(self):
        self.git("config", "--local", self._section, self._header)


def _refspecs(ref, commit):
    if not ref:
        return [commit]
    if ref.startswith("refs/pull/"):
        return [f"+{commit or ref}:refs/remotes/pull/{ref.removeprefix('refs/pull/')}"]
    if ref.startswith("refs/") and not ref.startswith("refs/heads/"):
        raise WorkflowError(f"a checkout of {ref} is not known here")
    branch = ref.removeprefix("refs/heads/")
    return [f"+{commit or f'refs/heads/{branch}'}:refs/remotes/origin/{branch}"]


def _setup_python(given, around):
    if given["update-environment"] != "false":
        raise WorkflowError("setup-python is only known here with update-environment: false")
    version = ".".join(map(str, sys.version_info[:3]))
    return {"python-version": version, "python-path": str(around.python), "cache-hit": ""}, f"Python {version}\n"


def _upload(given, around):
    target = around.artifacts / given["name"]
    if target.exists() and given["overwrite"] != "true":
        raise ActionFailed(f"an artifact with the name {given['name']} exists already")
    lines = [line.strip() for line in given["path"].splitlines() if line.strip()]
    if any("*" in line for line in lines):
        raise WorkflowError(f"wildcards are not known here: {given['path']}")
    found = [path for line in lines if (path := around.workspace / line).exists()]
    inside = [each for path in found for each in ([path] if path.is_file() else path.rglob("*"))]
    files = [each for each in inside if each.is_file() and not each.name.startswith(".")]
    if not files:
        if given["if-no-files-found"] == "error":
            raise ActionFailed(f"No files were found with the provided path: {given['path']}")
        ignored = given["if-no-files-found"] == "ignore"
        return {}, "" if ignored else f"::warning::No files were found with the provided path: {given['path']}\n"
    shutil.rmtree(target, ignore_errors=True)
    start = _common(files, found)
    for file in sorted(files):
        copy = target / file.relative_to(start)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, copy)
    outputs = {"artifact-id": "1", "artifact-url": f"https://github.invalid/artifacts/{given['name']}"}
    return outputs, "".join(f"uploaded {file.relative_to(start)}\n" for file in sorted(files))


def _common(files, found):
    """The directory that names in the artefact start from: the given one, or the closest that all have in common."""
    if len(found) == 1 and found[0].is_dir():
        return found[0]
    start = min((file.parent for file in files), key=lambda each: len(each.parts))
    while not all(file.is_relative_to(start) for file in files):
        start = start.parent
    return start
