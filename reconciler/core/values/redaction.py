"""Takes secrets out of text: the one place that everything passes before it leaves the process.

`EVERYWHERE` knows the value of every `Secret` that was ever made in this process. Standard output and standard error,
commits, receipts, what is said on GitHub and every file that others read pass through it, and so does every text of a
provider before it is cut, because half a secret is no longer found.
"""

import json
import re
from binascii import b2a_base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

STARS = "********"
# Every variable of an environment that holds a secret of ours, or that a child process could use against us.
CREDENTIALS = (
    "NEON_API_KEY",
    "CLOUDFLARE_API_TOKEN",
    "CLOUDFLARE_API_KEY",
    "DATABASE_URL",
    "PGPASSWORD",
    "GITHUB_TOKEN",
    "GH_TOKEN",
    "ACTIONS_RUNTIME_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
)
# A shorter value would be found in every other word, and protects nothing.
_SHORTEST = 3
# A sign, in lower case, that a text may hold it; what to look for; what to put there. Patterns are compiled when their
# sign is met: `--help` meets none.
_RULES = (
    # Lengths are bounded, or a hostile text would take minutes.
    # Up to the last @ before a blank or a quote: a password that is not encoded may contain one itself.
    ("://", r"""(postgres(?:ql)?://[^:/@\s"'<>`]{0,256}:)[^\s"'<>`]{1,512}@""", rf"\g<1>{STARS}@"),
    ("://", r"""(://[^:/@\s"'<>`]{0,256}:)[^/@\s"'<>`]{1,512}@""", rf"\g<1>{STARS}@"),
    ("password=", r"""([?&]password=)[^&\s"'<>`]+""", rf"\g<1>{STARS}"),
    ("password", r"""((?:^|\s)password\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s"'&<>`]+)""", rf"\g<1>{STARS}"),
    ('"', r"""("(?:password|secret|token|api_?key|authorization)"\s*:\s*")[^"]+(?=")""", rf"\g<1>{STARS}"),
    ("bearer ", r"((?i:bearer) +)[A-Za-z0-9._~+/=-]{8,}", rf"\g<1>{STARS}"),
    # What Neon makes for roles, and GitHub's tokens, wherever they turn up and whoever they belong to.
    ("npg_", r"\bnpg_[A-Za-z0-9]{8,}", STARS),
    ("gh", r"\b(?:gh[oprsu]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})", STARS),
)
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~")
_MARKDOWN = r"([\\`*_\[\]|~])"
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_HTML_ATTRIBUTE = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})


@dataclass(frozen=True, slots=True)
class Redaction:
    """The values that are hidden. Call it with a text to get the text without them."""

    hidden: set[str] = field(default_factory=set, repr=False)

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Hide the credentials of an environment."""
        made = cls()
        made.learn(environment)
        return made

    def learn(self, environment: Mapping[str, str]) -> None:
        """Hide the credentials of one more environment."""
        for name in CREDENTIALS:
            self.hide(environment.get(name, ""))

    def hide(self, secret: str) -> None:
        """Hide one more value, also inside JSON, an address, Markdown, HTML, or git's Authorization."""
        secret = secret.strip()
        if len(secret) >= _SHORTEST and secret not in self.hidden:
            self.hidden.update(_spellings(secret))

    def __call__(self, text: str) -> str:
        """Return the text with stars for everything that is hidden, and for what looks like a password or a token."""
        # The longest first: one secret may be a part of another.
        for secret in sorted(self.hidden, key=len, reverse=True):
            text = text.replace(secret, STARS)
        lower = text.lower()
        for sign, pattern, replacement in _RULES:
            if sign in lower:
                text = re.sub(pattern, replacement, text)
        return text


def _spellings(secret: str) -> tuple[str, ...]:
    encoded = secret.encode("utf-8", "surrogatepass")
    return (
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        _quoted(encoded, _PLAIN),
        _quoted(encoded, _PLAIN | {ord("/")}),
        secret.translate(_HTML),
        secret.translate(_HTML_ATTRIBUTE),
        re.sub(_MARKDOWN, r"\\\1", secret.translate(_HTML)),
        b2a_base64(encoded, newline=False).decode(),
        b2a_base64(b"x-access-token:" + encoded, newline=False).decode(),
    )


def _quoted(encoded: bytes, plain: frozenset[int]) -> str:
    """Quote for an address; `urllib.parse` takes longer to load than `--help` may take."""
    return "".join(chr(byte) if byte in plain else f"%{byte:02X}" for byte in encoded)


EVERYWHERE = Redaction()
