"""What must hold however a run ends: users can write, and what was protected is."""

from dataclasses import replace

import pytest

from reconciler.core.model.observed import Annotation, Branch, Unknown
from reconciler.core.plan.safety_net import safety_net
from tests.core.files import BY_BRANCH, DESIRED, RESTORED, hours_ago
from tests.core.worlds import MADE, MAIN, PROJECT, WORLD

FENCED = replace(MAIN, endpoint=replace(MAIN.endpoint, fenced=True))
CANDIDATE = replace(MADE, mark=replace(MADE.mark, protects=True))
NAMELESS = {"verify": replace(DESIRED.verify, database="")}
UNREAD = Unknown("403")
# A person has renamed what is held, or the primary, after a run had died between its fence and its switch.
ASTRAY = Branch("br-held", "main.held.by-hand", hours_ago(9), MAIN.id, mark=Annotation("production", RESTORED))
LEFT = replace(FENCED, endpoint=replace(FENCED.endpoint, host="ep-left.neon.tech"))
REACHED = replace(MAIN, id="br-2", name="new")
LIFTED, PROTECTED = [("LiftFence", "main")], [("ProtectBranch", "main")]
CASES = {
    "nothing is half done": (BY_BRANCH, {}, []),
    "users are behind a fence": (BY_BRANCH, {"branches": (FENCED,)}, LIFTED),
    "and configs are unread": (BY_BRANCH, {"branches": (FENCED,), "configs": UNREAD}, LIFTED),
    "and no database is known": (replace(BY_BRANCH, **NAMELESS), {"branches": (FENCED,), "configs": UNREAD}, []),
    "signs disagree": (BY_BRANCH, {"branches": (FENCED, ASTRAY)}, LIFTED),
    "signs disagree, configs unread": (BY_BRANCH, {"branches": (FENCED, ASTRAY), "configs": UNREAD}, LIFTED),
    "signs disagree, a Worker unread": (BY_BRANCH, {"branches": (FENCED, ASTRAY), "workers": (UNREAD,)}, LIFTED),
    "signs disagree, no config": (BY_BRANCH, {"branches": (FENCED, ASTRAY), "configs": (), "workers": ()}, LIFTED),
    "signs disagree, no database": (replace(DESIRED, **NAMELESS), {"branches": (FENCED, ASTRAY)}, []),
    "users are on another": (BY_BRANCH, {"branches": (LEFT, REACHED, ASTRAY)}, []),
    "the primary was renamed": (
        BY_BRANCH, {"branches": (replace(FENCED, name="main.by-hand"),)}, [("LiftFence", "main.by-hand")]
    ),
    "it was protected": (BY_BRANCH, {"branches": (MAIN, CANDIDATE)}, PROTECTED),
    "it was protected, configs unread": (BY_BRANCH, {"branches": (MAIN, CANDIDATE), "configs": UNREAD}, PROTECTED),
    "branches unread": (DESIRED, {"branches": UNREAD}, []),
    "no primary": (DESIRED, {"branches": (replace(MAIN, name="other"), CANDIDATE)}, []),
    "protected": (DESIRED, {"branches": (replace(MAIN, protected=True), CANDIDATE)}, []),
    "project unread": (DESIRED, {"branches": (MAIN, CANDIDATE), "project": UNREAD}, []),
    "no room": (DESIRED, {"branches": (MAIN, CANDIDATE), "project": replace(PROJECT, plan="free_v3")}, []),
}  # fmt: skip


@pytest.mark.parametrize(("desired", "changes", "steps"), CASES.values(), ids=CASES)
def test_writes_and_protection_hold_however_a_run_ends(desired, changes, steps):
    found = safety_net(desired, replace(WORLD, **changes))
    assert [(step.wire_name, step.branch) for step in found] == steps
