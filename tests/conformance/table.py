"""The table of `docs/sandbox.md`: which endpoints of Neon's API the sandbox serves. As a program, it writes it."""

import asyncio
import re
import sys
from enum import Enum
from pathlib import Path

from reconciler.sandbox.server import Sandbox
from tests.conformance import description
from tests.sandbox.neon_client import NeonClient, ProjectClient

_BEGIN, _END = "<!-- table: begin -->\n", "<!-- table: end -->"
_ABSENT = {"project_id": "absent-project-12345678", "branch_id": "br-absent-12345678"}


class State(Enum):
    """What the sandbox says to a call of an endpoint."""

    SERVED = "served"
    REFUSED = "501"
    UNKNOWN = "it takes it for no endpoint of Neon"


async def probe(environment, described):
    """Call every endpoint, on a project of its own, with ids that do not exist; give the state of each."""
    async with NeonClient(environment) as neon:
        made = await neon.post("/projects", json={"project": {"name": "probed"}})
        project = ProjectClient(neon, made.json()["project"]["id"])
        await project.settled()
        answers = {}
        for endpoint in described.endpoints:
            if str(endpoint) == "POST /projects":
                answers[endpoint] = _state(made)
                continue
            answers[endpoint] = _state(await neon.request(endpoint.method, _path(endpoint, project.id)))
        await project.settled()
        await neon.delete(project.path)
    return answers


def _path(endpoint, project):
    """Fill in a path: an absent project where the project itself could be lost by the call."""
    ids = _ABSENT | ({"project_id": project} if endpoint.path.count("/") > 2 else {})
    return re.sub(r"{(\w+)}", lambda found: ids.get(found[1], "absent"), endpoint.path)


def _state(answer):
    if answer.status_code == 501:
        return State.REFUSED
    unrouted = answer.status_code == 404 and answer.json()["message"].startswith("there is no ")
    return State.UNKNOWN if unrouted else State.SERVED


def render(answers):
    """Write the table: a line for each path."""
    lines = ["| path | served | 501 |", "|---|---|---|"]
    for path in dict.fromkeys(endpoint.path for endpoint in answers):
        cells = [
            " ".join(each.method for each, state in answers.items() if each.path == path and state is wanted)
            for wanted in (State.SERVED, State.REFUSED)
        ]
        lines.append(f"| `{path}` | {cells[0]} | {cells[1]} |")
    return "\n".join(lines) + "\n"


def between(text):
    """Give the table in a text."""
    return text.partition(_BEGIN)[2].partition(_END)[0]


async def _main(document):
    path = description.path_of_description()
    if path is None:
        sys.exit(f"{description.VARIABLE} must give the path of Neon's API description")
    sandbox = Sandbox(empty=True)
    await sandbox.start()
    try:
        answers = await probe(sandbox.environment, description.read(path))
    finally:
        await sandbox.stop()
    head, _, rest = document.read_text().partition(_BEGIN)
    document.write_text(head + _BEGIN + render(answers) + _END + rest.partition(_END)[2])
    sys.stdout.writelines(f"{each}: {state.value}\n" for each, state in answers.items() if state is State.UNKNOWN)


if __name__ == "__main__":
    asyncio.run(_main(Path(__file__).parents[2] / "docs" / "sandbox.md"))
