"""Takes credentials out of text: the one place that everything passes before it leaves a job."""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import quote

STARS = "********"
_CREDENTIALS = ("NEON_API_KEY", "CLOUDFLARE_API_TOKEN", "GITHUB_TOKEN", "GH_TOKEN", "ACTIONS_RUNTIME_TOKEN")
# Up to the last @ before a blank or a quote: a password that nobody has encoded may hold one itself.
_PASSWORD = re.compile(r"""(postgres(?:ql)?://[^:/@\s"'<>`]*:)[^\s"'<>`]+@""")
_PASSWORD_PARAMETER = re.compile(r"""(postgres(?:ql)?://[^\s"'<>`]*?[?&]password=)[^&\s"'<>`]+""")


@dataclass(frozen=True, slots=True)
class Redaction:
    """The values that are hidden. Call it with a text to get the text without them."""

    hidden: set[str] = field(default_factory=set, repr=False)

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Hide the credentials of an environment."""
        made = cls()
        for name in _CREDENTIALS:
            made.hide(environment.get(name, ""))
        return made

    def hide(self, secret: str) -> None:
        """Hide one more value, also where it stands in JSON, in an address, or in git's Authorization header."""
        secret = secret.strip()
        if secret:
            header = base64.b64encode(f"x-access-token:{secret}".encode()).decode()
            self.hidden.update((secret, json.dumps(secret)[1:-1], quote(secret, safe=""), header))

    def __call__(self, text: str) -> str:
        """Return the text with stars for everything that is hidden and for passwords in connection strings."""
        # The longest first: one secret may be a part of another.
        for secret in sorted(self.hidden, key=len, reverse=True):
            text = text.replace(secret, STARS)
        text = _PASSWORD.sub(rf"\g<1>{STARS}@", text)
        return _PASSWORD_PARAMETER.sub(rf"\g<1>{STARS}", text)
