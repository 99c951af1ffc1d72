"""What a person reads: the plan in its three forms, the help, the schema."""

import io
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.cli.console.progress import Progress
from reconciler.cli.main import COMMANDS
from reconciler.core.model.desired import Restore
from reconciler.core.plan.plan import plan
from reconciler.engine.events import LooksAgain, StepDropped, StepStarted
from tests.core.files import DESIRED, asking, hours_ago
from tests.core.worlds import WORLD
from tests.support.plain_words import run_here, run_program

ROOT = Path(__file__).parents[2]
ASKED = asking(Restore(hours_ago(24), "inc-42", "migration 0042 dropped Listing"))


def test_a_repeated_look_says_why(capsys):
    with Progress() as progress:
        progress.report(LooksAgain('a Hyperdrive config named "x" exists', 30.0))
    assert capsys.readouterr().err.endswith(
        '?   a Hyperdrive config named "x" exists: a list that lags behind looks the same, so it is read again, '
        "for 30 s at most\n"
    )


def test_a_dropped_step_leaves_the_screen(monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr("sys.stderr", terminal)
    step = plan(ASKED, WORLD).steps[0]
    with Progress() as progress:
        progress.report(StepStarted(step))
        progress.report(StepDropped(step))
        assert progress._bars.tasks == []
    assert "not done and no longer needed" in terminal.getvalue()


def test_every_step_has_a_sentence_a_target_and_a_phase():
    hold = replace(DESIRED.primary, restore=ASKED.primary.restore)
    for step in plan(replace(ASKED, primary=hold), WORLD).steps:
        assert step.describe()
        assert step.target
        assert step.phase


def test_help_answers_without_loading_what_only_commands_need():
    code = (
        "import sys\nfrom reconciler.cli.main import group\n"
        "try: group.main(['--help'])\nexcept SystemExit: pass\n"
        "print(sorted({'httpx', 'psycopg', 'git', 'pydantic', 'rich', 'stamina', 'aiohttp'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]" == answer.stdout.splitlines()[-1]
    for name in COMMANDS:
        assert f"  {name} " in answer.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_is_in_the_readme(name):
    answer = run_here(name, "--help", cwd=ROOT, env={})
    assert (0, "") == (answer.returncode, answer.stderr)
    described = f"`reconciler {name}" in (ROOT / "README.md").read_text()
    assert described, "add it to the README's table of commands"


def test_the_committed_schema_is_the_printed_one():
    answer = run_program("schema", check=True)
    assert (ROOT / "desired-state" / "schema.json").read_text() == answer.stdout


def test_the_files_of_this_repository_are_right():
    answer = run_program("validate", cwd=ROOT)
    assert (0, "production: right, asks for origin\n") == (answer.returncode, answer.stdout)


def test_a_plan_starts_without_what_only_gates_need():
    """PostgreSQL's client was a fifth of the time until the first request."""
    code = "import reconciler.cli.plan, sys; print('psycopg' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "False\n"
