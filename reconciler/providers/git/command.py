"""Runs the git command, apart from everything that a checkout or a caller could slip it.

No hook, file system monitor, editor, pager, signing or prompt is ever started, whatever the configuration says: it is
overruled through `GIT_CONFIG_COUNT`, `GIT_CONFIG_KEY_<n>` and `GIT_CONFIG_VALUE_<n>` (git-config(1), "ENVIRONMENT"),
which also keeps credentials out of the list of processes. `GIT_DIR`, `GIT_INDEX_FILE` and their kind, which git sets
for hooks, are not handed on: they would name another repository.

Plain `subprocess` and not GitPython, as input and output are bytes, and a git that hangs is ended with its helpers.
"""

import base64
import os
import re
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlsplit

from reconciler.core.values.redaction import CREDENTIALS, EVERYWHERE
from reconciler.errors import GitError

# A remote that says nothing for this long is given up.
NETWORK_SECONDS = 120.0
_LOCAL_SECONDS = 120.0
_TERMINATION_SECONDS = 5.0

_SETTINGS = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.filesRefLockTimeout": "10000",
    "core.packedRefsTimeout": "10000",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "fetch.recurseSubmodules": "false",
    "fetch.writeCommitGraph": "false",
    "push.recurseSubmodules": "no",
    "push.followTags": "false",
    "push.gpgSign": "false",
    "push.pushOption": "",
    "http.lowSpeedLimit": "1",
    "http.lowSpeedTime": "60",
    "i18n.commitEncoding": "UTF-8",
    "i18n.logOutputEncoding": "UTF-8",
    "log.showSignature": "false",
    "advice.pushUpdateRejected": "false",
    # No name and address made up from those of the machine: who asked for a restore is to be read later.
    "user.useConfigOnly": "true",
}
_VARIABLES = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_EDITOR": "false",
    "GIT_PAGER": "cat",
    "SSH_ASKPASS": "",
    "SSH_ASKPASS_REQUIRE": "never",
    "LC_ALL": "C",
    "LANGUAGE": "",
}
# What the user may have set: how to reach a remote, which configuration to read, and who commits.
_KEPT = re.compile(
    r"GIT_(SSH|SSH_COMMAND|SSH_VARIANT|ASKPASS|SSL_.+|HTTP_.+|PROXY_.+|PROXY_SSL_.+|ALLOW_PROTOCOL"
    r"|CONFIG_(GLOBAL|SYSTEM|NOSYSTEM|COUNT|KEY_\d+|VALUE_\d+)|ATTR_NOSYSTEM|EXEC_PATH|CEILING_DIRECTORIES"
    r"|(AUTHOR|COMMITTER)_(NAME|EMAIL|DATE))"
)
# A credential helper may want GitHub's tokens; nothing that git starts has any business with the others.
_NOT_FOR_GIT = frozenset(CREDENTIALS) - {"GITHUB_TOKEN", "GH_TOKEN"}
_USER_IN_ADDRESS = re.compile(r"(?<=://)[^\s/'\"]*@")
_STARS = "********"


@dataclass(frozen=True, slots=True)
class Answer:
    """What git answered. `said` is its stderr, without credentials."""

    status: int
    content: bytes
    said: str

    @property
    def text(self) -> str:
        """The output as text, without the newline at its end."""
        return self.content.decode(errors="surrogateescape").rstrip("\n")

    @property
    def names(self) -> tuple[str, ...]:
        """The output as names that each end with a NUL (`-z`)."""
        return tuple(self.content.decode(errors="surrogateescape").split("\0")[:-1])


@dataclass(frozen=True, slots=True)
class Git:
    """Git in one directory. `seconds` is how long a command may talk to a remote."""

    directory: Path
    environment: Mapping[str, str] = field(repr=False)
    seconds: float = NETWORK_SECONDS
    _hidden: frozenset[str] = field(default=frozenset(), repr=False)

    @classmethod
    def at(cls, directory: Path, environment: Mapping[str, str]) -> Self:
        """Prepare git for a directory. Credentials that this environment gives to remotes are hidden in messages."""
        settings, hidden = _github_authorization(environment)
        return cls(directory, _children(environment, settings), _hidden=hidden)

    def hiding(self, address: str) -> Self:
        """Hide also the credentials in a remote's address."""
        return replace(self, _hidden=self._hidden | _credentials(address))

    def within(self, seconds: float) -> Self:
        """Give up a remote that does not answer after this time."""
        return replace(self, seconds=seconds)

    def with_variables(self, **variables: str) -> Self:
        """Add environment variables."""
        return replace(self, environment={**self.environment, **variables})

    def attempt(self, *arguments: str, given: bytes = b"", remote: bool = False) -> Answer:
        """Run git and return what it answered, whatever its status. `given` is its stdin.

        Raises GitError where it could not be started or did not end in time.
        """
        seconds = self.seconds if remote else _LOCAL_SECONDS
        try:
            process = subprocess.Popen(  # noqa: S603  no shell, and the arguments are ours
                ["git", *arguments],  # noqa: S607  the git that the person uses
                cwd=self.directory,
                env=dict(self.environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,  # no terminal, so no prompt; and Ctrl-C does not cut off a push halfway
            )
        except (FileNotFoundError, NotADirectoryError) as error:
            if not self.directory.is_dir():
                raise GitError(f"{self.directory} is not a directory") from error
            raise GitError("git is not installed, or not on the PATH", hint="install git 2.32 or newer") from error
        except ValueError as error:
            raise GitError(f"git {arguments[0]}: a name holds a character that no argument can have") from error
        with process:
            content, said = _communicate(process, given, seconds, arguments[0])
        return Answer(process.returncode, content, self.without_credentials(said.decode(errors="replace")))

    def run(self, *arguments: str, given: bytes = b"") -> Answer:
        """Run a local command that must succeed. Raises GitError with what git said."""
        answer = self.attempt(*arguments, given=given)
        if answer.status != 0:
            raise GitError(f"git {arguments[0]} failed in {self.directory}: {gist(answer.said)}")
        return answer

    def blobs(self, ids: Iterable[str]) -> dict[str, bytes]:
        """Read blobs by their ids, with one process. Those that the clone lacks are left out. Raises GitError."""
        wanted = tuple(dict.fromkeys(ids))
        if not wanted:
            return {}
        stream = self.run("cat-file", "--batch", given="".join(f"{blob}\n" for blob in wanted).encode()).content
        found: dict[str, bytes] = {}
        start = 0
        for blob in wanted:
            end = stream.index(b"\n", start)
            header, start = stream[start:end].split(b" "), end + 1
            if len(header) == 3:  # else it is missing
                size = int(header[2])
                found[blob] = stream[start : start + size]
                start += size + 1
        return found

    def without_credentials(self, text: str) -> str:
        """Return the text with stars where a credential stood."""
        for secret in sorted(self._hidden, key=len, reverse=True):
            text = text.replace(secret, _STARS)
        return _USER_IN_ADDRESS.sub("", text)


def gist(said: str) -> str:
    """Return what git said as one line: without hints, repetitions, control characters, and not too long."""
    said = EVERYWHERE(said)
    lines = ("".join(filter(str.isprintable, re.split("[\r\n]", line)[-1])) for line in said.split("\n"))
    kept = [re.sub(r"^(remote|fatal|error|warning): +", "", line).strip() for line in lines if not _is_noise(line)]
    text = "; ".join(dict.fromkeys(filter(None, kept)))
    return text if len(text) <= 500 else f"{text[:497]}..."


def _is_noise(line: str) -> bool:
    return line.startswith(("hint:", "To ", "Done", "error: failed to push some refs"))


def _communicate(process: subprocess.Popen[bytes], given: bytes, seconds: float, name: str) -> tuple[bytes, bytes]:
    try:
        return process.communicate(given, timeout=seconds)
    except subprocess.TimeoutExpired as error:
        _end(process)
        raise GitError(f"git {name} did not end within {seconds:.0f} s and was ended") from error
    except BaseException:
        _end(process)
        raise


def _end(process: subprocess.Popen[bytes]) -> None:
    """End git and its helpers: gently, so that it removes its lock files, and then for sure."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.communicate(timeout=_TERMINATION_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            pass
        return


def _children(environment: Mapping[str, str], settings: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    kept = {
        name: value
        for name, value in environment.items()
        if (not name.startswith("GIT_") or _KEPT.fullmatch(name)) and name not in _NOT_FOR_GIT
    }
    count = kept.get("GIT_CONFIG_COUNT", "")
    first = int(count) if count.isdecimal() else 0
    # The last one counts: ours overrule those of the caller.
    for number, (key, value) in enumerate((*_SETTINGS.items(), *settings), start=first):
        kept |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return kept | _VARIABLES | {"GIT_CONFIG_COUNT": str(first + len(_SETTINGS) + len(settings))}


def _github_authorization(environment: Mapping[str, str]) -> tuple[Sequence[tuple[str, str]], frozenset[str]]:
    """Return the settings that let git reach GitHub from its Actions, and what of them is secret.

    The same header that actions/checkout leaves in the checkout's configuration. The empty value before it takes that
    one away: GitHub refuses two.
    """
    token = environment.get("GITHUB_TOKEN", "").strip()
    if environment.get("GITHUB_ACTIONS") != "true" or not token:
        return (), frozenset()
    server = environment.get("GITHUB_SERVER_URL", "").rstrip("/") or "https://github.com"
    key, encoded = f"http.{server}/.extraheader", _basic("x-access-token", token)
    return ((key, ""), (key, f"AUTHORIZATION: basic {encoded}")), frozenset((token, encoded))


def _credentials(address: str) -> frozenset[str]:
    try:
        parts = urlsplit(address)
    except ValueError:
        return frozenset()
    user, password = parts.username or "", parts.password or ""
    if not password and parts.scheme not in ("http", "https"):
        return frozenset()  # git@github.com: everybody's user
    secret = password or user
    pair = _basic(unquote(user), unquote(password))
    return frozenset(filter(None, (secret, unquote(secret), pair if secret else "")))


def _basic(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()
