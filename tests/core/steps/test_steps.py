"""Every step has a name, a sentence, a prediction, a rule that yields it, and an effect."""

import ast
import json
import re
from dataclasses import fields, replace
from inspect import isabstract
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler import core
from reconciler.core.model.desired import HttpGate, Method, Restore
from reconciler.core.plan.plan import plan
from reconciler.core.steps import STEPS, Part, Step, arguments
from reconciler.core.steps.branch import VerifyBranch
from reconciler.engine.effects import EFFECTS
from tests.core.files import DESIRED, asked, asking, hours_ago
from tests.core.worlds import WORLD, world_for

RESTORE = Restore(hours_ago(24), "inc-42")
GATED = replace(DESIRED, verify=replace(DESIRED.verify, http=(HttpGate("health", "https://961tech.example/"),)))
ROOT = Path(core.__file__).parents[1]
EVERY = pytest.mark.parametrize("kind", STEPS.values(), ids=list(STEPS))
# As receipts, JSON and digests have them since the first version.
WIRE_NAMES = {
    "AddCompute", "AwaitBranch", "AwaitCache", "ClearExpiry", "CreateBranch", "CreateChild", "CreateDatabase",
    "CreateHyperdrive", "DeleteBranch", "DeleteChild", "DeleteHyperdrive", "ExpireChild", "ExpireHeld", "FenceBranch",
    "LiftFence", "ProtectBranch", "ProtectChild", "RenameBranch", "RenewPassword", "RepointHyperdrive", "ResetChild",
    "RestartPool", "RestoreBranch", "SetCompute", "SetDefaultBranch", "SetHistory", "StageVersion", "SwitchTraffic",
    "UnprotectBranch", "UpdateHyperdrive", "UploadVersion", "VerifyBranch", "VerifyLive", "VerifyWorker",
    "WriteBinding",
}  # fmt: skip


def concrete(kind: type[Step]) -> set[type[Step]]:
    found = {each for child in kind.__subclasses__() for each in concrete(child)}
    return found if isabstract(kind) or "wire_name" not in vars(kind) else {*found, kind}


SOURCES = {
    str(file.relative_to(ROOT)): file.read_text() for file in ROOT.rglob("*.py") if ROOT / "sandbox" not in file.parents
}
YIELDED = {
    node.func.id
    for name, text in SOURCES.items()
    if name.startswith("core/rules/")
    for node in ast.walk(ast.parse(text))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
}


def test_wire_names_are_unique_and_never_change():
    assert set(STEPS) == WIRE_NAMES, "add a new step's wire name to WIRE_NAMES; those that are there never change"
    assert {each.__qualname__ for each in concrete(Step)} == {each.__qualname__ for each in STEPS.values()}


@EVERY
def test_a_rule_yields_every_step(kind):
    assert kind.__name__ in YIELDED, f"no module of core/rules/ calls {kind.__name__}(...), imported by its own name"


@EVERY
def test_every_step_has_an_effect(kind):
    assert kind in EFFECTS, f"no function in engine/effects/ has @effect_of(steps.{kind.__name__})"


@EVERY
def test_every_step_is_described_and_predicted_by_its_class(kind):
    assert not isabstract(kind)
    assert kind.phase
    assert kind.touches


@EVERY
def test_what_has_a_key_touches_the_checks(kind):
    assert Part.CHECKS in kind.touches or not (kind.key_prefix or kind.outdates)


READ_AS = {
    "project": Part.PROJECT, "branches": Part.BRANCHES, "configs": Part.HYPERDRIVE_CONFIGS,
    "accounts": Part.ROLES_AND_DATABASES, "databases": Part.ROLES_AND_DATABASES, "passed": Part.CHECKS,
}  # fmt: skip


@given(asked(), st.sampled_from(Method))
def test_a_prediction_changes_only_what_the_step_touches(desired, method):
    observed = world_for(desired, protected=True)
    for step in plan(asking(desired.primary.restore, desired, method), observed).steps:
        seen = step.predict(observed)
        changed = {each.name for each in fields(seen) if getattr(seen, each.name) != getattr(observed, each.name)}
        # The same look has the Workers from Cloudflare and their files.
        parts = {READ_AS[each] for each in changed - {"workers"}}
        assert parts <= step.touches, step
        assert "workers" not in changed or step.touches & {Part.WORKERS, Part.WRANGLER_FILES}, step
        observed = seen


@EVERY
def test_a_step_is_named_in_four_files_at_most(kind):
    named = [name for name, text in SOURCES.items() if re.search(rf"\b{kind.__name__}\b", text)]
    assert len(named) <= 4, named


@EVERY
def test_what_locks_the_project_starts_an_operation(kind):
    assert not kind.locks_project or Part.OPERATIONS in kind.touches


@given(asked())
def test_every_field_but_the_reason_is_json(desired):
    for step in plan(desired, world_for(desired, protected=True)).steps:
        values = arguments(step)
        assert set(values) == {field.name for field in fields(step)} - {"reason"}
        assert values == json.loads(json.dumps(values))


def test_json_has_names_for_moments_timelines_and_choices():
    steps = {step.wire_name: arguments(step) for step in plan(asking(RESTORE, GATED), WORLD).steps}
    assert (str(RESTORE.to), "origin") == (steps["CreateBranch"]["at"], steps["CreateBranch"]["source_timeline"])
    assert steps["VerifyBranch"]["gates"] == ["listings"]
    assert steps["UploadVersion"]["driver"] == "rebind"
    assert steps["VerifyLive"]["on_failure"] == "rollback"


def test_the_reason_is_no_part_of_a_step():
    (step, *_) = plan(asking(RESTORE), WORLD).steps
    assert step == replace(step, reason="said in other words")
    assert step != replace(step, name="main.candidate.other")


@pytest.mark.parametrize(
    ("at", "checks"),
    [(RESTORE.to, ("identity", "login", "tables", "listings")), (None, ("identity", "login", "listings"))],
)
def test_a_branch_is_checked_by_us_then_by_the_gates(at, checks):
    assert checks == VerifyBranch(branch="b", gates=("listings",), tables_at=at, reason="").checks
