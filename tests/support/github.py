"""A GitHub on loopback for one repository, which judges every request by GitHub's own description of its API.

server = GitHubServer(require(), token="…", repository="acme/shop", bare=path)
environment = {"GITHUB_API_URL": server.url, "GITHUB_TOKEN": server.token, "GITHUB_REPOSITORY": server.repository}
…
server.close()
assert server.violations == []
"""

import json
import re
import threading
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.support.github_endpoints import ENDPOINTS, Call
from tests.support.github_faults import DONE, Fault, Injected
from tests.support.github_repository import BareRepository
from tests.support.github_shapes import Shapes
from tests.support.github_state import BOT, Refused, State

__all__ = ["Fault", "GitHubServer"]

_PERSON = "rita"
_HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
# Of a long list, so many things are judged: each takes milliseconds.
_JUDGED = 3


@dataclass(frozen=True)
class Login:
    """Who a token is, and what it may do: {"issues": "write"} as in a workflow; None is everything."""

    login: str
    permissions: dict | None


@dataclass(frozen=True)
class Request:
    """A request as it came, and the status that it was answered with; 0 where the answer was dropped."""

    method: str
    path: str
    query: str
    body: str
    status: int


class GitHubServer:
    """One repository, "owner/name". `bare` is the path of the bare repository that pull requests are about."""

    def __init__(self, description, token="token-of-a-workflow", repository="acme/shop", bare=None, permissions=None):
        self._description = description
        self.token, self.repository = token, repository
        self.logins = {token: Login(BOT, permissions)}
        self.state = State(repository, BareRepository(bare) if bare else None)
        self.violations, self.requests = [], []
        self.forbids_pull_requests = False
        # Branches that are protected, and branches that rules apply to.
        self.protected, self.ruled = set(), set()
        self._faults, self._lock = [], threading.RLock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.shapes = Shapes(description, repository, self.url)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def url(self):
        """What GITHUB_API_URL is to be."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def environment(self):
        """The variables with which it is found."""
        return {"GITHUB_API_URL": self.url, "GITHUB_TOKEN": self.token, "GITHUB_REPOSITORY": self.repository}

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def admit(self, token, login=BOT, permissions=None):
        """Let a second token in: a person's, or that of a job with these permissions."""
        self.logins[token] = Login(login, permissions)

    def inject(self, fault, method="POST", path="", times=1, **headers):
        """Let a fault happen to the next requests whose path has `path` in it, a regular expression."""
        named = {name.replace("_", "-"): str(value) for name, value in headers.items()}
        self._faults.append(Injected(fault, method, re.compile(path), times, named))

    # What it knows

    def comments(self, number):
        with self._lock:
            return [each for each in self.state.comments if each.number == number]

    def statuses(self, commit):
        """Give the statuses of a commit, the oldest first."""
        with self._lock:
            return [each for each in self.state.statuses if each.commit == commit]

    def deployments(self):
        with self._lock:
            return list(self.state.deployments)

    def issues(self):
        with self._lock:
            return [each for each in self.state.issues if each not in self.state.pulls()]

    def pulls(self):
        """Give the pull requests, as the branches are now."""
        with self._lock:
            self.state.refresh()
            return self.state.pulls()

    def pull(self, number):
        return next(each for each in self.pulls() if each.number == number)

    def writes(self):
        return [each for each in self.requests if each.method != "GET"]

    def received(self):
        """Give all that was sent, but for the header with the token: what is to hold no secret."""
        return "\n".join(unquote(f"{each.method} {each.path}?{each.query} {each.body}") for each in self.requests)

    # What people do

    def open_pull(self, head, base="main", title="a change", body="", author=_PERSON, repository=""):
        """Open a pull request, as a person would, of this repository's branch or a fork's. Gives its number."""
        with self._lock:
            fields = {"head": head, "base": base, "title": title, "body": body}
            return self.state.add_pull(author, fields, repository).number

    def open_issue(self, title, body="", labels=(), author=_PERSON):
        with self._lock:
            return self.state.add_issue(author, title, body, labels).number

    def comment(self, number, body, author=_PERSON):
        with self._lock:
            return self.state.add_comment(author, number, body)

    def merge(self, number, *, delete_branch=False):
        """Merge a pull request, as a person would. Gives the id of the commit that the base branch is at then."""
        with self._lock:
            commit = self.state.merge(number)
            if delete_branch:
                self.state.bare.set(f"refs/heads/{self.state.pull(number).head}", "")
            return commit

    def merge_commit(self, number):
        """Bring refs/pull/N/merge up to date and give its id, which a workflow on a pull request checks out."""
        return self.pull(number).merge_commit

    def start_deployment(self, environment, commit, ref="main"):
        """Make the deployment that GitHub makes when a job with an `environment:` begins. Gives its id."""
        with self._lock:
            call = Call(self, BOT, {}, {"ref": ref, "environment": environment})
            made = ENDPOINTS["POST", "/repos/{owner}/{repo}/deployments"][0](call)
            self.state.deployments[-1].commit = commit
            return made["id"]

    def pull_request_event(self, number, action="opened"):
        """Give what a workflow finds in GITHUB_EVENT_PATH."""
        pull = self.pull(number)
        shape = self.shapes.pull(pull)
        return {"action": action, "number": number, "pull_request": shape, "repository": self._repository()}

    def push_event(self, before, after, branch="main"):
        """Give what a workflow finds in GITHUB_EVENT_PATH."""
        ref = {"ref": f"refs/heads/{branch}", "before": before, "after": after}
        return {**ref, "repository": self._repository(), "head_commit": {"id": after}}

    def _repository(self):
        return self.shapes.repository(self.state.default_branch)

    # Answering

    def answer(self, method, target, headers, text):
        """Give status, headers and body of the answer; None where the connection is to be dropped."""
        with self._lock:
            parts = urlsplit(target)
            answer = self._with_fault(method, parts, headers, text)
            status = answer[0] if answer else 0
            self.requests.append(Request(method, parts.path, parts.query, text, status))
            return answer

    def _with_fault(self, method, parts, headers, text):
        injected = next((each for each in self._faults if each.hits(method, parts.path)), None)
        if injected is None:
            return self._answer(method, parts, headers, text)
        injected.times -= 1
        if injected.fault in DONE:
            self._answer(method, parts, headers, text)
        return injected.answer()

    def _answer(self, method, parts, headers, text):
        try:
            return self._served(method, parts, headers, text)
        except Refused as refused:
            return refused.status, {}, refused.body

    def _served(self, method, parts, headers, text):
        login = self.logins.get(headers.get("Authorization", "").removeprefix("Bearer "))
        if login is None:
            raise Refused(401, "Bad credentials")
        path = unquote(parts.path)
        found = self._description.find(method, path)
        if found is None or (method, found.path) not in ENDPOINTS:
            self._violated(method, path, ["there is no such endpoint" if found is None else "it is not served here"])
            raise Refused(404, "Not Found")
        body = self._judged(found, parts, headers, text)
        function, status, needs = ENDPOINTS[method, found.path]
        _permit(login, needs, method)
        variables = found.pattern.fullmatch(path).groupdict()
        if "owner" in variables and f"{variables.pop('owner')}/{variables.pop('repo')}" != self.repository:
            raise Refused(404, "Not Found")
        self.state.refresh()
        query = dict(parse_qsl(parts.query))
        result = function(Call(self, login.login, query, body), **variables)
        judged = result[:_JUDGED] if isinstance(result, list) else result
        self._violated(method, path, [f"the answer {each}" for each in found.judge_answer(status, judged)])
        return (status, *self._paged(result, parts.path, query))

    def _judged(self, found, parts, headers, text):
        wrong = [
            f"the header {name} is {headers.get(name)}"
            for name, value in _HEADERS.items()
            if headers.get(name) != value
        ]
        wrong += [] if headers.get("User-Agent") else ["the header User-Agent is missing"]
        body = json.loads(text) if text else None
        wrong += found.judge_request(unquote(parts.path), parts.query, body)
        self._violated(found.method, parts.path, wrong)
        if wrong:
            raise Refused(
                422, "Validation Failed", *({"resource": "?", "code": "invalid", "message": each} for each in wrong)
            )
        return body

    def _violated(self, method, path, wrong):
        self.violations += [f"{method} {path}: {each}" for each in wrong]

    def _paged(self, result, path, query):
        if not isinstance(result, list):
            return {}, result
        size, page = int(query.get("per_page", 30)), int(query.get("page", 1))
        link = {"Link": f'<{self.url}{path}?page={page + 1}>; rel="next"'} if len(result) > page * size else {}
        return link, result[(page - 1) * size : page * size]


def _permit(login, needs, method):
    if login.permissions is None or not needs:
        return
    granted = {login.permissions.get(name, "none") for name in needs}
    if not granted & ({"read", "write"} if method == "GET" else {"write"}):
        raise Refused(403, "Resource not accessible by integration")


def _handler(server):
    class Handler(BaseHTTPRequestHandler):
        def answer(self):
            length = int(self.headers.get("Content-Length", 0))
            text = self.rfile.read(length).decode()
            answer = server.answer(self.command, self.path, self.headers, text)
            if answer is None:
                return
            status, headers, body = answer
            content = b"" if body is None else json.dumps(body).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            with suppress(ConnectionError):
                self.wfile.write(content)

        def log_message(self, *arguments):
            pass

    for method in ("GET", "POST", "PATCH", "PUT", "DELETE"):
        setattr(Handler, f"do_{method}", Handler.answer)
    return Handler
