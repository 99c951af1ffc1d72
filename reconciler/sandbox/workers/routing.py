"""Which version of a Worker serves a request.

Rules from the Workers documentation: shares of a deployment (Gradual deployments), and the header in which a
request names a version, which counts only if that version is deployed, also at 0 % (Version overrides).
"""

import random
import re
from collections.abc import Mapping

from reconciler.sandbox.cloudflare.state import Script, Version

OVERRIDES = "Cloudflare-Workers-Version-Overrides"


def pick(script: Script, headers: Mapping[str, str]) -> Version:
    """Pick the version that serves a request."""
    shares = dict(script.deployments[0].split)
    wanted = _override(script.name, headers.get(OVERRIDES, ""))
    if wanted not in shares:
        (wanted,) = random.choices(list(shares), weights=list(shares.values()))  # noqa: S311 - traffic, no secret
    version = script.version(wanted)
    assert version is not None, "a deployment holds only versions of its script"
    return version


def _override(script: str, header: str) -> str:
    """Read the version that a header names: `script="version-id", other="…"`."""
    found = dict(re.findall(r'([\w.*-]+)\s*=\s*"([^"]*)"', header))
    return str(found.get(script, ""))
