"""The composite action: what it installs, what it runs, and how that ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.cli.ci.action_command import arguments, exit_status
from tests.support import package_cache
from tests.support.command import heed_interrupts
from tests.support.plain_words import run_main
from tests.workflows.files import action, action_step, copy_project

BASH = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c"]
NASTY = "a b; $(touch owned) `touch owned` \"' --pr"


@pytest.mark.parametrize(
    ("expected", "inputs"),
    [
        (["ci", "apply", "--environment=production"], {"command": "ci apply", "environment": "production"}),
        (["rollback", "--pr", "--", "production"], {"command": "rollback --pr", "environment": "production"}),
        (["ci", "plan", "--root=x", "--pull-request=7"], {"command": "ci plan", "root": "x", "pull-request": "7"}),
        (["ci", "plan", "--output=plan.md"], {"command": "ci plan", "output": "plan.md", "environment": ""}),
        (["rollback", "--to-timeline=origin"], {"command": "rollback", "to-timeline": "origin"}),
        (["restore", "--to=10 minutes ago", "--id=7"], {"command": "restore", "to": "10 minutes ago", "id": "7"}),
        (["restore", f"--reason={NASTY}", "--", "--help"],
         {"command": "restore", "reason": NASTY, "environment": "--help"}),
        (["drill", "--destroy=truncate:My Clicks", "--destroy=drop-role", "--", "production"],
         {"command": "drill", "environment": "production", "destroy": "truncate:My Clicks,drop-role"}),
        (["drill", "--all"], {"command": "drill", "destroy": "all"}),
        (["drill", "--clean"], {"command": "drill --clean", "destroy": ""}),
    ],
)  # fmt: skip
def test_each_input_is_one_argument(expected, inputs):
    assert expected == arguments(inputs)


@pytest.mark.parametrize(
    ("expected", "words"), [([0, 1, 0, 3], ["ci", "drift"]), ([0, 1, 2, 3], ["drill", "--", "production"])]
)
def test_changes_pending_fail_only_a_drill(expected, words):
    assert expected == [exit_status(words, status) for status in range(4)]


@pytest.mark.parametrize(
    ("expected", "command", "said"),
    [(0, "--version", "reconciler "), (1, "", "input command is empty"), (1, "ci nothing", "No such command")],
)
def test_the_command_of_the_input_is_run(monkeypatch, capsys, expected, command, said):
    monkeypatch.setenv("INPUT_COMMAND", command)
    status, stdout, stderr = run_main(monkeypatch, capsys, "ci", "action")
    assert expected == status
    assert said in stdout + stderr


def test_every_input_of_the_action_reaches_the_command():
    handed_on = {name for name in action_step("run")["env"] if name.startswith("INPUT_")}
    not_options = {"github-token", "neon-api-key", "neon-api-host", "wrangler"}
    expected = {name for name in action()["inputs"] if name not in not_options and "cloudflare" not in name}
    assert {f"INPUT_{name.upper().replace('-', '_')}" for name in expected} == handed_on


_TIDY = """\
#!%s
import signal

signal.pthread_sigmask(signal.SIG_BLOCK, {%d})
print("begun", flush=True)
signal.sigwait({%d})
print("tidied up", flush=True)
raise SystemExit(7)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_the_command(tmp_path, number):
    program = tmp_path / "reconciler"
    program.write_text(_TIDY % (sys.executable, number, number))
    program.chmod(0o755)
    variables = {"PATH": "/usr/bin:/bin", "PROGRAM": str(program)}
    process = subprocess.Popen(
        [*BASH, action_step("run")["run"]], env=variables, stdout=subprocess.PIPE, text=True,
        preexec_fn=heed_interrupts,  # noqa: PLW1509  it takes no lock
    )  # fmt: skip
    assert process.stdout.readline() == "begun\n"
    process.send_signal(number)
    assert process.communicate(timeout=20)[0] == "tidied up\n"
    assert process.returncode == 7


def test_the_action_installs_its_own_version_once(tmp_path):
    """That of the commit that is named, without anything from the package index that pyproject.toml does not name."""
    source, output = tmp_path / "source", tmp_path / "output"
    source.mkdir()
    copy_project(source)
    marked = source / "reconciler/__init__.py"
    marked.write_text(marked.read_text() + '\n__version__ = "1.2.3.of.that.commit"\n')
    variables = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "PIP_NO_BUILD_ISOLATION": "0", "PIP_NO_INDEX": "1",
        "GITHUB_ACTION_PATH": str(source / ".github/actions/reconciler"), "GITHUB_OUTPUT": str(output),
        "RUNNER_TEMP": str(tmp_path / "temp"), "PYTHON": str(package_cache.python(tmp_path / "tools")),
    }  # fmt: skip
    (tmp_path / "temp").mkdir()
    for _ in range(2):
        subprocess.run([*BASH, action_step("install")["run"]], env=variables, check=True, stdout=subprocess.DEVNULL)
    first, second = (line.removeprefix("program=") for line in output.read_text().splitlines())
    assert first == second
    assert len(list((tmp_path / "temp").iterdir())) == 1
    said = subprocess.run([first, "--version"], env=variables, capture_output=True, text=True, check=True).stdout
    assert said == "reconciler 1.2.3.of.that.commit\n"
    for name, found in (("click", 0), ("psycopg", 0), ("pytest", 1), ("aiohttp", 1)):
        assert found == _imports(Path(first).parent / "python", name)


def _imports(python, name):
    return subprocess.run([python, "-I", "-c", f"import {name}"], capture_output=True).returncode
