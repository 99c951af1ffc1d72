"""The surroundings of a GitHub Actions job, and its ways to report.

Variables, files and workflow commands are GitHub's ("Variables reference", "Workflow commands for GitHub Actions").
Outside of Actions, the job summary goes to stdout and annotations go to stderr.

Every text is redacted before it leaves.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

import click

from reconciler.cli.repository.shared import run_address
from reconciler.core.values.redaction import EVERYWHERE, Redaction
from reconciler.errors import InputError
from reconciler.render.markdown import cut

# GitHub discards a step's summary that is larger than 1 MiB.
SUMMARY_BYTES = 1024 * 1024
_NO_COMMIT = "0" * 40
_Level = Literal["error", "warning", "notice"]


@dataclass(frozen=True, slots=True)
class PullRequestEvent:
    """The pull request of the event. Jobs of a fork get no secrets, and a read-only token."""

    number: int
    head: str
    base: str
    from_fork: bool


@dataclass(frozen=True, slots=True)
class Actions:
    """One job's environment. Missing variables are empty, as they are outside of Actions.

    `event` is the event's name and `payload` its content. `sha` and `ref` are what the job was started for: for a pull
    request, GitHub's merge commit (see `pull_request`). `actor` started it. `run_url` is the URL of its log.
    """

    running: bool
    event: str
    payload: Mapping[str, Any]
    repository: str
    sha: str
    ref: str
    actor: str
    run_url: str
    redaction: Redaction = field(repr=False)
    summary_file: Path | None = None
    output_file: Path | None = None

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """Read it. Raises InputError if the event's file cannot be read."""
        return cls(
            running=environment.get("GITHUB_ACTIONS") == "true",
            event=environment.get("GITHUB_EVENT_NAME", ""),
            payload=_payload(environment.get("GITHUB_EVENT_PATH", "")),
            repository=environment.get("GITHUB_REPOSITORY", ""),
            sha=environment.get("GITHUB_SHA", ""),
            ref=environment.get("GITHUB_REF", ""),
            actor=environment.get("GITHUB_ACTOR", ""),
            run_url=run_address(environment),
            redaction=_learned(environment),
            summary_file=_path(environment.get("GITHUB_STEP_SUMMARY")),
            output_file=_path(environment.get("GITHUB_OUTPUT")),
        )

    # What happened.

    @property
    def pull_request(self) -> PullRequestEvent | None:
        """The pull request that the event is about."""
        found = self.payload.get("pull_request")
        if not isinstance(found, dict):
            return None
        head, base = found["head"], found["base"]
        # A deleted fork has no repository.
        home = (head.get("repo") or {}).get("full_name")
        return PullRequestEvent(found["number"], head["sha"], base["sha"], home != base["repo"]["full_name"])

    @property
    def pushed(self) -> tuple[str, str] | None:
        """The commits before and after a push; None for a new branch, or another event."""
        before, after = str(self.payload.get("before") or ""), str(self.payload.get("after") or self.sha)
        if self.event != "push" or before in ("", _NO_COMMIT) or after in ("", _NO_COMMIT):
            return None
        return before, after

    @property
    def inputs(self) -> Mapping[str, str]:
        """The inputs of the workflow's form, when it was started by hand."""
        found = self.payload.get("inputs")
        return {name: str(value or "") for name, value in found.items()} if isinstance(found, dict) else {}

    # What it reports.

    def redacted(self, text: str) -> str:
        """Return a text with stars in place of every credential of this job."""
        return self.redaction(text).encode("utf-8", "replace").decode()

    def mask(self, secret: str) -> None:
        """Hide a secret from now on: in every text here, and by the runner in the log."""
        self.redaction.hide(secret)
        if self.running:
            for line in filter(None, secret.splitlines()):
                click.echo(f"::add-mask::{_data(line)}")

    def say(self, text: str) -> None:
        """Write data to stdout. GitHub takes no line of it for a workflow command."""
        shown = self.redacted(text)
        if not self.running:
            click.echo(shown)
            return
        token = secrets.token_hex(16)
        click.echo(f"::stop-commands::{token}\n{shown}\n::{token}::")

    def summary(self, markdown: str) -> None:
        """Append to the job summary. A text beyond the limit is cut in the middle."""
        shown = self.redacted(markdown)
        if self.summary_file is None:
            click.echo(shown)
            return
        used = self.summary_file.stat().st_size if self.summary_file.exists() else 0
        with self.summary_file.open("a", encoding="utf-8", newline="") as file:
            file.write(cut(shown, SUMMARY_BYTES - used - 2, "the rest is in the artefact") + "\n\n")

    def output(self, name: str, value: str) -> None:
        """Set an output of the step. Outside of Actions, it goes to stderr."""
        shown = self.redacted(value)
        if self.output_file is None:
            click.echo(f"{name}: {shown}", err=True)
            return
        # The delimiter cannot be guessed, so no value can end itself and add another output.
        delimiter = f"end-{secrets.token_hex(16)}"
        with self.output_file.open("a", encoding="utf-8", newline="") as file:
            file.write(f"{name}<<{delimiter}\n{shown}\n{delimiter}\n")

    def error(self, title: str, message: str, file: str | None = None, line: int | None = None) -> None:
        """Annotate the run, or a line of a file, with an error."""
        self._annotate("error", title, message, file, line)

    def warning(self, title: str, message: str, file: str | None = None, line: int | None = None) -> None:
        """Annotate the run, or a line of a file, with a warning."""
        self._annotate("warning", title, message, file, line)

    def notice(self, title: str, message: str, file: str | None = None, line: int | None = None) -> None:
        """Annotate the run, or a line of a file, with a notice."""
        self._annotate("notice", title, message, file, line)

    def write(self, path: Path, text: str) -> None:
        """Write a file, such as an artefact. Raises InputError."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.redacted(text), encoding="utf-8", newline="")
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror})") from error

    def _annotate(self, level: _Level, title: str, message: str, file: str | None, line: int | None) -> None:
        if not self.running:
            place = ":".join(str(part) for part in (file, line) if part is not None)
            said = ": ".join(part for part in (level, place, title, message) if part)
            click.echo(self.redacted(said), err=True)
            return
        given = {"file": file, "line": line, "title": title or None}
        properties = ",".join(
            f"{name}={_property(self.redacted(str(value)))}" for name, value in given.items() if value is not None
        )
        click.echo(f"::{level} {properties}::{_data(self.redacted(message))}")


def _learned(environment: Mapping[str, str]) -> Redaction:
    """Hide the credentials of the job in everything that this process writes."""
    EVERYWHERE.learn(environment)
    return EVERYWHERE


def _payload(path: str) -> Mapping[str, Any]:
    if not path:
        return {}
    try:
        payload = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise InputError(f"GITHUB_EVENT_PATH: {path} cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise InputError(f"GITHUB_EVENT_PATH: {path} is not JSON ({error})") from error
    return payload if isinstance(payload, dict) else {}


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


def _data(text: str) -> str:
    """Escape what follows the second `::` of a workflow command, as actions/toolkit does."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """Escape the value of a workflow command's property."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")
