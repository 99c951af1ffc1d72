"""What version 0.1 wrote is read today, and plans the same steps.

Each recording has, before and after an apply of version 0.1: the files, every answer of Neon and Cloudflare to one look
(from the sandbox), the time of that look, and the plan that version 0.1 made of it.
"""

import asyncio
import json
from pathlib import Path

import httpx
import pytest

from reconciler.cli.wiring import connected
from reconciler.core.file.reading import read_desired_state
from reconciler.core.plan.plan import plan
from reconciler.core.records import receipt
from reconciler.core.steps import STEPS, arguments
from reconciler.core.values.instant import Instant
from reconciler.engine.observe import observe

_HERE = Path(__file__).parent
_RECORDINGS = sorted(path.stem for path in _HERE.glob("*.json"))
_FILE = "desired-state/production.jsonc"


class _Clock:
    def __init__(self, now):
        self._now = now

    def now(self):
        return self._now

    def elapsed(self):
        return 0.0

    async def sleep(self, _seconds):
        raise AssertionError("one look waits for nothing")


def _replay(answers):
    """Answer every request as it was answered when it was recorded; one that was not made then fails."""

    async def answer(_transport, request):
        replies = answers[request.url.raw_path.decode()]
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        return httpx.Response(reply["status"], json=reply["json"], request=request)

    return answer


def _plan(recorded, root, monkeypatch):
    """Plan today what version 0.1 saw."""
    for name, text in recorded["files"].items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if isinstance(text, str) else json.dumps(text))
    account = next(path.split("/")[4] for path in recorded["answers"] if path.startswith("/client/"))
    environment = {
        "NEON_API_KEY": "key",
        "NEON_API_HOST": "http://127.0.0.1:1/api/v2",
        "CLOUDFLARE_API_TOKEN": "token",
        "CLOUDFLARE_API_BASE_URL": "http://127.0.0.1:1/client/v4",
        "CLOUDFLARE_ACCOUNT_ID": account,
    }
    now = Instant.parse(recorded["now"])
    desired = read_desired_state((root / _FILE).read_text(), file=_FILE, environment="production", now=now)
    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", _replay(recorded["answers"]))

    async def look():
        async with connected(desired, root, environment, clock=_Clock(now)) as ports:
            return await observe(desired, ports)

    return plan(desired, asyncio.run(look()))


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", _RECORDINGS)
def test_the_same_plan_is_made(name, when, tmp_path, monkeypatch):
    recorded = json.loads((_HERE / f"{name}.json").read_text())[when]
    found = _plan(recorded, tmp_path, monkeypatch)
    assert recorded["plan"] == {
        "live": str(found.live),
        "in_sync": found.in_sync,
        "steps": [[step.wire_name, arguments(step)] for step in found.steps],
        "refusals": [each.rule for each in found.refusals],
    }


def test_a_receipt_is_read():
    line = (_HERE / "receipt.jsonl").read_text().strip()
    found = receipt.parse(line)
    assert [each.step for each in found.steps] == ["CreateBranch", "LiftFence", "CreateChild"]


def test_the_steps_of_a_receipt_have_their_names_today():
    line = (_HERE / "receipt.jsonl").read_text().strip()
    assert {each.step for each in receipt.parse(line).steps} <= STEPS.keys()
