"""`reconciler ci …` as a job of GitHub Actions runs it, at a desk: event file, summary, outputs and annotations."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from tests.support.remotes import git

SERVER = "https://github.example"


@dataclass(frozen=True)
class Ended:
    """How a job's step ended and what it left."""

    status: int
    stdout: str
    stderr: str
    summary: str
    outputs: dict


class Job:
    """A workflow's step: `job("plan", event=…, payload={…})`. No secret may stand in anything that it leaves."""

    def __init__(self, run, desk, github, directory):
        self._run = run
        self.desk = desk
        self.github = github
        self._directory = Path(directory)
        self._directory.mkdir()
        self._ended = []

    def __call__(self, *arguments, event="workflow_dispatch", payload=None, token="", **variables):
        number = len(self._ended)
        files = {name: self._directory / f"{name}-{number}" for name in ("event", "summary", "output")}
        files["event"].write_text(json.dumps(payload or {}))
        surroundings = {
            **self.github.environment,
            "GITHUB_TOKEN": token or self.github.token,
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTOR": "ada",
            "GITHUB_EVENT_NAME": event,
            "GITHUB_EVENT_PATH": str(files["event"]),
            "GITHUB_OUTPUT": str(files["output"]),
            "GITHUB_RUN_ATTEMPT": "1",
            "GITHUB_RUN_ID": str(number),
            "GITHUB_SERVER_URL": SERVER,
            "GITHUB_SHA": self.desk.git("rev-parse", "HEAD"),
            "GITHUB_STEP_SUMMARY": str(files["summary"]),
        }
        said = self._run(self.desk, "ci", *arguments, **surroundings | variables)
        summary, output = (_text(files[name]) for name in ("summary", "output"))
        outputs = {name: value for name, _, value in re.findall(r"(?s)(\w+)<<(end-\w+)\n(.*?)\n\2\n", output)}
        self._ended.append(Ended(said.status, said.stdout, said.stderr, summary, outputs))
        return self._ended[-1]

    def on_pull_request(self, number, *arguments, **variables):
        """Run at the merge commit that GitHub makes of a pull request."""
        self.github.merge_commit(number)
        self.desk.git("fetch", "--quiet", "origin", f"refs/pull/{number}/merge")
        self.desk.git("checkout", "--quiet", "--detach", "FETCH_HEAD")
        payload = self.github.pull_request_event(number)
        return self(*arguments, event="pull_request", payload=payload, **variables)

    def on_main(self, *arguments, **variables):
        """Run at the remote's main, as on a schedule."""
        self.desk.git("fetch", "--quiet", "origin", "main")
        self.desk.git("checkout", "--quiet", "--detach", "origin/main")
        return self(*arguments, **variables)

    def check(self, secrets):
        """No secret in what the steps left or sent."""
        texts = [each.summary + json.dumps(each.outputs) for each in self._ended]
        texts += [self.github.received(), git(self.desk.remote.path, "log", "--all", "--patch", "--format=%B")]
        for secret in [*secrets, *self.desk.secrets(), *_credentials(self.desk)]:
            assert not [text for text in texts if secret in text], f"a secret left the job: {secret}"


def _credentials(desk):
    return [desk.environment[name] for name in ("NEON_API_KEY", "CLOUDFLARE_API_TOKEN")]


def _text(path):
    return path.read_text() if path.exists() else ""
