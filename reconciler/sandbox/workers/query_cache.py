"""Which queries Hyperdrive caches, and their answers.

From the Hyperdrive documentation (Query caching): only reads are cached, and none that calls a VOLATILE or STABLE
function. An answer lives for `max_age` and may be used for `stale_while_revalidate` longer. Only time removes it,
neither a write nor another origin. As there, only the text of a query counts. More careful than there, a query with a
function not known here as IMMUTABLE is not cached, nor one in a transaction, nor a named prepared statement.
"""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from reconciler.sandbox.wire.messages import Message

_LARGEST_ANSWER = 50 * 1024 * 1024
_QUOTED = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*\"""")
_CALL = re.compile(r"([a-z_][\w.]*|\?)\s*\(")
_CHANGING = """
    insert update delete merge into for lock nextval copy call do set show
    current_date current_time current_timestamp localtime localtimestamp
    current_user session_user user current_role current_schema current_catalog
"""
_KNOWN = """
    abs array_agg array_length avg bit_length bool_and bool_or btrim cast ceil char_length coalesce count
    exp floor greatest jsonb_agg least left length ln lower lpad ltrim max min mod nullif octet_length position power
    regexp_replace repeat replace reverse right round row row_number rpad rtrim sign split_part sqrt starts_with
    string_agg strpos substr substring sum trim trunc upper
    numeric decimal varchar char character
    all and any array as between by case distinct else except exists filter from group having in intersect is join
    lateral like limit materialized not offset on or over select some then union using values when where with within
"""
"""IMMUTABLE functions, and words of SQL that a parenthesis may follow."""


@dataclass(frozen=True)
class _Entry:
    answer: bytes
    until: float


@dataclass
class QueryCache:
    """The answers kept for one Hyperdrive config, by the bytes of the query with its parameters."""

    entries: dict[bytes, _Entry] = field(default_factory=dict)

    def find(self, question: bytes) -> bytes | None:
        """Return the answer; None if none is kept."""
        entry = self.entries.get(question)
        if entry is None or entry.until <= time.monotonic():
            self.entries.pop(question, None)
            return None
        return entry.answer

    def keep(self, question: bytes, answer: bytes, seconds: float) -> None:
        """Keep an answer for some seconds."""
        if len(answer) <= _LARGEST_ANSWER:
            self.entries[question] = _Entry(answer, time.monotonic() + seconds)


def is_cacheable(messages: Sequence[Message]) -> bool:
    """Return whether these messages are one whole query that may be cached."""
    kinds = b"".join(message.kind for message in messages)
    first = messages[0].content
    if kinds == b"Q":
        return _reads_only(first)
    unnamed = kinds[:1] == b"P" and first[:1] == b"\0"
    return unnamed and re.fullmatch(b"PB?D?B?D?ES", kinds) is not None and _reads_only(first[1:])


def _reads_only(text: bytes) -> bool:
    """Return whether a statement (up to a zero byte) only reads, and calls only IMMUTABLE functions."""
    statement = text.split(b"\0", 1)[0].decode(errors="replace").strip().rstrip(";").lower()
    bare = _QUOTED.sub("?", statement)
    if not bare.startswith(("select", "with")) or ";" in bare or "$$" in bare:
        return False
    if not set(_CHANGING.split()).isdisjoint(re.findall(r"[a-z_]\w*", bare)):
        return False
    return set(_KNOWN.split()).issuperset(_CALL.findall(bare))
