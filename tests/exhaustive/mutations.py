"""Breaks the code on purpose, in a copy, and demands that the exhaustive run sees it.

    python -m tests.exhaustive.mutations

- repeat a create without looking: a write whose answer is lost is sent again at once;
- promote before gates: the gates of a branch are asked when it has been promoted;
- delete before evidence: what was replaced is deleted as soon as its successor is the default branch.

With --randomised, `tests.randomised` is to see them, with the fixed budget that CI gives it.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from reconciler.core.rules import next_steps
from reconciler.engine.effects import primary
from reconciler.providers.http import client as http_client

_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Mutation:
    """One place of a module that is changed, and the part of the run that must see it."""

    name: str
    module: ModuleType
    old: str
    new: str
    scenario: str
    fault: str


MUTATIONS = (
    Mutation(
        "repeat a create without looking",
        http_client,
        'if method == "GET":\n            return _Busy(',
        'if method in {"GET", "POST"}:\n            return _Busy(',
        "first restore, rebind",
        "dropped after",
    ),
    Mutation(
        "promote before gates",
        next_steps,
        "        or branch.verify(context, target)\n",
        "",
        "first restore, rebind",
        "nothing",
    ),
    Mutation(
        "delete before evidence",
        primary,
        "    await now.neon.set_default(now.project, now.branch(step.branch).id)\n",
        "    await now.neon.set_default(now.project, now.branch(step.branch).id)\n"
        "    for each in now.branches:\n"
        '        if ".held.r-" in each.name:\n'
        '            path = f"/branches/{each.id}"\n'
        '            await now.neon._write(now.project, "DELETE", path)\n',
        "revert",
        "nothing",
    ),
)


def mutated(mutation, directory):
    """Make a copy of the code with the mutation, and return its root.

    Raises AssertionError where the module has not exactly one such place.
    """
    source = Path(mutation.module.__file__).relative_to(_ROOT)
    copy = Path(directory) / mutation.name.replace(" ", "-")
    for part in ("reconciler", "tests"):
        shutil.copytree(_ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    file = copy / source
    text = file.read_text()
    found = text.count(mutation.old)
    assert found == 1, (
        f"{mutation.name}: {mutation.module.__name__} has {found} times what is to be changed:\n{mutation.old}"
    )
    file.write_text(text.replace(mutation.old, mutation.new))
    return copy


def try_out(mutation, directory, processes, *, randomised=False):
    """Return what the run said of a copy with the mutation; an empty text where it saw nothing."""
    copy = mutated(mutation, directory)
    command = [sys.executable, "-m", "tests.exhaustive", "--scenario", mutation.scenario, "--fault", mutation.fault]
    if randomised:
        command = [sys.executable, "-m", "tests.randomised", "--smaller", "10"]
    command += ["--processes", str(processes)]
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    said = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    assert said.returncode in (0, 1), said.stderr
    return said.stdout if said.returncode else ""


def _violations(said):
    return [line.strip() for line in said.splitlines() if line.startswith("  '")]


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.exhaustive.mutations")
    parser.add_argument("--randomised", action="store_true", help="see them by the randomised run as CI makes it")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    unseen = []
    with tempfile.TemporaryDirectory(prefix="rec-mutations-") as directory:
        for mutation in MUTATIONS:
            said = try_out(mutation, directory, arguments.processes, randomised=arguments.randomised)
            found = said.split("violated:\n")[1:] if arguments.randomised else _violations(said)
            print(f"{'seen' if found else 'NOT SEEN'}: {mutation.name}: {found[0] if found else ''}")
            unseen += [] if found else [mutation.name]
    sys.exit(1 if unseen else 0)


if __name__ == "__main__":
    main()
