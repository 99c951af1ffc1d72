"""The check of a whole test run: every sandbox in it logs its exchanges, and a violation in them fails the run.

It needs the description of Neon's API. Without it the run reports that nothing was checked, and fails in CI. Each
process of pytest-xdist has its own exchange log, as some tests read the latest ones; the main process examines all.
"""

import os
import tempfile
from pathlib import Path

import pytest

from reconciler.sandbox.exchange_log import VARIABLE as EXCHANGE_LOG
from tests.conformance import description, exchanges, rules

_RUN = pytest.StashKey()
_DIRECTORY = "exchange_logs"
_SHOWN = 30


class Run:
    """The check of one run. `findings` are there at its end."""

    def __init__(self, path):
        self.description = description.read(path)
        self.findings = None
        self._directory = tempfile.TemporaryDirectory(prefix="reconciler-exchanges-")
        self.directory = Path(self._directory.name)
        self._part = Part(self.directory, "main")

    def examine(self):
        """Examine what was logged, and remove it."""
        self._part.end()
        self.findings = exchanges.examine(self.description, *self.directory.iterdir())
        self._directory.cleanup()


class Part:
    """The log of one process of the run."""

    def __init__(self, directory, name):
        log = Path(directory) / f"{name}.jsonl"
        log.touch(0o600)
        self._patch = pytest.MonkeyPatch()
        self._patch.setenv(EXCHANGE_LOG, str(log))

    def end(self):
        """Stop logging in new sandboxes."""
        self._patch.undo()


def is_ci():
    """Return whether nothing may be left out."""
    return os.environ.get("CI") == "true"


def pytest_configure(config):
    given = getattr(config, "workerinput", None)
    if given is not None:
        directory = given.get(_DIRECTORY)
        config.stash[_RUN] = Part(directory, given["workerid"]) if directory else None
        return
    path = description.path_of_description()
    config.stash[_RUN] = Run(path) if path else None


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    """Give a process of pytest-xdist the directory of the logs."""
    run = node.config.stash[_RUN]
    if run is not None:
        node.workerinput[_DIRECTORY] = str(run.directory)


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
    run = config.stash[_RUN]
    if run is None:
        outcome = "FAILED" if is_ci() else "SKIPPED"
        terminalreporter.line(f"{outcome}: {description.VARIABLE} does not say where the description is", red=True)
    else:
        _show_coverage(terminalreporter, run, verbose=config.get_verbosity() > 0)
        for violation, times in run.findings.violations.most_common(_SHOWN):
            terminalreporter.line(f"FAILED {violation} ({times}x)", red=True)
        if (more := len(run.findings.violations) - _SHOWN) > 0:
            terminalreporter.line(f"... and {more} more violations", red=True)
    terminalreporter.line(rules.summary(rules.read(rules.DOCUMENT.read_text())))


def _show_coverage(terminalreporter, run, *, verbose):
    served = run.findings.endpoints_with(lambda status: 200 <= status < 300)
    unserved = run.findings.endpoints_with(lambda status: status == 501) - served
    refused = run.findings.endpoints_with(lambda status: status != 501) - served - unserved
    states = [(served, "served"), (unserved, "answered 501"), (refused, "only refused")]
    counts = dict.fromkeys([*(name for _, name in states), "not called"], 0)
    for endpoint in run.description.endpoints:
        state = next((name for group, name in states if endpoint in group), "not called")
        counts[state] += 1
        if verbose:
            terminalreporter.line(f"{state:<12}  {endpoint}")
    table = ", ".join(f"{count} {name}" for name, count in counts.items())
    checked = f"{run.findings.exchanges} exchanges, {len(run.findings.violations)} violations"
    terminalreporter.line(f"{len(run.description.endpoints)} endpoints: {table}; {checked}")
