"""Makes commits by plumbing: nothing is checked out, and neither the index nor the work tree is touched."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from reconciler.core.values.redaction import EVERYWHERE
from reconciler.errors import GitError, InputError
from reconciler.providers.git.command import Git

_FILE = "100644"
_FILES = ("100644", "100755")
_KINDS = {"120000": "a symbolic link", "160000": "a submodule", "040000": "a directory"}
_ACTIONS_NAME = "github-actions[bot]"
_ACTIONS_ADDRESS = "41898282+github-actions[bot]@users.noreply.github.com"


def identified(git: Git) -> Git:
    """Return a git that knows who commits: whom git's configuration names, or the bot of GitHub Actions.

    Raises GitError where neither is there.
    """
    known = (git.attempt("var", f"GIT_{role}_IDENT").status == 0 for role in ("AUTHOR", "COMMITTER"))
    if all(known):
        return git
    if git.environment.get("GITHUB_ACTIONS") == "true":
        return _as(git, _ACTIONS_NAME, _ACTIONS_ADDRESS)
    raise GitError(
        "git does not know who you are, and a commit needs an author",
        hint='git config --global user.name "Your Name"; git config --global user.email you@example.com',
    )


def nameless(git: Git) -> Git:
    """Return a git that commits as this tool: for what no person wrote, such as a lease."""
    return _as(git, "reconciler", "reconciler@localhost")


def _as(git: Git, name: str, address: str) -> Git:
    return git.with_variables(
        GIT_AUTHOR_NAME=name, GIT_AUTHOR_EMAIL=address, GIT_COMMITTER_NAME=name, GIT_COMMITTER_EMAIL=address
    )


def write_commit(git: Git, tree: str, parents: Sequence[str], message: str) -> str:
    """Write a commit object, unsigned and without any ref; return its id."""
    said = EVERYWHERE(message).encode("utf-8", "replace").decode()
    options = [option for parent in parents for option in ("-p", parent)]
    return git.run("commit-tree", "--no-gpg-sign", *options, "-F", "-", tree, given=said.encode()).text


def write_tree(git: Git, base: str, entries: Mapping[str, tuple[str, str]]) -> str:
    """Write the tree `base` (empty: nothing) with these entries, path -> (mode, blob); return its id."""
    with tempfile.TemporaryDirectory(prefix="reconciler-") as directory:
        apart = git.with_variables(GIT_INDEX_FILE=str(Path(directory) / "index"))
        apart.run("read-tree", base or "--empty")
        lines = (f"{mode} {blob}\t{path}\0" for path, (mode, blob) in entries.items())
        apart.run("update-index", "-z", "--index-info", given="".join(lines).encode(errors="surrogateescape"))
        return apart.run("write-tree").text


def write_blob(git: Git, content: bytes) -> str:
    """Write a blob, byte for byte; return its id."""
    return git.run("hash-object", "-w", "--no-filters", "--stdin", given=content).text


def tree_with(git: Git, parent: str, files: Mapping[str, bytes]) -> str:
    """Write a commit's tree with these files changed or added, their modes kept. Raises InputError for a wrong path."""
    modes = {path: _mode(git, parent, path) for path in files}
    entries = {path: (modes[path], write_blob(git, content)) for path, content in files.items()}
    return write_tree(git, parent, entries)


def _mode(git: Git, parent: str, path: str) -> str:
    """Return the mode of a file, also of one that is not there yet. Raises InputError where it cannot be a file."""
    parts = path.split("/")
    if not all(parts) or {".", ".."} & set(parts) or any(part.lower() == ".git" for part in parts):
        raise InputError(f"{path!r} is not the path of a file in a repository")
    if not parent:
        return _FILE
    for end in range(1, len(parts)):
        _refuse_unless(git, parent, "/".join(parts[:end]), ("040000", ""), path)
    return _refuse_unless(git, parent, path, (*_FILES, ""), path) or _FILE


def _refuse_unless(git: Git, parent: str, entry: str, wanted: Sequence[str], path: str) -> str:
    found = git.run("ls-tree", "-z", "--full-tree", parent, "--", entry).content.decode(errors="surrogateescape")
    mode = found.partition(" ")[0]
    if mode not in wanted:
        kind = _KINDS.get(mode, "a file")
        raise InputError(f"{path} cannot be written: {entry} is {kind} in {parent[:12]}", hint="name the file itself")
    return mode
