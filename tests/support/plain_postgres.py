"""PostgreSQL servers of their own: from the programs of this machine, or in a container."""

import os
import secrets
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager

import psycopg
from psycopg.conninfo import make_conninfo

from reconciler.sandbox.postgres.installation import environment, find_installation

PASSWORD = "canary-of-a-snapshot"
_LONGEST_SECONDS = 60


class Server:
    """A running server. `options` are the options of `reconciler snapshot` for it."""

    def __init__(self, port, container=None):
        self.port = port
        self.container = container

    def uri(self, database):
        return f"postgresql://postgres:{PASSWORD}@127.0.0.1:{self.port}/{database}?schema=public"

    def options(self, database):
        if self.container is None:
            return "--database-url", self.uri(database)
        return "--container", self.container, "--database", database

    def connect(self, database="postgres"):
        settings = {"host": "127.0.0.1", "port": self.port, "user": "postgres", "password": PASSWORD}
        return psycopg.connect(make_conninfo(dbname=database, **settings), autocommit=True)

    def names(self):
        """The names of the databases."""
        with self.connect() as connection:
            return {name for (name,) in connection.execute("select datname from pg_database")}

    def busy(self):
        """The number of connections of `reconciler snapshot`."""
        with self.connect() as connection:
            query = "select count(*) from pg_stat_activity where application_name like 'reconciler-snapshot%'"
            return connection.execute(query).fetchone()[0]


@contextmanager
def plain_server(place):
    """A new cluster under `place`, which the user that runs PostgreSQL must be able to enter."""
    installation = find_installation(place)
    data = place / "data"
    data.mkdir()
    installation.hand_over(data)
    common = {"env": environment(), "cwd": "/", **installation.identity()}
    password = place / "password"
    password.write_text(PASSWORD)
    password.chmod(0o644)
    initdb = [installation.program("initdb"), "--locale=C", "--encoding=UTF8", "--no-sync"]
    arguments = ["-D", str(data), "-U", "postgres", "-A", "scram-sha-256", f"--pwfile={password}"]
    subprocess.run([*initdb, *arguments], check=True, capture_output=True, **common)
    port = _free_port()
    settings = ["-c", "listen_addresses=127.0.0.1", "-c", f"port={port}", "-c", "unix_socket_directories=", "-F"]
    with (place / "log").open("wb") as log:
        process = subprocess.Popen([installation.program("postgres"), "-D", str(data), *settings], stderr=log, **common)
    try:
        yield _answering(Server(port))
    finally:
        process.terminate()
        process.wait()


@contextmanager
def server_in_container(image, *more):
    """A new container with a cluster that trusts local logins. `more` are options of `podman run`."""
    name, port = f"reconciler-test-{secrets.token_hex(4)}", _free_port()
    script = (
        "set -e; echo $POSTGRES_PASSWORD > /tmp/password; ln -s /usr/lib/postgresql/15/bin/* /usr/local/bin/; "
        "mkdir -p /var/run/postgresql; chown postgres /tmp/password /var/run/postgresql; "
        'as="setpriv --reuid=postgres --regid=postgres --init-groups"; '
        "$as initdb -D /tmp/data -U postgres --auth-local=trust --auth-host=scram-sha-256 --pwfile=/tmp/password "
        "--locale=C --encoding=UTF8 --no-sync > /dev/null; "
        f"exec $as postgres -D /tmp/data -F -p {port} -c listen_addresses=127.0.0.1 "
        "-c unix_socket_directories=/tmp,/var/run/postgresql"
    )
    limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]
    given = ["-e", f"POSTGRES_PASSWORD={PASSWORD}", "-e", f"PGPORT={port}", "-e", "PGHOST=/tmp"]
    command = ["podman", "run", "-d", "--rm", "--runtime", "runc", "--network", "host", *limits, *given, *more]
    subprocess.run([*command, "--name", name, image, "sh", "-c", script], check=True, capture_output=True)
    try:
        yield _answering(Server(port, name))
    finally:
        subprocess.run(["podman", "rm", "-f", "-t", "0", name], check=True, capture_output=True)


def image():
    """The image that CI has made; None if there is none."""
    name = os.environ.get("RECONCILER_TEST_POSTGRES_IMAGE")
    return name if name and shutil.which("podman") else None


def _free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def _answering(server):
    until = time.monotonic() + _LONGEST_SECONDS
    while True:
        try:
            server.connect().close()
            return server
        except psycopg.OperationalError:
            assert time.monotonic() < until, "the server does not answer"
            time.sleep(0.1)
