"""The desired-state file of a drill's own environment, made from production's: the same wish, of other things.

What concerns the whole project or other branches is left out: a drill must not set it.
"""

import json
from typing import Any

from reconciler.core.drill.names import DrillNames
from reconciler.core.file import jsonc

_OF_THE_PROJECT = ("history_retention", "protected", "expire_on_neon", "unprotect_held")
_OF_OTHERS = ("$schema", "branches", "drill", "write_back")


def drill_file(text: str, names: DrillNames, workers: list[dict[str, str]], gates: list[dict[str, Any]]) -> str:
    """Return the text of the file. `workers` and `gates` (HTTP) are the drill's own, in the file's terms."""
    content = {key: value for key, value in jsonc.read(text).value.items() if key not in _OF_OTHERS}
    primary = {key: value for key, value in content["primary"].items() if key not in _OF_THE_PROJECT}
    # In place is documented for root branches only, and a drill's branch is a child.
    own = {"branch": names.branch, "restore": None, "method": "branch", "hold": "forever", "default": False}
    content["primary"] = primary | own
    if content.get("hyperdrive"):
        content["hyperdrive"] = content["hyperdrive"] | {"name": names.hyperdrive}
    content.pop("worker", None)
    if workers:
        content["worker"] = workers
    content["verify"] = {**content.get("verify", {}), "http": gates if workers else []}
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
