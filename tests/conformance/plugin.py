"""The check of a whole test run: every sandbox of it writes a transcript, and a violation in it fails the run.

The description of Neon's API is needed; without it the run says that nothing was checked, and fails in CI.
Where pytest-xdist runs the tests in several processes, each has a transcript of its own, as some tests look at what
was said last; the process that started them examines all of them.
"""

import os
import tempfile
from pathlib import Path

import pytest

from reconciler.sandbox.exchange_log import VARIABLE as TRANSCRIPT
from tests.conformance import description, rules, transcripts

_RUN = pytest.StashKey()
_TRANSCRIPTS = "transcripts"
_SHOWN = 30


class Run:
    """The check of one run. `findings` are there at its end."""

    def __init__(self, path):
        self.description = description.read(path)
        self.findings = None
        self._directory = tempfile.TemporaryDirectory(prefix="reconciler-transcript-")
        self.transcripts = Path(self._directory.name)
        self._part = Part(self.transcripts, "main")

    def examine(self):
        """Examine what was written; then it is not needed any more."""
        self._part.end()
        self.findings = transcripts.examine(self.description, *self.transcripts.iterdir())
        self._directory.cleanup()


class Part:
    """What one process of the run writes."""

    def __init__(self, directory, name):
        transcript = Path(directory) / f"{name}.jsonl"
        transcript.touch(0o600)
        self._patch = pytest.MonkeyPatch()
        self._patch.setenv(TRANSCRIPT, str(transcript))

    def end(self):
        """Sandboxes that start from now on write into it no more."""
        self._patch.undo()


def is_ci():
    """Tell whether nothing may be left out."""
    return os.environ.get("CI") == "true"


def pytest_configure(config):
    given = getattr(config, "workerinput", None)
    if given is not None:
        directory = given.get(_TRANSCRIPTS)
        config.stash[_RUN] = Part(directory, given["workerid"]) if directory else None
        return
    path = description.path_of_description()
    config.stash[_RUN] = Run(path) if path else None


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    """Tell a process that pytest-xdist starts where to write."""
    run = node.config.stash[_RUN]
    if run is not None:
        node.workerinput[_TRANSCRIPTS] = str(run.transcripts)


def pytest_sessionfinish(session):
    run = session.config.stash[_RUN]
    if isinstance(run, Part):
        run.end()
    if hasattr(session.config, "workerinput"):
        return
    if run is not None:
        run.examine()
    if is_ci() if run is None else run.findings.violations:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter, config):
    terminalreporter.section("conformance to Neon's API description")
    _findings(terminalreporter, config)
    terminalreporter.line(rules.summary(rules.read(rules.DOCUMENT.read_text())))


def _findings(terminalreporter, config):
    run = config.stash[_RUN]
    if run is None:
        outcome = "FAILED" if is_ci() else "SKIPPED"
        terminalreporter.line(f"{outcome}: {description.VARIABLE} does not say where the description is", red=True)
        return
    _coverage(terminalreporter, run, verbose=config.get_verbosity() > 0)
    found = run.findings.violations
    for violation, times in [*found.items()][:_SHOWN]:
        terminalreporter.line(f"FAILED {violation} ({times}x)", red=True)
    if len(found) > _SHOWN:
        terminalreporter.line(f"... and {len(found) - _SHOWN} more violations", red=True)


def _coverage(terminalreporter, run, *, verbose):
    served = run.findings.endpoints_with(lambda status: 200 <= status < 300)
    unserved = run.findings.endpoints_with(lambda status: status == 501) - served
    refused = run.findings.endpoints_with(lambda status: status != 501) - served - unserved
    states = [(served, "served"), (unserved, "answered 501"), (refused, "only refused")]
    counts = dict.fromkeys([*(name for _, name in states), "not asked"], 0)
    for endpoint in run.description.endpoints:
        state = next((name for group, name in states if endpoint in group), "not asked")
        counts[state] += 1
        if verbose:
            terminalreporter.line(f"{state:<12}  {endpoint}")
    table = ", ".join(f"{count} {name}" for name, count in counts.items())
    checked = f"{run.findings.exchanges} exchanges, {len(run.findings.violations)} violations"
    terminalreporter.line(f"{len(run.description.endpoints)} endpoints: {table}; {checked}")
