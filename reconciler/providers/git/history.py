"""Reads how one file changed on a branch: one `git log` limited to the path, one `git cat-file --batch` for the texts.

The branch's own line is followed (git's first parent), so that each version is one that the branch really had, in the
order in which it had them; what a merge brought is one change of its authors. Of options that a person's
configuration can set, each that would change the answer is given.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.core.history.entries import Change
from reconciler.core.values.instant import Instant
from reconciler.providers.git.command import Git

# Fields are separated by NUL bytes, which neither a name nor a subject can contain. The raw difference follows them.
_FORMAT = "%x00%H%x00%P%x00%ct%x00%an%x00%s%x00"
_FIELDS = 6
_LOG = (
    "--literal-pathspecs", "log", "--full-history", "--parents", "--topo-order", "--root", "--raw", "--no-abbrev",
    "--diff-merges=first-parent", "--no-renames", "--no-follow", "--no-show-signature", "--no-notes", "--no-decorate",
    "--no-color", "--no-ext-diff", "--no-relative", "--encoding=UTF-8", f"--format={_FORMAT}",
)  # fmt: skip
_NAMES_SHOWN = 3


@dataclass(frozen=True, slots=True)
class _Record:
    """A commit that changed the file or is a merge. Blobs are ids, empty where the file was not there."""

    commit: str
    parents: tuple[str, ...]
    at: Instant
    author: str
    subject: str
    changed: bool
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class _Landed:
    """A change on the branch's own line, and the commits that a merge brought with it, newest first."""

    record: _Record
    merged: tuple[_Record, ...] = field(default=())


def changes_of(root: Path, path: str, environment: Mapping[str, str] = os.environ) -> tuple[Change, ...]:
    """Read the changes of a file up to HEAD, oldest first. `path` is from the repository's root.

    Nothing before the first commit. Raises GitError where Git cannot read its own history.
    """
    git = Git.at(root, environment)
    if git.attempt("rev-parse", "--quiet", "--verify", "HEAD^{commit}").status != 0:
        return ()
    landed = _landed(tuple(_records(git.run(*_LOG, "HEAD", "--", path).content)))
    blobs = git.blobs(blob for each in landed for blob in (each.record.before, each.record.after) if blob)
    texts = {blob: content.decode("utf-8", errors="surrogateescape") for blob, content in blobs.items()}
    return tuple(_change(each, texts) for each in landed)


def is_shallow(root: Path, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the clone is shallow, so that older changes can't be read."""
    return Git.at(root, environment).run("rev-parse", "--is-shallow-repository").text == "true"


def _records(log: bytes) -> Iterator[_Record]:
    parts = log.split(b"\0")[1:]
    for at in range(0, len(parts), _FIELDS):
        commit, parents, seconds, author, subject, raw = parts[at : at + _FIELDS]
        before, after = _blobs(raw)
        yield _Record(
            commit.decode(),
            tuple(parents.decode().split()),
            Instant(int(seconds) * 1000),
            author.decode(errors="replace"),
            subject.decode(errors="replace"),
            bool(before or after),
            before,
            after,
        )


def _blobs(raw: bytes) -> tuple[str, str]:
    """Read the ids from `:100644 100644 <id> <id> M<tab>path`; one of zeros means that the file is not there."""
    line = raw.strip()
    if not line.startswith(b":"):
        return "", ""
    _, _, before, after, _ = line.split(b"\t", 1)[0].decode().split(" ")
    return before.strip("0") and before, after.strip("0") and after


def _landed(records: Sequence[_Record]) -> tuple[_Landed, ...]:
    """Follow first parents back from the newest record; give what changed the file there, oldest first."""
    by_commit = {each.commit: each for each in records}
    line: list[_Record] = []
    record = records[0] if records else None
    while record is not None:
        line.append(record)
        record = by_commit.get(record.parents[0]) if record.parents else None
    seen: set[str] = set()
    landed: list[_Landed] = []
    for each in reversed(line):
        seen.add(each.commit)
        brought = tuple(_brought(each, by_commit, seen))
        if each.changed:
            landed.append(_Landed(each, brought))
    return tuple(landed)


def _brought(merge: _Record, by_commit: Mapping[str, _Record], seen: set[str]) -> Iterator[_Record]:
    """Give the commits that changed the file and came onto the branch by this merge, newest first."""
    waiting = list(merge.parents[1:])
    while waiting:
        record = by_commit.get(waiting.pop(0))
        if record is None or record.commit in seen:
            continue
        seen.add(record.commit)
        waiting += record.parents
        if record.changed:
            yield record


def _change(landed: _Landed, texts: Mapping[str, str]) -> Change:
    """Describe one change. A merge of one unaltered commit is shown, and undone, as that commit."""
    record, merged = landed.record, landed.merged
    shown = merged[0] if merged else record
    alone = len(merged) == 1 and (shown.before, shown.after) == (record.before, record.after)
    return Change(
        commit=shown.commit if alone else record.commit,
        at=record.at,
        author=_authors(merged) or record.author,
        subject=shown.subject,
        before=_text(record.before, texts),
        after=_text(record.after, texts),
        is_merge=len(record.parents) > 1 and not alone,
        commits=tuple(each.commit for each in (record, *merged)),
    )


def _authors(merged: Sequence[_Record]) -> str:
    names = list(dict.fromkeys(each.author for each in merged))
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(names[:_NAMES_SHOWN]) + more


def _text(blob: str, texts: Mapping[str, str]) -> str | None:
    """Give the text of a version. One that is not in this clone cannot be read, which is not the same as not there."""
    return texts.get(blob, "") if blob else None
