"""What may go wrong with snapshots: nothing half stays, nothing goes on, and what is live stays live."""

import json
import os
import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.command import heed_interrupts
from tests.support.plain_words import PROGRAM, check_words
from tests.support.waiting import eventually


@contextmanager
def started(desk, verb, *words):
    """Start it as a person does, in a group of its own, and wait for its end."""
    command = [*PROGRAM, "snapshot", verb, *desk.options, *words]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,  # noqa: PLW1509  it takes no lock
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_dump_leaves_nothing(desk, number):
    with desk.server.connect(desk.name) as holding:
        holding.execute('begin; lock table "Listing" in access exclusive mode')
        with started(desk, "create") as process:
            eventually(lambda: desk.server.busy() == 2, "pg_dump and what counts the rows")
            process.send_signal(number)
            stdout, stderr = process.communicate(timeout=60)
        check_words(stdout, stderr)
        assert process.returncode == 130
        desk.see_nothing_running()
    assert desk.files() == []


def test_an_interrupted_restore_changes_nothing(plain_desk):
    before = plain_desk.everything()
    plain_desk.do("create")
    with started(plain_desk, "restore") as process:
        eventually(lambda: len(plain_desk.names()) == 2, "the database that it is restored into")
        process.send_signal(signal.SIGTERM)
        stdout, stderr = process.communicate(timeout=60)
    check_words(stdout, stderr)
    assert process.returncode == 130
    assert plain_desk.names() == {""}
    assert plain_desk.everything() == before
    plain_desk.see_nothing_running()


def test_a_damaged_dump_is_not_restored(plain_desk):
    path = Path(plain_desk.do("create").strip())
    path.write_bytes(path.read_bytes()[:-10])
    status, _, stderr = plain_desk("restore")
    assert status == 1
    assert "is not what it was" in stderr
    assert plain_desk.names() == {""}


def test_a_wrong_snapshot_never_goes_live(plain_desk):
    path = Path(plain_desk.do("create").strip())
    beside = Path(f"{path}.json")
    manifest = json.loads(beside.read_text())
    next(each for each in manifest["contents"]["tables"] if each["rows"] == 302)["checksum"] = "1"
    beside.write_text(json.dumps(manifest))
    before = plain_desk.everything()
    status, _, stderr = plain_desk("restore")
    assert status == 1
    assert 'table public."Listing" has its 302 rows, and not all hold what they held' in stderr
    assert plain_desk.everything() == before
    assert plain_desk.names() == {""}
    status, stdout, _ = plain_desk("verify")
    assert status == 1
    assert "not all hold what they held" in stdout


def test_a_host_that_is_elsewhere_must_be_named(plain_desk, monkeypatch, capsys):
    from tests.support.plain_words import run_main

    url = "postgresql://ada:canary-password@db.example.com/shop"
    status, _, stderr = run_main(monkeypatch, capsys, "snapshot", "create", "--database-url", url)
    assert status == 1
    assert "db.example.com is not this machine" in stderr
    assert "hint: if you mean it: --host-is db.example.com" in stderr
    assert "canary-password" not in stderr
    other = run_main(monkeypatch, capsys, "snapshot", "create", "--database-url", url, "--host-is", "localhost")
    assert other[0] == 1


def test_an_older_pg_dump_is_an_error(plain_desk, monkeypatch, tmp_path):
    old = tmp_path / "old"
    old.mkdir()
    from reconciler.providers.postgres.programs import any_programs

    for name in ("psql", "pg_restore"):
        (old / name).symlink_to(any_programs() / name)
    (old / "pg_dump").write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 14.9'\n")
    (old / "pg_dump").chmod(0o755)
    monkeypatch.setenv("RECONCILER_PG_BIN", str(old))
    status, _, stderr = plain_desk("create")
    assert status == 1
    assert "18 or newer are needed, as the server at 127.0.0.1" in stderr
    assert f"found: 14 in {old}" in stderr
    assert "postgresql-client-18" in stderr


def test_a_password_is_no_argument_of_any_program(desk):
    with desk.server.connect(desk.name) as holding:
        holding.execute('begin; lock table "Listing" in access exclusive mode')
        with started_by_environment(desk) as process:
            eventually(lambda: desk.server.busy() == 2, "pg_dump and what counts the rows")
            table = subprocess.run(["ps", "-axwwo", "args="], capture_output=True, text=True, check=True).stdout
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)
    # What was typed by whoever started reconciler, as other tests do meanwhile with a URL, is not of its making.
    made = [line for line in table.splitlines() if " -m reconciler " not in line]
    assert any("pg_dump --format=custom" in line for line in made)
    assert [line for line in made if "canary-of-a-snapshot" in line] == []


@contextmanager
def started_by_environment(desk):
    options = ["--directory", str(desk.directory)]
    variables = {**os.environ, "DATABASE_URL": desk.server.uri(desk.name)}
    if desk.server.container:
        options += desk.server.options(desk.name)
    command = [*PROGRAM, "snapshot", "create", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=variables)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_an_unknown_container_is_an_error(monkeypatch, capsys):
    from tests.support.plain_words import run_main

    status, _, stderr = run_main(monkeypatch, capsys, "snapshot", "create", "--container", "no-such-container")
    assert status == 1
    assert "no container no-such-container runs here (docker" in stderr
