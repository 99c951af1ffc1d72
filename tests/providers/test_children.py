"""What git and wrangler are given: no secret in their arguments, and in their environment only what they need.

Programs that stand before the real ones write down what /proc says of them while they run.
"""

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from reconciler.core.model.desired import DeployDriver, Worker
from reconciler.core.values.secret import Secret
from reconciler.errors import DeployFailed, InputError
from reconciler.ports import Rebinding
from reconciler.providers.git.repository import Repository
from reconciler.providers.wrangler.checkout import Checkout
from reconciler.providers.wrangler.command import CloudflareAccess, Wrangler
from tests.support.answers import Answers, Reply
from tests.support.remotes import commit_files, git

TOKEN = "canary-cloudflare-token"
NOT_NEEDED = {
    "NEON_API_KEY": "canary-neon-key",
    "DATABASE_URL": "postgresql://app:canary-password@host/db",
    "PGPASSWORD": "canary-pg",
    "CLOUDFLARE_API_KEY": "canary-global-key",
    "ACTIONS_RUNTIME_TOKEN": "canary-runtime",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "canary-id-token",
}
_SPY = """#!/bin/sh
{{ tr '\\0' '\\n' < /proc/$$/cmdline; echo ----; tr '\\0' '\\n' < /proc/$$/environ; echo ====; }} >> "{log}"
{then}
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")


def spy(directory, name, log, then):
    directory.mkdir(parents=True, exist_ok=True)
    program = directory / name
    program.write_text(_SPY.format(log=log, then=then))
    program.chmod(0o755)
    return program


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log"


# git


def test_git_gets_no_provider_key_or_password(tmp_path, log):
    spy(tmp_path / "bin", "git", log, f'exec {shutil.which("git")} "$@"')
    root = tmp_path / "repository"
    root.mkdir()
    subprocess.run(["git", "init", "--quiet", str(root)], check=True)
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    environment = {
        **NOT_NEEDED, "CLOUDFLARE_API_TOKEN": TOKEN, "GITHUB_TOKEN": "canary-github", "PATH": path,
        "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b",
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", path)
        repository = Repository.containing(root, environment)
        commit = repository.commit("", {"a": b"b"}, "asked by canary-password, with postgresql://app:canary-p@host/db")
    seen = log.read_text()
    assert "commit-tree" in seen
    assert "PATH=" in seen
    # A credential helper may need GitHub's.
    assert "canary" not in seen.replace("GITHUB_TOKEN=canary-github", "")
    assert "canary-p@" not in repository.git.run("log", "-1", "--format=%B", commit).text


def test_reading_head_takes_one_git_process(tmp_path, log):
    spy(tmp_path / "bin", "git", log, f'exec {shutil.which("git")} "$@"')
    root, elsewhere = tmp_path / "repository", tmp_path / "elsewhere"
    for each in (root / "below", elsewhere):
        each.mkdir(parents=True)
    git(root, "init", "--quiet")
    empty = Checkout(root).commit()
    made = commit_files(root, {"a": "b"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
        assert (empty, Checkout(root / "below").commit(), Checkout(elsewhere).commit()) == ("", made, "")
    assert log.read_text().count("====") == 1


# wrangler


@dataclass
class Upload:
    """Runs an upload in a checkout."""

    root: object
    environment: dict

    def __call__(self, *command):
        access = CloudflareAccess("https://cloudflare.example/client/v4", "acc", Secret(TOKEN))
        wrangler = Wrangler(command, access, Checkout(self.root), self.environment)
        worker = Worker("app/wrangler.jsonc", "HYPERDRIVE", deploy=DeployDriver.WRANGLER)
        return wrangler.upload(worker, Rebinding("HYPERDRIVE", "1" * 32, "label", "tag"))


@pytest.fixture
def upload(tmp_path):
    root = tmp_path / "checkout"
    (root / "app").mkdir(parents=True)
    (root / "app" / "wrangler.jsonc").write_text('{"name": "x"}')
    environment = {**NOT_NEEDED, "GITHUB_TOKEN": "canary-github", "HOME": "/canary-home", "PATH": "/usr/bin:/bin"}
    return Upload(root, environment)


def _on_path(upload, directory):
    upload.environment["PATH"] = f"{directory}:{upload.environment['PATH']}"


@pytest.mark.anyio
async def test_wrangler_gets_only_the_token(tmp_path, log, upload):
    spy(tmp_path / "bin", "wrangler", log, "exit 0")
    _on_path(upload, tmp_path / "bin")
    await upload("wrangler")
    arguments, _, rest = log.read_text().partition("----\n")
    variables = dict(line.split("=", 1) for line in rest.splitlines() if "=" in line and line != "====")
    assert "canary" not in arguments
    assert variables.pop("CLOUDFLARE_API_TOKEN") == TOKEN
    assert "canary" not in str(variables)
    assert set(variables) <= {
        "PATH", "LANG", "LC_ALL", "TMPDIR", "TZ", "NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "HOME", "XDG_CONFIG_HOME",
        "XDG_CACHE_HOME", "CLOUDFLARE_API_BASE_URL", "CLOUDFLARE_ACCOUNT_ID", "WRANGLER_SEND_METRICS",
        "WRANGLER_HIDE_BANNER", "CI", "NO_COLOR", "PWD", "SHLVL", "_", "OLDPWD",
    }  # fmt: skip


@pytest.mark.anyio
@pytest.mark.parametrize("entry", ["", ".", "node_modules/.bin", "./node_modules/.bin", "../checkout/app"])
async def test_a_wrangler_in_the_checkout_is_not_run(tmp_path, log, upload, monkeypatch, entry):
    for place in ("", "node_modules/.bin", "app", "app/node_modules/.bin"):
        spy(upload.root / place, "wrangler", log, "exit 0")
    _on_path(upload, entry)
    for here in (upload.root, upload.root / "app"):
        monkeypatch.chdir(here)
        with pytest.raises(InputError, match="not on the PATH"):
            await upload("wrangler")
    assert not log.exists()


@pytest.mark.anyio
async def test_wranglers_children_find_no_checkout_programs(tmp_path, log, upload, monkeypatch):
    """Its first line is `#!/usr/bin/env node`, and it runs in the directory of wrangler.jsonc."""
    spy(upload.root / "app", "node", log, "exit 0")
    spy(tmp_path / "bin", "wrangler", tmp_path / "own", "node --version || exit 7")
    upload.environment["PATH"] = f".:{tmp_path / 'bin'}:/bin"
    monkeypatch.chdir(upload.root / "app")
    with suppress(DeployFailed):
        await upload("wrangler")
    assert not log.exists()


@pytest.mark.anyio
async def test_checkout_files_change_nothing_for_wrangler(tmp_path, log, upload):
    lines = (
        "CLOUDFLARE_API_BASE_URL=https://evil\nNEON_API_KEY=evil\nregistry=https://evil\nnode-options=--require=/evil"
    )
    for name in (".env", ".env.local", ".dev.vars", ".npmrc"):
        for place in (upload.root, upload.root / "app"):
            (place / name).write_text(lines)
    (upload.root / "app" / "wrangler.jsonc").write_text('{"name": "x", "build": {"command": "evil"}}')
    spy(tmp_path / "bin", "wrangler", log, "exit 0")
    _on_path(upload, tmp_path / "bin")
    await upload("wrangler")
    assert "evil" not in log.read_text()
    assert "--env-file=" in log.read_text()


@pytest.mark.anyio
async def test_long_output_is_cut_and_redacted(tmp_path, log, upload):
    loud = f"i=0; while [ $i -lt 3000 ]; do echo $i {'x' * 200} {TOKEN}; i=$((i+1)); done; exit 1"
    spy(tmp_path / "bin", "wrangler", log, loud)
    _on_path(upload, tmp_path / "bin")
    with pytest.raises(DeployFailed) as caught:
        await upload("wrangler")
    assert "2999 x" in caught.value.message
    assert "2900 x" not in caught.value.message
    assert TOKEN not in caught.value.report


@pytest.mark.anyio
async def test_denied_access_names_the_permissions(tmp_path, log, upload):
    spy(tmp_path / "bin", "wrangler", log, 'echo "Authentication error [code: 10000]"; exit 1')
    _on_path(upload, tmp_path / "bin")
    with pytest.raises(DeployFailed) as caught:
        await upload("wrangler")
    assert "Workers Scripts > Edit" in caught.value.hint


# npx


_NPMRC = "registry={url}\nyes=true\noffline=false\n"


@pytest.fixture
def hostile_registry(upload):
    """A registry that the checkout names, which has a wrangler of its own; and what it was asked for."""
    npx = shutil.which("npx")
    if npx is None:
        missing = "npx (of npm) must be on the PATH"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    answers, asked = Answers(), []

    def reply(_method, path):
        asked.append(path)
        dist = {"tarball": f"{answers.url}/evil.tgz", "shasum": "0" * 40}
        version = {"name": "wrangler", "version": "4.99.0", "bin": {"wrangler": "w.js"}, "dist": dist}
        return Reply(body={"name": "wrangler", "dist-tags": {"latest": "4.99.0"}, "versions": {"4.99.0": version}})

    answers.reply = reply
    for place in (upload.root, upload.root / "app"):
        (place / ".npmrc").write_text(_NPMRC.format(url=answers.url))
    (upload.root / "package.json").write_text('{"name": "shop"}')
    _on_path(upload, Path(npx).parent)
    yield asked
    answers.close()


@pytest.mark.anyio
async def test_npx_ignores_the_checkouts_registry(upload, hostile_registry):
    with pytest.raises(DeployFailed, match="npx canceled") as caught:
        await upload("npx", "wrangler")
    assert "/evil.tgz" not in hostile_registry
    assert "npm ci" in caught.value.hint
    # Where a download is allowed, it is not from there. Offline, it says where it would have been from.
    with pytest.raises(DeployFailed, match="ENOTCACHED") as caught:
        await upload("npx", "--yes", "--offline", "wrangler@4")
    assert "127.0.0.1" not in caught.value.message
    assert "/evil.tgz" not in hostile_registry


@pytest.mark.anyio
async def test_npx_runs_the_installed_wrangler(upload, hostile_registry, log):
    (upload.root / "node_modules").mkdir()
    spy(upload.root / "node_modules" / ".bin", "wrangler", log, "exit 0")
    await upload("npx", "wrangler")
    assert "versions\nupload" in log.read_text()
    assert hostile_registry == []
