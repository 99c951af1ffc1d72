"""Receipts as Git notes: nothing is ever lost, whoever writes at the same time."""

import subprocess
import sys
import threading

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler.errors import RemoteRefused, RemoteUnreachable
from reconciler.providers.git.notes import Notes
from reconciler.providers.git.repository import NOTES, Repository
from tests.support.remotes import BareRemote, HttpRemote, clone, commit_files, copy_clone, git, git_environment

_PROCESS = """
import sys
from pathlib import Path
from reconciler.providers.git.repository import Repository
from reconciler.providers.git.notes import Notes
notes = Notes(Repository.containing(Path(sys.argv[1])))
sys.stdout.write("ready\\n"), sys.stdout.flush(), sys.stdin.readline()
for number in range(int(sys.argv[4])):
    notes.add(sys.argv[2], f"{sys.argv[3]}-{number}")
    notes.push()
"""


@pytest.fixture
def remote(tmp_path):
    return BareRemote(tmp_path)


@pytest.fixture
def first(remote, tmp_path):
    """A clone with one commit that is on the remote."""
    root = clone(remote, tmp_path / "first")
    commit_files(root, {"a": "1"}, push=True)
    return root


def opened(root, **environment):
    return Repository.containing(root, git_environment(**environment))


def notes_of(root, **environment):
    return Notes(opened(root, **environment))


def race(roots, commit, each):
    """Let a process for every root add and push this many lines, all at once; return the lines that there should be."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _PROCESS, str(root), commit, f"run{number}", str(each)],
            env=git_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for number, root in enumerate(roots)
    ]
    for process in processes:
        assert process.stdout.readline() == b"ready\n"
    for process in processes:
        process.stdin.write(b"\n")
        process.stdin.flush()
    ends = [(process.communicate()[1].decode(), process.returncode) for process in processes]
    assert ends == [("", 0)] * len(roots)
    return {f"run{number}-{line}" for number in range(len(roots)) for line in range(each)}


def test_added_lines_are_shown_by_git(first):
    notes, head = notes_of(first), git(first, "rev-parse", "HEAD")
    assert notes.all() == {}
    notes.add(head, '{"a":1}')
    notes.add(head, '{"b":"ü"}')
    notes.add(head, '{"a":1}')
    assert notes.all() == {head: ('{"a":1}', '{"b":"ü"}')}
    assert git(first, "notes", "--ref=reconciler", "show", head) == '{"a":1}\n{"b":"ü"}'


@pytest.mark.parametrize(
    ("commit", "line"), [("HEAD", "x"), ("1" * 39, "x"), ("1" * 40, "two\nlines"), ("1" * 40, " ")]
)
def test_a_receipt_is_one_line_on_one_commit(first, commit, line):
    with pytest.raises(ValueError, match="one line on the full id"):
        notes_of(first).add(commit, line)


def test_gits_own_notes_are_kept(first):
    head, notes = git(first, "rev-parse", "HEAD"), notes_of(first)
    git(first, "notes", "--ref=reconciler", "add", "-m", "by hand", head)
    repository = opened(first)
    beside = repository.commit(
        repository.resolve(NOTES), {"README": b"what this is", f"{head[:2]}/{head[2:]}": b"twice\n"}, "x"
    )
    git(first, "update-ref", NOTES, beside)
    notes.add("1" * 40, "elsewhere")
    assert sorted(notes.all()[head]) == ["by hand", "twice"]
    notes.add(head, "third")
    assert sorted(notes.all()[head]) == ["by hand", "third", "twice"]
    assert git(first, "cat-file", "blob", f"{NOTES}:README") == "what this is"


def test_two_clones_see_each_others_receipts(first, remote, tmp_path):
    second = copy_clone(first, tmp_path / "second", remote.url)
    head = git(first, "rev-parse", "HEAD")
    one, other = notes_of(first), notes_of(second)
    one.add(head, "one")
    other.add(head, "other")
    one.push()
    other.push()
    one.fetch()
    assert one.all() == other.all() == {head: ("one", "other")}
    assert git(first, "rev-parse", NOTES) == git(second, "rev-parse", NOTES) == remote.ref(NOTES)


def test_pushing_and_fetching_twice_changes_nothing(first, remote):
    notes = notes_of(first)
    notes.fetch()
    notes.push()
    assert remote.ref(NOTES) == ""
    notes.add("1" * 40, "line")
    notes.push()
    tip = remote.ref(NOTES)
    notes.push()
    notes.fetch()
    assert (tip, tip) == (remote.ref(NOTES), git(first, "rev-parse", NOTES))


_LINES = st.dictionaries(
    st.sampled_from(["1" * 40, "2" * 40, "a" * 40]), st.lists(st.sampled_from(["x", "y", "z"]), min_size=1, max_size=2)
)


@settings(max_examples=3)
@example(one={"1" * 40: ["x", "y"]}, other={"1" * 40: ["y", "z"], "2" * 40: ["x"]})
@given(one=_LINES, other=_LINES)
def test_a_merge_is_always_the_union(tmp_path_factory, one, other):
    directory = tmp_path_factory.mktemp("union")
    remote = BareRemote(directory)
    sides = []
    for name, lines in (("one", one), ("other", other)):
        git(directory, "init", "--quiet", name)
        git(directory / name, "remote", "add", "origin", remote.url)
        sides.append(notes_of(directory / name))
        for commit, texts in lines.items():
            for text in texts:
                sides[-1].add(commit, text)
    for notes in (*sides, sides[0]):
        notes.push()
    expected = {commit: {*one.get(commit, ()), *other.get(commit, ())} for commit in {**one, **other}}
    for notes in sides:
        assert expected == {commit: set(lines) for commit, lines in notes.all().items()}


def test_racing_clones_lose_no_receipt(first, remote, tmp_path):
    head = git(first, "rev-parse", "HEAD")
    roots = [copy_clone(first, tmp_path / f"clone{number}", remote.url) for number in range(3)]
    expected = race(roots, head, each=2)
    notes = notes_of(first)
    notes.fetch()
    assert expected == set(notes.all()[head])


def test_racing_processes_lose_no_receipt(first, remote):
    head = git(first, "rev-parse", "HEAD")
    expected = race([first] * 3, head, each=2)
    assert expected == set(notes_of(first).all()[head])
    assert git(first, "rev-parse", NOTES) == remote.ref(NOTES)


def test_racing_threads_over_http_lose_no_receipt(first, remote, tmp_path):
    http = HttpRemote(tmp_path)
    head = git(first, "rev-parse", "HEAD")
    roots = [copy_clone(first, tmp_path / f"clone{number}", http.url_with_credentials) for number in range(3)]
    clones = [notes_of(root) for root in roots]
    for number, notes in enumerate(clones):
        notes.add(head, f"run{number}")
    threads = [threading.Thread(target=notes.push) for notes in clones]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    http.close()
    git(first, "fetch", "--quiet", "origin", f"{NOTES}:{NOTES}")
    assert set(notes_of(first).all()[head]) == {"run0", "run1", "run2"}


def test_a_push_whose_answer_is_lost_was_done(first, tmp_path):
    http = HttpRemote(tmp_path)
    git(first, "remote", "set-url", "origin", http.url_with_credentials)
    notes = notes_of(first)
    notes.add("1" * 40, "line")
    http.drop_answers = 1
    notes.push()
    http.close()
    assert (0, git(first, "rev-parse", NOTES)) == (http.drop_answers, http.ref(NOTES))


def test_without_a_remote_receipts_are_kept_here(first):
    notes = notes_of(first, RECONCILER_REMOTE="")
    notes.add("1" * 40, "line")
    notes.push()
    notes.fetch()
    assert notes.all() == {"1" * 40: ("line",)}


def test_a_missing_remote_keeps_the_receipt_here(first, remote):
    notes = notes_of(first)
    notes.add("1" * 40, "line")
    remote.path.rename(remote.path.with_name("moved.git"))
    with pytest.raises(RemoteUnreachable, match=r"remote\.git"):
        notes.push()
    assert notes.all() == {"1" * 40: ("line",)}


def test_refused_notes_name_the_ref(first, remote):
    notes = notes_of(first)
    notes.add("1" * 40, "line")
    remote.refuse_pushes("no notes here", "refs/notes/*")
    with pytest.raises(RemoteRefused, match=r"refs/notes/reconciler.*no notes here"):
        notes.push()


def test_no_identity_is_needed_to_write_a_receipt(first):
    notes = notes_of(first, identity=False)
    notes.add("1" * 40, "line")
    assert notes.all() == {"1" * 40: ("line",)}


def test_who_only_reads_needs_no_identity_to_merge(first, remote, tmp_path):
    second = copy_clone(first, tmp_path / "second", remote.url)
    for root, line in ((first, "one"), (second, "other")):
        notes_of(root).add("1" * 40, line)
    notes_of(first).push()
    reader = notes_of(second, identity=False)
    reader.fetch()
    assert reader.all() == {"1" * 40: ("one", "other")}


def test_a_shallow_clone_gets_every_receipt(first, remote, tmp_path):
    commit_files(first, {"b": "1"}, push=True)
    notes = notes_of(first)
    for number in range(3):
        notes.add("1" * 40, f"line{number}")
    notes.push()
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{remote.path}", "shallow")
    shallow = notes_of(tmp_path / "shallow")
    shallow.add("1" * 40, "of the shallow one")
    shallow.push()
    notes.fetch()
    assert (
        {"line0", "line1", "line2", "of the shallow one"} == set(notes.all()["1" * 40]) == set(shallow.all()["1" * 40])
    )


def test_a_repository_of_sha256_has_receipts_too(tmp_path):
    git(tmp_path, "init", "--quiet", "--object-format=sha256", "one")
    notes = notes_of(tmp_path / "one")
    notes.add("1" * 64, "line")
    assert notes.all() == {"1" * 64: ("line",)}
