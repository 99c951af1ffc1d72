"""The workflows and the composite action as YAML, with the few expressions that they have filled in by name."""

import re
import shutil
import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*"))
ACTION = ROOT / ".github/actions/reconciler/action.yml"
OURS = "./.github/actions/reconciler"
_PROJECT = ("reconciler", ".github", "pyproject.toml", "README.md", "LICENSE")


def read(name):
    """Read a workflow. YAML 1.1 takes its key `on` for true."""
    found = yaml.safe_load((ROOT / ".github/workflows" / name).read_text())
    return {"on" if key is True else key: value for key, value in found.items()}


def jobs():
    """Return every job of every workflow, as "file: job" -> what it says."""
    return {f"{path.name}: {name}": job for path in WORKFLOWS for name, job in read(path.name)["jobs"].items()}


def action():
    return yaml.safe_load(ACTION.read_text())


def action_step(name):
    """Return the step of the composite action that has this id."""
    return next(step for step in action()["runs"]["steps"] if step["id"] == name)


def filled(given, values):
    """Fill `${{ … }}` in each value of a mapping, by the expression's whole text. An unknown one is a KeyError."""
    return {
        name: re.sub(r"\$\{\{ (.+?) \}\}", lambda found: values[found[1]], str(text)) for name, text in given.items()
    }


def copy_project(target):
    """Copy the project's own files, as far as the action installs them."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *_PROJECT]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in listed.split("\0")[:-1]:
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
