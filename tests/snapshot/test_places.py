"""Where a database is: nothing that is elsewhere is touched unless its host was named."""

import secrets
import shutil
import subprocess

import pytest

from reconciler.core.values.redaction import EVERYWHERE
from reconciler.errors import InputError
from reconciler.providers.postgres.place import Plain
from tests.support.plain_postgres import PASSWORD
from tests.support.plain_words import run_main

ELSEWHERE = "db.example.invalid"
CONNECTIONS = f"""
[engine]
active_service = "near"
[engine.service_destinations.near]
uri = "ssh://core@127.0.0.1:2222/run/podman/podman.sock"
[engine.service_destinations.far]
uri = "ssh://root@{ELSEWHERE}:22/run/podman/podman.sock"
"""


@pytest.fixture
def container_of(monkeypatch, capsys, tmp_path):
    """Asks for a snapshot of a container, and returns what was said."""
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "CONTAINER_HOST", "CONTAINER_CONNECTION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)

    def ask(*words):
        status, _, stderr = run_main(monkeypatch, capsys, "snapshot", "create", "--container", "shop", *words)
        assert status == 1
        return stderr

    return ask


def needs(engine):
    return pytest.mark.skipif(shutil.which(engine) is None, reason=f"{engine} is not installed")


def see_that_it_must_be_named(container_of, engine):
    said = container_of()
    assert f"{engine} works on {ELSEWHERE}, which is not this machine" in said
    assert f"hint: snapshots are for local databases; if you mean it: --host-is {ELSEWHERE}" in said
    assert "is not this machine" not in container_of("--host-is", ELSEWHERE)
    assert f"{engine} works on {ELSEWHERE}" in container_of("--host-is", "other.example.invalid")


@needs("docker")
def test_docker_hosts_from_variables_must_be_named(container_of, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", f"tcp://{ELSEWHERE}:2375")
    see_that_it_must_be_named(container_of, "docker")


@needs("docker")
def test_docker_contexts_must_be_named(container_of, monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    for words in (["create", "far", "--docker", f"host=tcp://{ELSEWHERE}:2375"], ["use", "far"]):
        subprocess.run(["docker", "context", *words], check=True, capture_output=True)
    see_that_it_must_be_named(container_of, "docker")


@needs("docker")
@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:1", "tcp://LOCALHOST:1", "tcp://[::1]:1", "unix:///no/such"])
def test_local_docker_is_used_however_written(container_of, monkeypatch, endpoint):
    monkeypatch.setenv("DOCKER_HOST", endpoint)
    assert "is not this machine" not in container_of()


@needs("podman")
def test_podman_hosts_from_variables_must_be_named(container_of, monkeypatch):
    monkeypatch.setenv("CONTAINER_HOST", f"tcp://{ELSEWHERE}:8080")
    see_that_it_must_be_named(container_of, "podman")


@needs("podman")
def test_podman_connections_must_be_named(container_of, monkeypatch, tmp_path):
    (tmp_path / "containers.conf").write_text(CONNECTIONS)
    monkeypatch.setenv("CONTAINERS_CONF", str(tmp_path / "containers.conf"))
    monkeypatch.setenv("CONTAINER_CONNECTION", "near")
    assert "is not this machine" not in container_of()
    monkeypatch.setenv("CONTAINER_CONNECTION", "far")
    see_that_it_must_be_named(container_of, "podman")


@pytest.mark.parametrize("host", ["", "localhost", "LOCALHOST", "127.1.2.3", "[::1]"])
def test_this_machine_has_several_names(host):
    assert Plain.of(f"postgresql://{host}/shop", None).settings["PGDATABASE"] == "shop"


def test_a_socket_directory_is_a_host():
    settings = Plain.of("postgresql:///shop?host=/tmp&schema=public", None).settings
    assert settings == {"PGHOST": "/tmp", "PGDATABASE": "shop"}


def test_a_plus_stays_a_plus():
    assert Plain.of("postgresql://localhost/shop?schema=a&user=a+b%20c", None).settings["PGUSER"] == "a+b c"


@pytest.mark.parametrize("address", ["service=prod dbname=shop", "postgresql:///shop?service=prod"])
def test_a_service_is_refused(address):
    with pytest.raises(InputError, match="names a service, and its host is not known here"):
        Plain.of(address, None)


def without_password(desk):
    return f"postgresql://postgres@127.0.0.1:{desk.server.port}/{desk.name}"


def test_an_exported_password_is_used(plain_desk, monkeypatch):
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    monkeypatch.setenv("PGHOST", ELSEWHERE)
    status, _, stderr = plain_desk.without_place("create", "--database-url", without_password(plain_desk))
    assert status == 0, stderr


def test_a_password_that_was_exported_is_never_said(monkeypatch):
    exported = secrets.token_hex(8)
    monkeypatch.setenv("PGPASSWORD", exported)
    assert Plain.of("postgresql://localhost/shop", None).settings["PGPASSWORD"] == exported
    assert exported not in EVERYWHERE(f"it is {exported}")


def test_an_exported_password_file_is_used(plain_desk, monkeypatch, tmp_path):
    passwords = tmp_path / "passwords"
    passwords.write_text(f"127.0.0.1:{plain_desk.server.port}:*:postgres:{PASSWORD}\n")
    passwords.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(passwords))
    status, _, stderr = plain_desk.without_place("create", "--database-url", without_password(plain_desk))
    assert status == 0, stderr


def test_the_addresss_password_comes_first(plain_desk, monkeypatch):
    monkeypatch.setenv("PGPASSWORD", "some-other-password")
    plain_desk.do("create")
