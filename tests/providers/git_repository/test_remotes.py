"""Remotes by path and over HTTP: what is pushed and fetched, what they refuse, and what is told of it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import GitError, PushRejected, RemoteRefused, RemoteUnreachable
from reconciler.providers.git.command import Git, gist
from reconciler.providers.git.remote import without_user
from tests.providers.git_repository.clones import MAIN, opened
from tests.support.command import heed_interrupts
from tests.support.remotes import (
    PASSWORD,
    HttpRemote,
    git,
    git_environment,
)
from tests.support.waiting import eventually

# Remotes.


def test_a_branch_is_pushed_fetched_and_deleted(remote, cloned):
    repository = cloned(remote)
    made = repository.commit("HEAD", {"a": b"1"}, "a")
    repository.push(made, "refs/heads/new", expected="")
    assert (made, made) == (remote.ref("refs/heads/new"), repository.remote_ref("refs/heads/new"))
    other = cloned(remote, "two")
    assert other.fetch("new") == made == other.resolve("origin/new")
    repository.push("", "refs/heads/new", expected=made)
    assert ("", "") == (remote.ref("refs/heads/new"), repository.remote_ref("refs/heads/new"))
    with pytest.raises(GitError, match="no such ref"):
        repository.fetch("new")


def test_a_moved_branch_rejects_a_push(remote, cloned):
    one, other = cloned(remote), cloned(remote, "two")
    first, second = (each.commit("HEAD", {"a": content}, "a") for each, content in ((one, b"1"), (other, b"2")))
    one.push(first, MAIN, expected=None)
    with pytest.raises(PushRejected, match="another push came first"):
        other.push(second, MAIN, expected=None)
    with pytest.raises(PushRejected, match="another push came first"):
        one.push(one.head(), MAIN, expected=None)
    assert remote.ref(MAIN) == first


@pytest.mark.parametrize("expected", ["", "1" * 40])
def test_an_unexpected_ref_is_left_alone(remote, cloned, expected):
    repository = cloned(remote)
    before, made = repository.head(), repository.commit("HEAD", {"a": b"1"}, "a")
    with pytest.raises(PushRejected):
        repository.push(made, MAIN, expected=expected)
    with pytest.raises(PushRejected):
        repository.push("", MAIN, expected="1" * 40)
    assert remote.ref(MAIN) == before


def test_a_push_whose_answer_is_lost_was_done(http, cloned):
    repository = cloned(http)
    made = repository.commit("HEAD", {"a": b"1"}, "a")
    http.drop_answers = 1
    repository.push(made, MAIN, expected=None)
    assert (0, made) == (http.drop_answers, http.ref(MAIN))
    git(repository.root, "tag", "made", made)
    http.drop_answers = 1
    repository.push("made", "refs/heads/new", expected="")
    assert (0, made) == (http.drop_answers, http.ref("refs/heads/new"))
    http.drop_answers = 1
    repository.push("", "refs/heads/new", expected=made)
    assert (0, "") == (http.drop_answers, http.ref("refs/heads/new"))


def test_the_default_branch_is_the_remotes_if_any(remote, cloned):
    repository = cloned(remote)
    git(repository.root, "checkout", "--quiet", "-b", "topic")
    assert repository.default_branch() == "main"
    git(remote.path, "symbolic-ref", "HEAD", "refs/heads/none-yet")
    assert repository.default_branch() == "topic"
    git(repository.root, "checkout", "--quiet", "--detach")
    with pytest.raises(GitError, match="no branch is checked out"):
        repository.default_branch()


def test_a_protected_branch_refuses_in_the_remotes_words(remote, cloned):
    repository = cloned(remote)
    before, made = repository.head(), repository.commit("HEAD", {"a": b"1"}, "a")
    remote.refuse_pushes("GH006: Protected branch update failed", MAIN)
    for expected in (None, before):
        with pytest.raises(RemoteRefused, match="GH006: Protected branch update failed") as caught:
            repository.push(made, MAIN, expected=expected)
    assert MAIN in caught.value.message
    assert "rule" in caught.value.hint


def test_a_missing_remote_shows_its_address(checkout):
    (checkout.parent / "remote.git").rename(checkout.parent / "moved.git")
    for ask in (lambda it: it.fetch("main"), lambda it: it.remote_ref(MAIN), lambda it: it.default_branch()):
        with pytest.raises(RemoteUnreachable, match=r"remote\.git.*no repository") as caught:
            ask(opened(checkout))
    assert "git remote set-url" in caught.value.hint


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        (401, RemoteRefused, "denies access"),
        (403, RemoteRefused, "denies access"),
        (404, RemoteUnreachable, "there is no repository"),
        (503, RemoteUnreachable, "503"),
    ],
)
def test_a_servers_refusal_shows_no_credentials(http, cloned, status, kind, said):
    repository = cloned(http)
    made = repository.commit("HEAD", {"a": b"1"}, "a")
    http.status = status
    for ask in (lambda: repository.fetch("main"), lambda: repository.push(made, MAIN, expected=None)):
        with pytest.raises(kind, match=said) as caught:
            ask()
        assert PASSWORD not in caught.value.report
        assert http.url in caught.value.report


def test_an_unreachable_remote_shows_no_credentials(cloned, tmp_path):
    http = HttpRemote(tmp_path, user="robot", password="canary/p@ss wörd%")
    http.close()
    repository = cloned(http)
    for ask in (lambda: repository.fetch("main"), lambda: repository.push("HEAD", MAIN, expected=None)):
        with pytest.raises(RemoteUnreachable, match=r"Failed to connect|refused") as caught:
            ask()
        assert "canary" not in caught.value.report + repr(repository.git) + str(repository.remote_url())


def test_echoed_credentials_are_hidden(http, cloned):
    repository = cloned(http)
    http.refuse_pushes(f"no, {PASSWORD}")
    with pytest.raises(RemoteRefused, match=r"no, \*+") as caught:
        repository.push(repository.commit("HEAD", {"a": b"1"}, "a"), MAIN, expected=None)
    assert PASSWORD not in caught.value.report


def test_a_silent_remote_is_given_up(http, cloned):
    repository = cloned(http).patient(0.3)
    http.gate.clear()
    with pytest.raises(RemoteUnreachable, match="did not end within"):
        repository.remote_ref(MAIN)
    http.gate.set()
    assert not children()


def children():
    return [each for each in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split() if alive(each)]


def alive(process):
    try:
        return "git" in Path(f"/proc/{process}/cmdline").read_text()
    except OSError:
        return False


def test_no_process_argument_has_a_credential(http, cloned):
    http.accept_token("canary-token")
    root = cloned(http).root
    git(root, "remote", "set-url", "origin", http.url)
    environment = git_environment(GITHUB_ACTIONS="true", GITHUB_TOKEN="canary-token", GITHUB_SERVER_URL=http.address)
    code = f"""
from pathlib import Path
from reconciler.providers.git.repository import Repository
print(Repository.containing(Path({str(root)!r})).remote_ref("refs/heads/main"))
"""
    http.gate.clear()
    with subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE) as process:
        eventually(lambda: http.waiting, "a request")
        arguments = b"".join(each.read_bytes() for each in Path("/proc").glob("[0-9]*/cmdline") if readable(each))
        http.gate.set()
        assert process.communicate()[0].decode() == f"{http.ref(MAIN)}\n"
    assert b"ls-remote" in arguments
    assert b"canary-token" not in arguments


def readable(path):
    try:
        return bool(path.read_bytes())
    except OSError:
        return False


def test_github_actions_sends_one_token_header(http, cloned):
    http.accept_token("canary-token")
    root = cloned(http).root
    git(root, "remote", "set-url", "origin", http.url)
    git(root, "config", f"http.{http.address}/.extraheader", "AUTHORIZATION: basic b2xkOm9sZA==")
    environment = {"GITHUB_ACTIONS": "true", "GITHUB_SERVER_URL": http.address}
    http.authorizations.clear()
    repository = opened(root, GITHUB_TOKEN="canary-token", **environment)
    repository.push(repository.head(), "refs/heads/new", expected="")
    assert repository.head() == http.ref("refs/heads/new")
    assert {1} == {len(each) for each in http.authorizations}
    with pytest.raises(RemoteRefused, match="denies access") as caught:
        opened(root, GITHUB_TOKEN="canary-wrong", **environment).fetch("main")
    assert "canary" not in caught.value.report


def test_the_callers_git_settings_still_hold(checkout):
    given = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "user.name", "GIT_CONFIG_VALUE_0": "From Variables"}
    git(checkout, "config", "user.email", "x@example.invalid")
    repository = opened(checkout, identity=False, **given)
    assert repository.about(repository.commit("HEAD", {"a": b"1"}, "a")).author == "From Variables"


# Words.


@given(st.text())
def test_what_git_said_becomes_one_printable_line(text):
    said = gist(text)
    assert said.isprintable()
    assert len(said) <= 500


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://user:pass@host/o/r.git", "https://host/o/r.git"),
        ("https://token@host:8443/o/r", "https://host:8443/o/r"),
        ("ssh://git@host/o/r", "ssh://git@host/o/r"),
        ("ssh://git:secret@host/o/r", "ssh://git@host/o/r"),
        ("git@github.com:o/r.git", "git@github.com:o/r.git"),
        ("/path/with@sign", "/path/with@sign"),
    ],
)
def test_an_address_is_shown_without_secrets(address, shown):
    assert without_user(address) == shown


def test_an_interrupted_git_is_ended_with_its_helpers(http, cloned):
    root = cloned(http).root
    code = f"""
from pathlib import Path
from reconciler.providers.git.repository import Repository
try:
    Repository.containing(Path({str(root)!r})).remote_ref("refs/heads/main")
except KeyboardInterrupt:
    print(Path("/proc/self/task").joinpath(*[str(__import__("os").getpid())], "children").read_text() or "none")
"""
    http.gate.clear()
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env=git_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=heed_interrupts,  # noqa: PLW1509  it takes no lock
    ) as process:
        eventually(lambda: http.waiting, "a request")
        process.send_signal(signal.SIGINT)
        assert process.communicate()[0] == b"none\n"
    http.gate.set()


def test_credentials_of_any_address_are_hidden(checkout):
    said = "fatal: unable to access 'https://user:p@ss@host/o/r.git/': no"
    assert Git.at(checkout, git_environment()).without_credentials(said) == (
        "fatal: unable to access 'https://host/o/r.git/': no"
    )
