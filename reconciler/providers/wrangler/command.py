"""The wrangler command, used for the one thing that only it can do: build a Worker and upload the result.

The checkout is treated as code that will run with the Cloudflare token. wrangler would take variables from a `.env` in
the checkout, which can send the token elsewhere or name another Worker: it is given an empty file in its place, an
environment of its own in which where to go and as whom is set, and a HOME of its own. The Neon key is never in it.
"""

import asyncio
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler.core.model.desired import Worker
from reconciler.core.values.redaction import EVERYWHERE
from reconciler.core.values.secret import Secret
from reconciler.errors import DeployFailed, InputError
from reconciler.ports import Rebinding
from reconciler.providers.cloudflare.access import NEEDED
from reconciler.providers.wrangler.checkout import Checkout

_UPLOAD = "wrangler versions upload"
_DEADLINE_SECONDS = 600.0
_VERSION_SECONDS = 12.0
_STOPPING_SECONDS = 10.0
_LINES_SHOWN = 15
_LONGEST_OUTPUT = 65_536
_TOKEN = "CLOUDFLARE_API_TOKEN"  # noqa: S105  the name of the variable
_VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
# How wrangler shows that Cloudflare did not let it in: "Authentication error [code: 10000]".
_NOT_LET_IN = re.compile(r"\[code: (?:10000|9106|9109)\]")
# How npx says that what it is to run is not installed.
_NOT_INSTALLED = "missing packages and no YES option"
# wrangler and what it starts need these to find programs, and nothing else of ours.
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TMPDIR", "TZ", "NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE")


@dataclass(frozen=True, slots=True)
class CloudflareAccess:
    """Where Cloudflare's API is, which account, and the token."""

    base_url: str
    account: str
    token: Secret


class Wrangler:
    """The port `Uploader`. `command` is how wrangler is started, such as ("wrangler",) or ("npx", "wrangler")."""

    def __init__(
        self,
        command: Sequence[str],
        access: CloudflareAccess,
        checkout: Checkout,
        environment: Mapping[str, str],
    ) -> None:
        self._command = tuple(command)
        self._access = access
        self._checkout = checkout
        self._environment = environment

    async def upload(self, worker: Worker, change: Rebinding) -> None:
        """Run `wrangler versions upload` with the commit as its tag. Raises DeployFailed with its last lines."""
        program = self._program(worker)
        config = self._checkout.path(worker).resolve()
        with tempfile.TemporaryDirectory(prefix="reconciler-wrangler-") as home:
            no_variables = Path(home, "empty.env")
            no_variables.touch()  # noqa: ASYNC240  an instant
            arguments = [
                *self._for_npx(home), *self._command[1:],
                "versions", "upload", "-c", str(config), f"--env={worker.environment or ''}",
                f"--env-file={no_variables}", f"--tag={change.tag}", f"--message={change.label}",
            ]  # fmt: skip
            status, output = await self._run(
                [program, *arguments], config.parent, self._variables(home), _UPLOAD, _DEADLINE_SECONDS
            )
        if status != 0:
            shown = "\n".join(f"    {line}" for line in output[-_LINES_SHOWN:])
            message = f"{_UPLOAD} ended with status {status}; it said:\n{shown}"
            raise DeployFailed(message, hint=_hint(output))

    async def version(self, worker: Worker) -> str:
        """Return the version of wrangler. Raises InputError where there is none, DeployFailed where it does not run.

        The token is not handed to it. One that npx would have to download is not asked: the version is empty then.
        """
        program = self._program(worker)
        if {"--yes", "-y"} & set(self._command) and Path(self._command[0]).name == "npx":
            return ""
        return await self._version_of([program, *self._for_npx(""), *self._command[1:]], self._directory(worker))

    async def node_version(self, worker: Worker) -> str:
        """Return the version of Node. Raises InputError where there is none, DeployFailed where it does not run."""
        found = shutil.which("node", path=self._path())
        if found is None:
            raise InputError("node is not on the PATH, and wrangler runs on it", hint="install Node 22")
        return await self._version_of([found], self._directory(worker))

    async def _version_of(self, command: list[str], directory: Path) -> str:
        """Ask a program for its version, in the directory that a deployment runs in."""
        what = f"{command[0]} --version"
        with tempfile.TemporaryDirectory(prefix="reconciler-wrangler-") as home:
            tokenless = {name: value for name, value in self._variables(home).items() if name != _TOKEN}
            status, output = await self._run([*command, "--version"], directory, tokenless, what, _VERSION_SECONDS)
        found = next((match[0] for line in output if (match := _VERSION.search(line))), "")
        if status != 0 or not found:
            said = "; ".join(output[-_LINES_SHOWN:]) or "nothing"
            raise DeployFailed(f"{what} ended with status {status}; it said: {said}", hint=_hint(output))
        return found

    def _directory(self, worker: Worker) -> Path:
        return self._checkout.path(worker).resolve().parent

    def _for_npx(self, home: str) -> list[str]:
        """Return the options for npx, so that no registry that the checkout names can put another program there.

        Either nothing is downloaded, and it is what is installed in the checkout; or, where `--yes` allows it, the
        checkout is not looked at, neither for programs nor for settings (npm documentation, config: a project's
        .npmrc is that of the prefix).
        """
        if Path(self._command[0]).name != "npx":
            return []
        downloads = not {"--yes", "-y"}.isdisjoint(self._command)
        return [f"--prefix={home}"] if downloads else ["--yes=false"]

    def _program(self, worker: Worker) -> str:
        found = shutil.which(self._command[0], path=self._path())
        if found is None:
            raise InputError(
                f"{self._command[0]} is not on the PATH, and {worker.config} is deployed with it",
                hint='install wrangler (npm install wrangler), or set "deploy": "rebind" for this worker',
            )
        return os.path.abspath(found)  # noqa: PTH100  not through links: a shim looks at its own name

    async def _run(
        self, command: list[str], directory: Path, variables: Mapping[str, str], what: str, seconds: float
    ) -> tuple[int, list[str]]:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=directory,
            env=dict(variables),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            output = await asyncio.wait_for(_last_words(process), seconds)
        except TimeoutError:
            raise DeployFailed(f"{what} did not end within {seconds:.0f} s") from None
        finally:
            await _end(process)
        return process.returncode or 0, self._readable(output)

    def _variables(self, home: str) -> dict[str, str]:
        passed_on = {name: self._environment[name] for name in _PASSED_ON if name in self._environment}
        return {
            **passed_on,
            "PATH": self._path(),
            "HOME": home,
            "XDG_CONFIG_HOME": f"{home}/config",
            "XDG_CACHE_HOME": f"{home}/cache",
            "CLOUDFLARE_API_BASE_URL": self._access.base_url,
            _TOKEN: self._access.token.reveal(),
            "CLOUDFLARE_ACCOUNT_ID": self._access.account,
            "WRANGLER_SEND_METRICS": "false",
            "WRANGLER_HIDE_BANNER": "true",
            "CI": "1",
            "NO_COLOR": "1",
        }

    def _path(self) -> str:
        """Return the PATH without what is relative: that would lead into the checkout, which is not ours."""
        entries = self._environment.get("PATH", os.defpath).split(os.pathsep)
        return os.pathsep.join(entry for entry in entries if os.path.isabs(entry))  # noqa: PTH117  as text: "" is none

    def _readable(self, output: bytes) -> list[str]:
        text = EVERYWHERE(_ESCAPES.sub("", output.decode("utf-8", "replace")))
        return [line.rstrip() for line in text.splitlines() if line.strip()]


def _hint(output: list[str]) -> str:
    if any(map(_NOT_LET_IN.search, output)):
        return f"CLOUDFLARE_API_TOKEN needs {NEEDED}"
    if any(_NOT_INSTALLED in line for line in output):
        return (
            "install wrangler in the checkout first (npm ci), or allow a download of a version that you name: "
            "RECONCILER_WRANGLER='npx --yes wrangler@4'"
        )
    return ""


async def _last_words(process: asyncio.subprocess.Process) -> bytes:
    """Wait for the end, and return what was said last: a build may say more than there is memory."""
    assert process.stdout is not None  # it is a pipe
    said = b""
    while piece := await process.stdout.read(_LONGEST_OUTPUT):
        said = (said + piece)[-_LONGEST_OUTPUT:]
    await process.wait()
    return said


async def _end(process: asyncio.subprocess.Process) -> None:
    """Leave no wrangler behind, whatever interrupted us."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _STOPPING_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
