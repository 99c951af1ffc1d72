"""The Git repository on this machine: where it is, what is in it, what is made, and who commits."""

import subprocess
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.errors import GitError, InputError
from reconciler.providers.git.command import Git
from tests.providers.git_repository.clones import FILES, MAIN, opened
from tests.support.remotes import (
    BareRemote,
    clone,
    commit_files,
    git,
    git_environment,
)

# Where it is.


def test_outside_of_a_repository_there_is_none(tmp_path):
    assert opened(tmp_path) is None


def test_a_bare_repository_is_none(checkout, tmp_path):
    assert opened(tmp_path / "remote.git") is None
    assert opened(checkout / ".git") is None


def test_the_repository_is_found_from_below_its_root(checkout):
    assert opened(checkout / "läden und mehr").root == checkout


def test_a_hooks_git_variables_are_ignored(checkout, tmp_path):
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
def test_the_remote_is_origin_or_the_named_one(checkout, value, expected):
    git(checkout, "remote", "add", "upstream", "https://user:canary@example.invalid/o/r.git")
    given = {} if value is None else {"RECONCILER_REMOTE": value}
    repository = opened(checkout, **given)
    assert repository.remote == expected
    if expected == "upstream":
        assert repository.remote_url() == "https://example.invalid/o/r.git"


def test_a_named_but_missing_remote_is_an_error(checkout):
    with pytest.raises(GitError, match="no remote of that name"):
        opened(checkout, RECONCILER_REMOTE="orgin")


def test_without_a_remote_local_work_succeeds(checkout):
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


def test_files_are_read_as_bytes_under_any_name(checkout):
    repository = opened(checkout)
    head = repository.head()
    assert repository.read(head, "desired-state/production.jsonc") == b"{}\r\n"
    assert repository.read("HEAD", "läden und mehr/ä.txt") == b"eins"
    assert [None, None] == [repository.read(head, "desired-state"), repository.read(head, "missing")]
    assert repository.list(head, "läden und mehr") == ("läden und mehr/ä.txt",)
    assert set(repository.list(head, "")) == set(FILES)
    assert repository.list(head, "nothing") == ()


def test_a_lost_file_is_an_error_not_absent(checkout):
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


def test_a_files_last_change_is_found(checkout):
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


def test_an_option_is_no_commit(checkout):
    assert opened(checkout).resolve("--all") is None


def test_a_missing_commit_is_named(checkout):
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


def test_an_uncommitted_file_differs_even_if_ignored(checkout):
    (checkout / ".gitignore").write_text("new\n")
    (checkout / "new").write_text("1")
    repository = opened(checkout)
    assert [True, False] == [
        repository.differs_from_head("new"),
        repository.differs_from_head("neither here nor there"),
    ]


def test_converted_line_ends_are_no_difference(checkout):
    commit_files(checkout, {"lines": "a\nb\n"})
    git(checkout, "config", "core.autocrlf", "true")
    (checkout / "lines").write_bytes(b"a\r\nb\r\n")
    assert opened(checkout).differs_from_head("lines") is False


# What is made.


def test_a_commit_leaves_index_and_work_tree_alone(checkout):
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


def test_no_program_of_the_checkout_is_run(checkout, tmp_path):
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


def test_a_branch_is_set_unless_checked_out(checkout):
    repository = opened(checkout)
    made = repository.commit("HEAD", {"a": b"1"}, "a")
    repository.set_branch("restore/production/r-1", made)
    repository.set_branch("restore/production/r-1", "HEAD")
    assert repository.resolve("restore/production/r-1") == repository.head()
    with pytest.raises(GitError, match="checked out"):
        repository.set_branch("main", made)


# Who commits.


def test_without_an_identity_the_error_says_how(checkout):
    repository = opened(checkout, identity=False, EMAIL="somebody@example.invalid")
    with pytest.raises(GitError, match="who you are") as caught:
        repository.commit("HEAD", {"a": b"1"}, "a")
    assert "user.email" in caught.value.hint


def test_the_bot_commits_in_github_actions(checkout):
    repository = opened(checkout, identity=False, GITHUB_ACTIONS="true")
    made = repository.commit("HEAD", {"a": b"1"}, "a")
    bot = "github-actions[bot] <41898282+github-actions[bot]@users.noreply.github.com>"
    assert git(checkout, "log", "-1", "--format=%an <%ae>%n%cn <%ce>", made).splitlines() == [bot, bot]


def test_the_configured_identity_commits_also_in_github_actions(checkout):
    git(checkout, "config", "user.name", "Grace")
    git(checkout, "config", "user.email", "grace@example.invalid")
    repository = opened(checkout, identity=False, GITHUB_ACTIONS="true")
    assert repository.about(repository.commit("HEAD", {"a": b"1"}, "a")).author == "Grace"


# Kinds of clones.


def test_a_shallow_clone_says_what_is_missing(checkout, tmp_path):
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


def test_a_shallow_detached_clone_can_push(checkout, tmp_path):
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


def test_a_second_work_tree_is_a_repository(checkout, tmp_path):
    git(checkout, "worktree", "add", "--quiet", "--detach", str(tmp_path / "second"))
    repository = opened(tmp_path / "second")
    assert (tmp_path / "second", "origin") == (repository.root, repository.remote)
    with pytest.raises(GitError, match="checked out"):
        repository.set_branch("main", repository.head())


# What git is not run for.


def test_git_in_a_missing_directory_is_an_error(tmp_path):
    with pytest.raises(GitError, match="is not a directory"):
        Git.at(tmp_path / "gone", git_environment()).run("status")
