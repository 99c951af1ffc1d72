"""The Git repository: real git, real remotes by path and over HTTP."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.errors import GitError, InputError, PushRejected, RemoteRefused, RemoteUnreachable
from reconciler.providers.git import Repository
from reconciler.providers.git_command import Git, gist
from reconciler.providers.git_remote import without_user
from tests.support.command import heed_interrupts
from tests.support.remotes import (
    PASSWORD,
    BareRemote,
    HttpRemote,
    clone,
    commit_files,
    copy_clone,
    git,
    git_environment,
)
from tests.support.waiting import eventually

MAIN = "refs/heads/main"
FILES = {"desired-state/production.jsonc": "{}\r\n", "läden und mehr/ä.txt": "eins"}


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A remote and a clone of it, with one commit; tests get copies, which is quicker."""
    directory = tmp_path_factory.mktemp("template")
    commit_files(clone(BareRemote(directory), directory / "checkout"), FILES, "The first\n\nmore of it", push=True)
    return directory


@pytest.fixture
def http(template, tmp_path):
    shutil.copytree(template / "remote.git", tmp_path / "remote.git")
    remote = HttpRemote(tmp_path)
    yield remote
    remote.close()


@pytest.fixture(params=["path", "http"])
def remote(request, template, tmp_path):
    """A remote with one commit, once reached by its path and once over HTTP."""
    shutil.copytree(template / "remote.git", tmp_path / "remote.git")
    made = (BareRemote if request.param == "path" else HttpRemote)(tmp_path)
    yield made
    made.close()


@pytest.fixture
def checkout(template, tmp_path):
    """A clone, with one commit, of a remote that is reached by its path."""
    shutil.copytree(template / "remote.git", tmp_path / "remote.git")
    return copy_clone(template / "checkout", tmp_path / "check out ü", tmp_path / "remote.git")


@pytest.fixture
def cloned(template, tmp_path):
    """Clone a remote: `cloned(remote)` is its repository, with the credentials in the address of the remote."""

    def make(remote, name="one"):
        address = getattr(remote, "url_with_credentials", remote.url)
        return opened(copy_clone(template / "checkout", tmp_path / name, address))

    return make


def opened(root, **environment):
    return Repository.containing(root, git_environment(**environment))


# Where it is.


def test_outside_of_a_repository_there_is_none(tmp_path):
    assert opened(tmp_path) is None


def test_a_bare_repository_has_no_work_tree_and_is_none(checkout, tmp_path):
    assert opened(tmp_path / "remote.git") is None
    assert opened(checkout / ".git") is None


def test_the_repository_is_found_from_a_directory_below_its_root(checkout):
    assert opened(checkout / "läden und mehr").root == checkout


def test_variables_that_git_sets_for_a_hook_do_not_lead_to_another_repository(checkout, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "--quiet")
    astray = {"GIT_DIR": f"{other}/.git", "GIT_WORK_TREE": str(other), "GIT_INDEX_FILE": f"{other}/.git/index"}
    astray |= {"GIT_OBJECT_DIRECTORY": f"{other}/.git/objects", "GIT_PREFIX": "desired-state/", "GIT_NAMESPACE": "x"}
    repository = opened(checkout, **astray)
    made = repository.commit(repository.head(), {"new": b"1"}, "New")
    repository.push(made, "refs/heads/new", expected="")
    assert (checkout, repository.head()) == (repository.root, git(checkout, "rev-parse", "HEAD"))
    assert git(tmp_path / "remote.git", "cat-file", "blob", "new:new") == "1"


@pytest.mark.parametrize(("value", "expected"), [(None, "origin"), ("", None), ("upstream", "upstream")])
def test_the_remote_is_origin_or_what_the_variable_names(checkout, value, expected):
    git(checkout, "remote", "add", "upstream", "https://user:canary@example.invalid/o/r.git")
    given = {} if value is None else {"RECONCILER_REMOTE": value}
    repository = opened(checkout, **given)
    assert repository.remote == expected
    if expected == "upstream":
        assert repository.remote_url() == "https://example.invalid/o/r.git"


def test_a_remote_that_is_named_and_is_not_there_is_an_error_and_not_no_remote(checkout):
    with pytest.raises(GitError, match="no remote of that name"):
        opened(checkout, RECONCILER_REMOTE="orgin")


def test_without_a_remote_all_that_is_here_works_and_the_rest_says_what_is_missing(checkout):
    git(checkout, "remote", "remove", "origin")
    repository = opened(checkout)
    assert (None, None, "main") == (repository.remote, repository.remote_url(), repository.default_branch())
    with pytest.raises(GitError, match="has no remote"):
        repository.fetch("main")


def test_without_git_the_error_says_so(checkout):
    with pytest.raises(GitError, match="git is not installed"):
        opened(checkout, PATH="/nowhere")


# What is here.


def test_before_the_first_commit_there_is_no_head(tmp_path):
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    (tmp_path / "a").write_text("1")
    repository = opened(tmp_path)
    assert ("", None, True) == (repository.head(), repository.resolve("HEAD"), repository.differs_from_head("a"))
    first = repository.commit("", {"a": b"1"}, "First")
    assert (b"1", "First") == (repository.read(first, "a"), repository.about(first).subject)


def test_files_of_a_commit_are_read_as_bytes_under_any_name(checkout):
    repository = opened(checkout)
    head = repository.head()
    assert repository.read(head, "desired-state/production.jsonc") == b"{}\r\n"
    assert repository.read("HEAD", "läden und mehr/ä.txt") == b"eins"
    assert [None, None] == [repository.read(head, "desired-state"), repository.read(head, "missing")]
    assert repository.list(head, "läden und mehr") == ("läden und mehr/ä.txt",)
    assert set(repository.list(head, "")) == set(FILES)
    assert repository.list(head, "nothing") == ()


def test_a_file_that_the_clone_has_lost_is_an_error_and_not_absent(checkout):
    repository = opened(checkout)
    blob = git(checkout, "rev-parse", "HEAD:desired-state/production.jsonc")
    stored = checkout / ".git" / "objects" / blob[:2] / blob[2:]
    stored.chmod(0o644)
    stored.write_bytes(b"rubbish")
    with pytest.raises(GitError):
        repository.read("HEAD", "desired-state/production.jsonc")


def test_a_commit_tells_who_when_and_what(checkout):
    git(checkout, "commit", "--quiet", "--allow-empty", "-m", "Grüße", GIT_COMMITTER_DATE="2026-11-21T09:55:00+01:00")
    told = opened(checkout).about("HEAD")
    assert ("Ada Tester", "Grüße", "2026-11-21T08:55:00.000Z") == (told.author, told.subject, told.at.text)


def test_the_last_change_of_a_file_is_found_behind_later_commits(checkout):
    changed = commit_files(checkout, {"desired-state/production.jsonc": "[]"}, "Changed")
    later = commit_files(checkout, {"other": "1"}, "Other")
    repository = opened(checkout)
    assert repository.last_change(later, "desired-state/production.jsonc") == changed
    assert repository.last_change(later, "never") == ""
    assert [each.subject for each in repository.changes("HEAD", "desired-state/production.jsonc")] == [
        "Changed",
        "The first",
    ]
    assert repository.changed_files(changed, later) == ("other",)


def test_two_histories_part_at_their_merge_base(checkout):
    repository = opened(checkout)
    base = repository.head()
    one, other = (repository.commit(base, {"x": content}, "x") for content in (b"1", b"2"))
    assert repository.merge_base(one, other) == base
    assert [True, False] == [repository.is_ancestor(base, one), repository.is_ancestor(one, other)]


def test_a_name_that_looks_like_an_option_is_no_commit(checkout):
    assert opened(checkout).resolve("--all") is None


def test_a_commit_that_is_not_here_is_an_error_that_names_it(checkout):
    with pytest.raises(GitError, match="there is no commit " + "1" * 40):
        opened(checkout).read("1" * 40, "a")


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        (lambda file: file.touch(), False),
        (lambda file: file.write_text("other"), True),
        (lambda file: file.unlink(), True),
        (lambda file: git(file.parent, "update-index", "--assume-unchanged", file.name) or file.write_text("x"), True),
    ],
)
def test_a_changed_file_differs_from_head(checkout, change, differs):
    file = checkout / "desired-state" / "production.jsonc"
    change(file)
    assert opened(checkout).differs_from_head("desired-state/production.jsonc") is differs


def test_a_file_that_is_not_committed_differs_also_when_it_is_ignored(checkout):
    (checkout / ".gitignore").write_text("new\n")
    (checkout / "new").write_text("1")
    repository = opened(checkout)
    assert [True, False] == [
        repository.differs_from_head("new"),
        repository.differs_from_head("neither here nor there"),
    ]


def test_line_ends_that_git_would_convert_are_no_difference(checkout):
    commit_files(checkout, {"lines": "a\nb\n"})
    git(checkout, "config", "core.autocrlf", "true")
    (checkout / "lines").write_bytes(b"a\r\nb\r\n")
    assert opened(checkout).differs_from_head("lines") is False


# What is made.


def test_a_commit_touches_neither_index_nor_work_tree_and_keeps_modes(checkout):
    commit_files(checkout, {"run.sh": "#!/bin/sh\n"})
    git(checkout, "update-index", "--chmod=+x", "run.sh")
    git(checkout, "commit", "--quiet", "-m", "Executable")
    git(checkout, "checkout", "--", ".")
    (checkout / "half").write_text("staged")
    git(checkout, "add", "half")
    before = (checkout / ".git" / "index").read_bytes(), git(checkout, "status", "--porcelain")
    repository = opened(checkout)
    made = repository.commit("HEAD", {"run.sh": b"#!/bin/sh\r\n", "a/b/c": b"\0"}, "Ü\n\nbody\n")
    assert before == ((checkout / ".git" / "index").read_bytes(), git(checkout, "status", "--porcelain"))
    assert git(checkout, "ls-tree", "-r", "--format=%(objectmode) %(path)", made).splitlines()[0] == "100644 a/b/c"
    assert "100755 run.sh" in git(checkout, "ls-tree", "-r", "--format=%(objectmode) %(path)", made)
    assert repository.read(made, "half") is None
    assert git(checkout, "log", "-1", "--format=%s|%b|%an", made) == "Ü|body\n|Ada Tester"


def test_bytes_are_kept_whatever_the_attributes_say(checkout):
    commit_files(checkout, {".gitattributes": "a text eol=crlf working-tree-encoding=UTF-16\n"})
    git(checkout, "config", "core.autocrlf", "true")
    repository = opened(checkout)
    made = repository.commit("HEAD", {"a": b"1\r\n2\n\xff"}, "a")
    assert repository.read(made, "a") == b"1\r\n2\n\xff"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("link", "link is a symbolic link"),
        ("linked/file", "linked is a symbolic link"),
        ("desired-state", "desired-state is a directory"),
        ("desired-state/production.jsonc/x", "production.jsonc is a file"),
        ("../out", "not the path of a file"),
        ("a/.GIT/config", "not the path of a file"),
        ("/etc/passwd", "not the path of a file"),
        ("a//b", "not the path of a file"),
        ("", "not the path of a file"),
    ],
)
def test_what_is_no_file_is_not_written(checkout, path, said):
    (checkout / "link").symlink_to("desired-state/production.jsonc")
    (checkout / "linked").symlink_to("desired-state")
    git(checkout, "add", "link", "linked")
    git(checkout, "commit", "--quiet", "-m", "Links")
    with pytest.raises(InputError, match=said):
        opened(checkout).commit("HEAD", {path: b"1"}, "x")


_NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=12
)
_PATHS = st.lists(_NAMES.filter(lambda name: name.strip(". ")[:3].lower() != "git"), min_size=1, max_size=3)


@settings(max_examples=10)
@given(path=_PATHS.map("/".join).filter(lambda path: not {".", ".."} & set(path.split("/"))), content=st.binary())
def test_what_is_committed_is_read_back(tmp_path_factory, path, content):
    root = tmp_path_factory.mktemp("property")
    git(root, "init", "--quiet")
    repository = opened(root)
    try:
        made = repository.commit("", {path: content}, "x")
    except GitError:  # git itself has names that it does not take
        assert git_refuses(root, path)
        return
    assert (content, (path,)) == (repository.read(made, path), repository.list(made, ""))


def git_refuses(root, path):
    line = f"100644 {'1' * 40}\t{path}\0".encode()
    done = subprocess.run(
        ["git", "update-index", "-z", "--index-info"], cwd=root, input=line, capture_output=True, env=git_environment()
    )
    return done.returncode != 0


def test_no_program_of_the_checkout_or_its_configuration_is_run(checkout, tmp_path):
    trap = tmp_path / "sprung"
    program = tmp_path / "trap.sh"
    program.write_text(f'#!/bin/sh\necho "$0 $*" >> "{trap}"\nexit 1\n')
    program.chmod(0o755)
    hooks = checkout / ".git" / "hooks"
    for hook in ("pre-commit", "commit-msg", "pre-push", "reference-transaction", "post-index-change", "post-commit"):
        (hooks / hook).symlink_to(program)
    settings = {"core.fsmonitor": program, "core.editor": program, "core.pager": program, "gpg.program": program}
    settings |= {"commit.gpgSign": "true", "push.gpgSign": "true", "diff.external": program, "core.hooksPath": hooks}
    settings |= {"core.sshCommand": program, "pager.log": program, "log.showSignature": "true"}
    for name, value in settings.items():
        git(checkout, "config", name, str(value))
    repository = opened(checkout, GIT_EXTERNAL_DIFF=str(program), GIT_CONFIG_PARAMETERS=f"'core.hookspath={hooks}'")
    made = repository.commit("HEAD", {"a": b"1"}, "a")
    repository.push(made, "refs/heads/a", expected="")
    repository.set_branch("b", made)
    repository.fetch("a")
    repository.changes(made, "a")
    repository.changed_files("HEAD", made)
    repository.differs_from_head("desired-state/production.jsonc")
    assert not trap.exists(), trap.read_text()


def test_a_local_branch_is_set_unless_it_is_checked_out(checkout):
    repository = opened(checkout)
    made = repository.commit("HEAD", {"a": b"1"}, "a")
    repository.set_branch("restore/production/r-1", made)
    repository.set_branch("restore/production/r-1", "HEAD")
    assert repository.resolve("restore/production/r-1") == repository.head()
    with pytest.raises(GitError, match="checked out"):
        repository.set_branch("main", made)


# Who commits.


def test_without_an_identity_the_error_says_how_to_set_one(checkout):
    repository = opened(checkout, identity=False, EMAIL="somebody@example.invalid")
    with pytest.raises(GitError, match="who you are") as caught:
        repository.commit("HEAD", {"a": b"1"}, "a")
    assert "user.email" in caught.value.hint


def test_in_github_actions_the_bot_commits_where_nobody_is_configured(checkout):
    repository = opened(checkout, identity=False, GITHUB_ACTIONS="true")
    made = repository.commit("HEAD", {"a": b"1"}, "a")
    bot = "github-actions[bot] <41898282+github-actions[bot]@users.noreply.github.com>"
    assert git(checkout, "log", "-1", "--format=%an <%ae>%n%cn <%ce>", made).splitlines() == [bot, bot]


def test_the_configured_identity_commits_also_in_github_actions(checkout):
    git(checkout, "config", "user.name", "Grace")
    git(checkout, "config", "user.email", "grace@example.invalid")
    repository = opened(checkout, identity=False, GITHUB_ACTIONS="true")
    assert repository.about(repository.commit("HEAD", {"a": b"1"}, "a")).author == "Grace"


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


def test_a_push_goes_forward_only_and_a_moved_branch_rejects_it(remote, cloned):
    one, other = cloned(remote), cloned(remote, "two")
    first, second = (each.commit("HEAD", {"a": content}, "a") for each, content in ((one, b"1"), (other, b"2")))
    one.push(first, MAIN, expected=None)
    with pytest.raises(PushRejected, match="somebody was faster"):
        other.push(second, MAIN, expected=None)
    with pytest.raises(PushRejected, match="somebody was faster"):
        one.push(one.head(), MAIN, expected=None)
    assert remote.ref(MAIN) == first


@pytest.mark.parametrize("expected", ["", "1" * 40])
def test_a_ref_that_is_not_what_it_should_be_is_left_alone(remote, cloned, expected):
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


def test_the_default_branch_is_the_remote_s_or_else_the_one_that_is_checked_out(remote, cloned):
    repository = cloned(remote)
    git(repository.root, "checkout", "--quiet", "-b", "topic")
    assert repository.default_branch() == "main"
    git(remote.path, "symbolic-ref", "HEAD", "refs/heads/none-yet")
    assert repository.default_branch() == "topic"
    git(repository.root, "checkout", "--quiet", "--detach")
    with pytest.raises(GitError, match="no branch is checked out"):
        repository.default_branch()


def test_a_protected_branch_refuses_with_the_remote_s_own_words(remote, cloned):
    repository = cloned(remote)
    before, made = repository.head(), repository.commit("HEAD", {"a": b"1"}, "a")
    remote.refuse_pushes("GH006: Protected branch update failed", MAIN)
    for expected in (None, before):
        with pytest.raises(RemoteRefused, match="GH006: Protected branch update failed") as caught:
            repository.push(made, MAIN, expected=expected)
    assert MAIN in caught.value.message
    assert "rule" in caught.value.hint


def test_a_remote_that_is_gone_says_where_it_was_looked_for(checkout):
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
def test_what_a_server_refuses_is_told_without_the_credentials(http, cloned, status, kind, said):
    repository = cloned(http)
    made = repository.commit("HEAD", {"a": b"1"}, "a")
    http.status = status
    for ask in (lambda: repository.fetch("main"), lambda: repository.push(made, MAIN, expected=None)):
        with pytest.raises(kind, match=said) as caught:
            ask()
        assert PASSWORD not in caught.value.report
        assert http.url in caught.value.report


def test_a_remote_that_is_down_is_unreachable_and_told_without_the_credentials(cloned, tmp_path):
    http = HttpRemote(tmp_path, user="robot", password="canary/p@ss wörd%")
    http.close()
    repository = cloned(http)
    for ask in (lambda: repository.fetch("main"), lambda: repository.push("HEAD", MAIN, expected=None)):
        with pytest.raises(RemoteUnreachable, match=r"Failed to connect|refused") as caught:
            ask()
        assert "canary" not in caught.value.report + repr(repository.git) + str(repository.remote_url())


def test_a_remote_that_repeats_the_credentials_in_its_answer_gives_nothing_away(http, cloned):
    repository = cloned(http)
    http.refuse_pushes(f"no, {PASSWORD}")
    with pytest.raises(RemoteRefused, match=r"no, \*+") as caught:
        repository.push(repository.commit("HEAD", {"a": b"1"}, "a"), MAIN, expected=None)
    assert PASSWORD not in caught.value.report


def test_a_remote_that_never_answers_is_given_up_and_its_git_is_ended(http, cloned):
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


def test_no_credential_is_in_an_argument_of_a_process(http, cloned):
    http.accept_token("canary-token")
    root = cloned(http).root
    git(root, "remote", "set-url", "origin", http.url)
    environment = git_environment(GITHUB_ACTIONS="true", GITHUB_TOKEN="canary-token", GITHUB_SERVER_URL=http.address)
    code = f"""
from pathlib import Path
from reconciler.providers.git import Repository
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


def test_in_github_actions_the_token_goes_in_one_header_also_beside_the_one_that_checkout_left(http, cloned):
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


def test_settings_that_the_caller_gave_in_variables_still_hold(checkout):
    given = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "user.name", "GIT_CONFIG_VALUE_0": "From Variables"}
    git(checkout, "config", "user.email", "x@example.invalid")
    repository = opened(checkout, identity=False, **given)
    assert repository.about(repository.commit("HEAD", {"a": b"1"}, "a")).author == "From Variables"


# Kinds of clones.


def test_a_shallow_clone_says_what_is_missing_and_how_to_get_it(checkout, tmp_path):
    commit_files(checkout, {"other": "1"}, push=True)
    root = clone(SimpleNamespace(url=f"file://{tmp_path}/remote.git"), tmp_path / "shallow", "--depth=1")
    repository = opened(root)
    old = git(checkout, "rev-parse", "HEAD~1")
    for ask in (
        lambda: repository.last_change("HEAD", "desired-state/production.jsonc"),
        lambda: repository.changed_files(old, "HEAD"),
        lambda: repository.merge_base(old, "HEAD"),
    ):
        with pytest.raises(GitError, match="this clone is shallow") as caught:
            ask()
        assert "fetch-depth: 0" in caught.value.hint


def test_a_shallow_clone_with_a_detached_head_can_commit_and_push(checkout, tmp_path):
    commit_files(checkout, {"other": "1"}, push=True)
    root = clone(SimpleNamespace(url=f"file://{tmp_path}/remote.git"), tmp_path / "shallow", "--depth=1")
    git(root, "checkout", "--quiet", "--detach")
    repository = opened(root)
    made = repository.commit("HEAD", {"other": b"2"}, "2")
    assert ("", "main") == (repository.branch(), repository.default_branch())
    repository.push(made, MAIN, expected=repository.head())
    assert (made, made) == (repository.fetch("main"), repository.last_change(made, "other"))


def test_a_repository_of_sha256_works_all_the_same(tmp_path):
    bare = BareRemote(tmp_path, "--object-format=sha256")
    git(tmp_path, "init", "--quiet", "--object-format=sha256", "one")
    git(tmp_path / "one", "remote", "add", "origin", bare.url)
    repository = opened(tmp_path / "one")
    made = repository.commit("", {"a": b"1"}, "a")
    repository.push(made, MAIN, expected="")
    assert 64 == len(made)
    assert (made, b"1") == (repository.fetch("main"), repository.read("origin/main", "a"))


def test_a_second_work_tree_of_a_repository_is_one_too(checkout, tmp_path):
    git(checkout, "worktree", "add", "--quiet", "--detach", str(tmp_path / "second"))
    repository = opened(tmp_path / "second")
    assert (tmp_path / "second", "origin") == (repository.root, repository.remote)
    with pytest.raises(GitError, match="checked out"):
        repository.set_branch("main", repository.head())


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
def test_an_address_is_shown_without_what_is_secret_in_it(address, shown):
    assert without_user(address) == shown


def test_an_interrupted_git_is_ended_with_its_helpers(http, cloned):
    root = cloned(http).root
    code = f"""
from pathlib import Path
from reconciler.providers.git import Repository
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


def test_credentials_in_any_address_are_left_out_of_what_git_said(checkout):
    said = "fatal: unable to access 'https://user:p@ss@host/o/r.git/': no"
    assert Git.at(checkout, git_environment()).without_credentials(said) == (
        "fatal: unable to access 'https://host/o/r.git/': no"
    )


def test_git_in_a_directory_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(GitError, match="is not a directory"):
        Git.at(tmp_path / "gone", git_environment()).run("status")
