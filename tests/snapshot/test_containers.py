"""What is run in a container: it stays with the server there, ends when we do, and leaves nothing behind."""

import os
import signal
import subprocess

import pytest

from tests.snapshot.test_faults import started
from tests.support import plain_postgres
from tests.support.plain_words import check_words
from tests.support.waiting import eventually

# As in the container of an application, which is told where its database is.
ELSEWHERE = ("-e", "PGHOST=db.example.invalid", "-e", "PGHOSTADDR=192.0.2.1", "-e", "PGSERVICE=elsewhere")
SMALL = ("--tmpfs", "/small:size=2m,mode=1777", "-e", "TMPDIR=/small")


@pytest.fixture(scope="session")
def awkward():
    if plain_postgres.image() is None:
        pytest.skip("RECONCILER_TEST_POSTGRES_IMAGE names no image: see .ci/postgres-image")
    with plain_postgres.server_in_container(plain_postgres.image(), *ELSEWHERE, *SMALL) as server:
        yield server


@pytest.fixture
def awkward_desk(make_desk, awkward):
    return make_desk(awkward)


def inside(server, script):
    command = ["podman", "exec", server.container, "sh", "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def held(awkward):
    """Lets pg_restore be held before it connects, and tells whether it is there."""
    inside(
        awkward,
        "mkfifo /tmp/gate; rm /usr/local/bin/pg_restore; "
        "printf '#!/bin/sh\\nread go < /tmp/gate\\nexec /usr/lib/postgresql/15/bin/pg_restore \"$@\"\\n' "
        "> /usr/local/bin/pg_restore; chmod +x /usr/local/bin/pg_restore",
    )
    yield lambda: "/usr/local/bin/pg_restore" in inside(awkward, "cat /proc/[0-9]*/cmdline 2> /dev/null || true")
    inside(awkward, "rm /tmp/gate; ln -sf /usr/lib/postgresql/15/bin/pg_restore /usr/local/bin/pg_restore")


def test_a_containers_foreign_variables_are_ignored(awkward_desk):
    before = awkward_desk.everything()
    awkward_desk.do("create")
    awkward_desk.execute('drop table "Listing" cascade')
    awkward_desk.do("restore")
    assert awkward_desk.everything() == before


@pytest.mark.parametrize("words", [(), ("--in-place",)])
def test_an_interrupted_pg_restore_never_connects(awkward_desk, held, words):
    awkward_desk.do("create")
    awkward_desk.execute('truncate "Other Schema"."Click"')
    before = awkward_desk.everything()
    with started(awkward_desk, "restore", *words) as process:
        eventually(held, "pg_restore in the container")
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    check_words(stdout, stderr)
    assert process.returncode == 130
    assert not held()
    assert awkward_desk.names() == {""}
    assert awkward_desk.everything() == before


def test_a_killed_clients_pg_restore_ends(awkward_desk, held):
    awkward_desk.do("create")
    with started(awkward_desk, "restore") as process:
        eventually(held, "pg_restore in the container")
        os.kill(client_of(process), signal.SIGKILL)
        stdout, stderr = process.communicate(timeout=60)
    check_words(stdout, stderr)
    assert "pg_restore failed at podman container" in stderr
    assert not held()
    assert awkward_desk.names() == {""}


def client_of(process):
    """The process of Podman that waits for pg_restore."""
    command = ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(process.pid)]
    table = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    (found,) = [line.split()[0] for line in table.splitlines() if " pg_restore " in line]
    return int(found)


def test_a_full_temporary_directory_is_an_error(awkward_desk):
    awkward_desk.do("create")
    inside(awkward_desk.server, "cat /dev/zero > /small/full 2> /dev/null || true")
    try:
        status, _, stderr = awkward_desk("restore")
        assert inside(awkward_desk.server, "ls -A /small").split() == ["full"]
    finally:
        inside(awkward_desk.server, "rm /small/full")
    assert status == 1
    assert "No space left on device; the snapshot could not be put into the temporary directory" in stderr
    assert "hint: make room in /tmp of the container" in stderr
