"""Git remotes: a bare repository reached by its path, and one served over HTTP by git's own `git http-backend`.

`git` and `clone` run git as a person would, apart from the machine's own configuration.
"""

import base64
import os
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

USER, PASSWORD = "robot", "canary-remote-password"
_IDENTITY = {
    "GIT_AUTHOR_NAME": "Ada Tester",
    "GIT_AUTHOR_EMAIL": "ada@example.invalid",
    "GIT_COMMITTER_NAME": "Ada Tester",
    "GIT_COMMITTER_EMAIL": "ada@example.invalid",
}


def git_environment(identity=True, **more):
    """The environment of a git that heeds no configuration of this machine; with an identity, unless told not to."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "GITHUB_"))}
    own = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "NO_PROXY": "127.0.0.1", "LC_ALL": "C"}
    return kept | own | (_IDENTITY if identity else {}) | more


def git(directory, *arguments, given=None, **more):
    """Run git in a directory and return what it printed, without the newline at the end. It must succeed."""
    done = subprocess.run(
        ["git", *arguments], cwd=directory, env=git_environment(**more), input=given, capture_output=True
    )
    assert done.returncode == 0, f"git {' '.join(map(str, arguments))}: {done.stderr.decode()}"
    return done.stdout.decode().rstrip("\n")


def clone(remote, directory, *options):
    """Clone a remote (its `url`) into a directory; return the directory."""
    git(Path(directory).parent, "clone", "--quiet", *options, remote.url, str(directory))
    return Path(directory)


def commit_files(directory, files, message="Change", push=False):
    """Write files (name -> text or bytes), commit them and return the commit's id; push it where that is wanted."""
    for name, content in files.items():
        path = Path(directory) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    git(directory, "add", "--force", "--", *files)
    git(directory, "commit", "--quiet", "--message", message)
    if push:
        git(directory, "push", "--quiet", "origin", "HEAD")
    return git(directory, "rev-parse", "HEAD")


def copy_clone(source, directory, remote):
    """Copy a clone and let its origin be another remote (its address): quicker than a new clone."""
    shutil.copytree(source, directory)
    git(directory, "remote", "set-url", "origin", str(remote))
    return Path(directory)


class BareRemote:
    """A bare repository `remote.git` in a directory, made where it is not there; `main` is its default branch.

    It is reached by its path.
    """

    def __init__(self, directory, *options):
        self.path = Path(directory) / "remote.git"
        if not self.path.exists():
            self.path.mkdir(parents=True)
            git(self.path, "init", "--quiet", "--bare", "--initial-branch=main", *options)
            git(self.path, "config", "http.receivepack", "true")

    @property
    def url(self):
        return str(self.path)

    def ref(self, name):
        """The id of a ref, empty where it is not there."""
        found = git(self.path, "for-each-ref", "--format=%(objectname)", name)
        return found.split("\n")[0]

    def refuse_pushes(self, sentence, ref="*"):
        """Have a pre-receive hook refuse every push to a ref (a shell pattern), with this sentence."""
        hook = self.path / "hooks" / "pre-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(
            f'#!/bin/sh\nwhile read old new ref; do case "$ref" in {ref}) echo "{sentence}" >&2; exit 1;; esac; done\n'
        )
        hook.chmod(0o755)

    def allow_pushes(self):
        """Take the hook of `refuse_pushes` away."""
        (self.path / "hooks" / "pre-receive").unlink()

    def close(self):
        """Nothing to end."""


class HttpRemote(BareRemote):
    """The same over HTTP on loopback; every request must have a user and a password (Basic).

    `url` has no credentials in it, `url_with_credentials` has. `authorizations` are the Authorization headers that
    came, one list for each request; `requests` are their methods and addresses.
    `status` other than 0 is what every request is answered with. While `gate` is cleared, requests whose address
    contains `holds` (at first all do) wait for it; `waiting` counts those. `drop_answers` is how many pushes are done
    and then not answered.
    """

    def __init__(self, directory, *options, user=USER, password=PASSWORD):
        super().__init__(directory, *options)
        self.user, self.password = user, password
        self.accepted = {_basic(user, password)}
        self.authorizations, self.requests = [], []
        self.status = 0
        self.drop_answers = 0
        self.gate = threading.Event()
        self.gate.set()
        self.holds, self.waiting = "", 0
        handler = type("Handler", (_Handler,), {"remote": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def address(self):
        """The server's root, without a slash at the end."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def url(self):
        return f"{self.address}/remote.git"

    @property
    def url_with_credentials(self):
        credentials = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}"
        return f"{self.url.replace('://', f'://{credentials}@')}"

    def accept_token(self, token):
        """Let GitHub's `x-access-token` in with this token too."""
        self.accepted.add(_basic("x-access-token", token))

    def close(self):
        self.gate.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _basic(user, password):
    return "basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):  # a git that was ended does not read its answer
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """Hands a request to `git http-backend` as a CGI program (RFC 3875)."""

    remote = None
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self._serve()

    def do_POST(self):
        self._serve()

    def _serve(self):
        remote, given = self.remote, self.headers.get_all("Authorization") or []
        body = self._body()
        remote.requests.append(f"{self.command} {self.path}")
        remote.authorizations.append(given)
        if remote.holds in self.path and not remote.gate.is_set():
            remote.waiting += 1
            remote.gate.wait()
            remote.waiting -= 1
        if len(given) > 1:
            return self._answer(400, b"Duplicate header: Authorization")
        if remote.status:
            return self._answer(remote.status, b"refused")
        if not given or _lower_scheme(given[0]) not in remote.accepted:
            return self._answer(401, b"who are you?", {"WWW-Authenticate": 'Basic realm="git"'})
        return self._backend(body)

    def _backend(self, body):
        path, _, query = self.path.partition("?")
        environment = git_environment(
            identity=False,
            GIT_PROJECT_ROOT=str(self.remote.path.parent),
            GIT_HTTP_EXPORT_ALL="1",
            PATH_INFO=path,
            QUERY_STRING=query,
            REQUEST_METHOD=self.command,
            CONTENT_TYPE=self.headers.get("Content-Type", ""),
            CONTENT_LENGTH=str(len(body)),
            HTTP_CONTENT_ENCODING=self.headers.get("Content-Encoding", ""),
            GIT_PROTOCOL=self.headers.get("Git-Protocol", ""),
            REMOTE_USER=self.remote.user,
            REMOTE_ADDR="127.0.0.1",
        )
        done = subprocess.run(["git", "http-backend"], env=environment, input=body, capture_output=True)
        if self.command == "POST" and path.endswith("/git-receive-pack") and self.remote.drop_answers:
            self.remote.drop_answers -= 1
            self.close_connection = True
            return
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self._answer(int(headers.pop("Status", "200").split()[0]), content, headers)

    def _body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _answer(self, status, content, headers=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


def _lower_scheme(header):
    scheme, _, credentials = header.partition(" ")
    return f"{scheme.lower()} {credentials}"
