"""Secrets are planted in every credential and in what providers answer, and looked for in everything that leaves."""

import subprocess

import pytest

from reconciler.core.values.redaction import CREDENTIALS
from reconciler.core.values.secret import Secret
from reconciler.providers.git.command import gist
from reconciler.providers.git.notes import Notes
from reconciler.providers.github.text import body_of, description_of, title_of
from reconciler.render.markdown import code, prose
from tests.providers.test_twisted_answers import FILE, WRANGLER, QuickClock
from tests.support import canned
from tests.support.answers import Answers, Reply
from tests.support.desk import written
from tests.support.plain_words import run_main

CANARIES = {name: f"canary-{name.lower().replace('_', '-')}-0123456789" for name in CREDENTIALS}
# No credential of ours, so known by its look alone.
STRANGERS = [canned.PASSWORD, "npg_canaryOfAnother1", "hunter2-canary-in-an-address"]
BODY = " and ".join([*CANARIES.values(), *STRANGERS[:2], f"postgresql://app:{STRANGERS[2]}@ep-x.neon.tech/db"])
_GIT = {
    "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b",
    "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b",
}  # fmt: skip


@pytest.fixture
def server():
    answers = Answers()
    yield answers
    answers.close()


@pytest.fixture
def run(server, tmp_path, monkeypatch, capsys):
    """Run a command in a repository, where the answer to some requests is a refusal that echoes every secret."""
    root = tmp_path / "repository"
    (root / "desired-state").mkdir(parents=True)
    (root / "desired-state" / "production.jsonc").write_text(written(FILE | {"worker": [FILE["worker"]]}))
    (root / "wrangler.jsonc").write_text(WRANGLER)
    for name, value in {
        **CANARIES, **_GIT, "NEON_API_HOST": server.url, "CLOUDFLARE_API_BASE_URL": server.url,
        "CLOUDFLARE_ACCOUNT_ID": canned.ACCOUNT,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    # The day of the recorded answers: later, what the file asks for is older than Neon's history.
    monkeypatch.setattr("reconciler.cli.wiring.SystemClock", QuickClock)
    for name in ("GITHUB_ACTIONS", "RECONCILER_TRACEBACK", "RECONCILER_REMOTE"):
        monkeypatch.delenv(name, raising=False)
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "as it is"]):
        subprocess.run(["git", *command], cwd=root, check=True)
    monkeypatch.chdir(root)

    def command(failing, status, *arguments):
        def reply(method, path):
            key = canned.key_of(method, path)
            if failing in f"{method} {path}" or key is None:
                return Reply(status, {"message": BODY, "code": BODY, "errors": [{"code": 1, "message": BODY}]})
            return Reply(body=canned.REPLIES[key])

        server.reply = reply
        status, *words = run_main(monkeypatch, capsys, *arguments)
        return status, "".join(words), root

    return command


def everything(root):
    """Every file of the repository, and every object in it, commits and receipts included."""
    batch = ["git", "cat-file", "--batch", "--batch-all-objects"]
    objects = subprocess.run(batch, cwd=root, check=True, capture_output=True).stdout
    files = [path.read_bytes() for path in root.rglob("*") if path.is_file()]
    return b"".join([objects, *files]).decode("latin-1")


def check(text):
    for secret in [*CANARIES.values(), *STRANGERS]:
        assert secret not in text
    assert "canary" not in text


@pytest.mark.parametrize("status", [400, 403, 404, 500])
@pytest.mark.parametrize("form", ["text", "markdown", "json"])
def test_a_plan_of_what_cannot_be_read_quotes_the_provider_without_its_secrets(run, without_waiting, status, form):
    code_, said, root = run("hyperdrive", status, "plan", "--format", form)
    assert code_ == 1
    assert "********" in said.replace("\\*", "*")
    check(said)
    check(everything(root))


@pytest.mark.parametrize("failing", ["connection_uri", "GET /projects"])
def test_an_apply_that_fails_leaves_no_secret_in_what_it_says_nor_in_its_receipt(run, without_waiting, failing):
    code_, said, root = run(failing, 403, "apply")
    assert code_ == 1
    check(said)
    kept = everything(root)
    assert "Receipt of" in kept
    assert "********" in kept + said
    check(kept)


@pytest.mark.parametrize("longest", [*range(130, 160, 7), *range(240, 270, 7)])
def test_no_cut_leaves_a_part_of_a_secret(longest):
    secret = "canary-part-of-a-secret-0123456789"
    Secret(secret)
    text = "x" * longest + f" {secret} " + "y" * longest
    for cut in (title_of, description_of, prose, code, gist, lambda each: body_of(each, "m")):
        assert "canary" not in cut(text)
    for limit in range(10, 200, 9):
        assert "cana" not in prose(text, longest + limit)
        assert "6789" not in code(text, longest + limit)


def test_a_receipt_and_a_commit_that_somebody_fills_with_a_secret_are_kept_without_it(run):
    from reconciler.providers.git.repository import Repository

    _, _, root = run("nothing", 403, "validate")
    repository = Repository.containing(root)
    for value in CANARIES.values():
        Notes(repository).add(repository.head(), f'{{"detail": "{value}"}}')
    repository.commit(repository.head(), {"a": b"a"}, f"asked by {BODY}")
    check(everything(root))
