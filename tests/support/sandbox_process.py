"""One sandbox as a process of its own, used over HTTP."""

import ctypes
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.support.memory import memory
from tests.support.plain_words import PROGRAM

_READY = "CLOUDFLARE_ACCOUNT_ID"
_DIES_WITH_PARENT = 1  # Linux: PR_SET_PDEATHSIG


@dataclass(frozen=True)
class Request:
    """A line of the request log. `status` is None until the answer, 0 if it was lost."""

    n: int
    method: str
    path: str
    status: int | None

    @property
    def is_write(self):
        return self.method != "GET"


def _end_with_the_tests():
    """End with the tests: an interrupted run kills busy processes of pytest-xdist, which cannot clean up."""
    ctypes.CDLL(None).prctl(_DIES_WITH_PARENT, signal.SIGTERM)


class SandboxProcess:
    """`reconciler sandbox up --empty`, with more options if given, until `close`."""

    def __init__(self, *options):
        # In a directory that every user can enter: as root, PostgreSQL runs as another user.
        self.directory = Path(tempfile.mkdtemp(prefix="rec-", dir=memory()))
        self.directory.chmod(0o755)
        self._said = self.directory / "stderr"
        with self._said.open("wb") as stderr:
            self._process = subprocess.Popen(
                [*PROGRAM, "sandbox", "up", "--empty", "--verbose",
                 "--dir", str(self.directory / "sandbox"), *options],
                stdout=subprocess.PIPE, stderr=stderr, text=True,
                preexec_fn=_end_with_the_tests if sys.platform == "linux" else None,  # noqa: PLW1509  it takes no lock
            )  # fmt: skip
        try:
            self.environment = self._read_exports()
        except BaseException:
            self._end()
            raise
        self.url = self.environment["NEON_API_HOST"].removesuffix("/api/v2")
        self.account = f"/accounts/{self.environment['CLOUDFLARE_ACCOUNT_ID']}"
        self._control = httpx.Client(base_url=f"{self.url}/sandbox", trust_env=False)
        self._neon = self._client("NEON_API_HOST", "NEON_API_KEY")
        self._cloudflare = self._client("CLOUDFLARE_API_BASE_URL", "CLOUDFLARE_API_TOKEN")

    def _read_exports(self):
        found = {}
        for line in self._process.stdout:
            name, _, value = line.strip().removeprefix("export ").partition("=")
            found[name] = value
            if name == _READY:
                return found
        raise AssertionError(f"the sandbox did not start: {self.said()}")

    def _client(self, address, secret):
        headers = {"Authorization": f"Bearer {self.environment[secret]}"}
        return httpx.Client(base_url=self.environment[address], headers=headers, trust_env=False, timeout=60)

    def close(self):
        for client in (self._control, self._neon, self._cloudflare):
            client.close()
        self._end()

    def _end(self):
        self._process.terminate()
        try:
            self._process.wait(30)
        finally:
            self._process.kill()
            self._process.stdout.close()
            shutil.rmtree(self.directory, ignore_errors=True)

    def said(self):
        """Its standard error: with --verbose, every unexpected exception."""
        return self._said.read_text()

    # The two APIs.

    def neon(self, method, path, **options):
        """Call Neon, repeatedly while the project is locked; return the JSON."""
        while True:
            answer = self._neon.request(method, path, **options)
            if answer.status_code != 423:
                break
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def is_idle(self, project):
        """Return whether a project has no unfinished operation."""
        operations = self.neon("GET", f"/projects/{project}/operations")["operations"]
        return not [each for each in operations if each["status"] in ("scheduling", "running")]

    def cloudflare(self, method, path, **options):
        """Call Cloudflare below the account; return the JSON of `result`."""
        answer = self._cloudflare.request(method, self.account + path, **options)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()["result"]

    def cloudflare_content(self, path):
        """Call Cloudflare for something that is not JSON; return the answer itself."""
        answer = self._cloudflare.get(self.account + path)
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
        return answer

    # The sandbox's own API.

    def requests(self):
        """The log since it was last cleared, oldest first."""
        entries = self._control.get("/requests").json()
        return [Request(each["n"], each["method"], each["path"], each["status"]) for each in entries]

    def writes(self):
        return [request for request in self.requests() if request.is_write]

    def forget_requests(self):
        self._control.delete("/requests").raise_for_status()

    def fault(self, action, method, path, *, nth=1, times=1):
        """Set a fault; `path` is a regular expression."""
        fault = {"method": method, "path": path, "nth": nth, "times": times, "action": action}
        answer = self._control.post("/faults", json=[fault])
        assert answer.is_success, answer.text

    def latency(self, table):
        answer = self._control.post("/latency", json=table)
        assert answer.is_success, answer.text

    def switch(self, half, **settings):
        answer = self._control.post("/switches", json={half: settings})
        assert answer.is_success, answer.text

    def switches(self):
        return self._control.get("/switches").json()

    def calm(self):
        """Remove all faults and latencies."""
        self._control.delete("/faults").raise_for_status()
        self._control.delete("/latency").raise_for_status()


def exactly(path):
    """A regular expression for one path."""
    return f"^{re.escape(path)}$"
