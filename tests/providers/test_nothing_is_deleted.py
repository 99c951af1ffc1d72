"""What is deleted or overwritten, shown by reading the code: whoever adds anything names it here, with its reason."""

import ast
import functools
from pathlib import Path

import pytest

from reconciler.core.values.secret import Secret
from reconciler.errors import ProviderError
from reconciler.providers import neon
from reconciler.providers.clock import SystemClock
from reconciler.providers.http.client import Api

_PACKAGE = Path(__file__).parents[2] / "reconciler"
# The sandbox is the world that is acted on, and has deletions as Neon and Cloudflare have them.
_FILES = sorted(path for path in _PACKAGE.rglob("*.py") if "sandbox" not in path.relative_to(_PACKAGE).parts)


@functools.cache
def _calls():
    """List every function of ours, as (file, function, the names of whatever it calls)."""
    return [
        (path.relative_to(_PACKAGE).as_posix(), function.name, {_called(call) for call in _nodes(function, ast.Call)})
        for path in _FILES
        for function in _nodes(ast.parse(path.read_text()), ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def _nodes(tree, kind):
    return (node for node in ast.walk(tree) if isinstance(node, kind))


def _called(call):
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


# Requests with the method DELETE, by the file and the function that sends them, and what they delete.
ALLOWED = {
    # A comment of ours that is there twice.
    ("providers/github/client.py", "_delete_comment"),
    # What verified a restore in place, is held too long, or was declared: `rules.retention`, `rules.declared`.
    ("providers/neon/branches.py", "delete_branch"),
    # A config that points to what is held too long, or nowhere: `rules.retention.pruning`.
    ("providers/cloudflare/hyperdrive.py", "delete_config"),
    # The Worker of a drill: `drill.leftovers`.
    ("providers/cloudflare/workers.py", "delete_worker"),
}
# Ways to delete over HTTP, in SQL, and with the official command lines.
_WORDS = ("DELETE", "DROP ", "TRUNCATE")


def _found(path, tree):
    """Find what could delete something at a provider: (function, what)."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(_WORDS):
                    yield function.name, node.value
                if isinstance(node, ast.Attribute) and node.attr == "delete":
                    yield function.name, ".delete"


def test_no_code_deletes_anything_else():
    found = {
        (path.relative_to(_PACKAGE).as_posix(), function)
        for path in _FILES
        for function, _ in _found(path, ast.parse(path.read_text()))
    }
    assert found == ALLOWED


@pytest.mark.parametrize(
    ("module", "known"),
    [("neon", ["restore_branch", "delete_branch"]), ("cloudflare", ["delete_config", "delete_worker"])],
)
def test_only_these_methods_delete_or_overwrite(module, known):
    names = [function for file, function, _ in _calls() if file.startswith(f"providers/{module}/")]
    assert [name for name in names if any(word in name for word in ("delete", "remove", "drop", "restore"))] == known


def _callers(called):
    """Find who calls a function, a method or a class, as (file, function)."""
    return ((file, function) for file, function, calls in _calls() if called in calls)


@pytest.mark.parametrize(
    ("method", "step", "rules", "takes", "drills"),
    [
        (
            "delete_branch",
            "DeleteBranch",
            [("core/rules/restore/in_place.py", "delete_proof_branch"), ("core/rules/retention/pruning.py", "_delete")],
            [("declared", "_delete"), ("primary", "_delete_branch")],
            [("cli/drill/sweep.py", "_branches")],
        ),
        (
            "delete_config",
            "DeleteHyperdrive",
            [("core/rules/retention/pruning.py", "_next_orphan"), ("core/rules/retention/pruning.py", "_delete")],
            [("hyperdrive", "_delete")],
            [("cli/drill/sweep.py", "_sweep_configs")],
        ),
        (
            "restore_branch",
            "RestoreBranch",
            [("core/rules/restore/in_place.py", "restore")],
            [("primary", "_restore_branch")],
            [],
        ),
    ],
)
def test_only_these_rules_delete_or_overwrite(method, step, rules, takes, drills):
    """They ask `holding_pen.deletion`, `holding_pen.pen` and `guards.in_place`, at the plan and again right before.

    A drill takes away what it has made itself, as `core.drill.leftovers` lets it.
    """
    assert list(_callers(method)) == [*drills, *((f"engine/effects/{module}.py", each) for module, each in takes)]
    assert list(_callers(step)) == rules


def test_only_these_rules_remove_protection():
    """For as long as a restore in place takes, as the file says, or in the step that deletes what it was taken from."""
    effects = [("engine/effects/primary.py", "_unprotect_branch"), ("engine/effects/primary.py", "_delete_branch")]
    assert list(_callers("unprotect")) == effects
    rules = ("core/rules/project/settings.py", "_protection"), ("core/rules/restore/in_place.py", "restore")
    assert list(_callers("UnprotectBranch")) == list(rules)


def test_only_these_rules_set_an_expiration():
    effects = [("engine/effects/branch.py", "_expire_held_branch"), ("engine/effects/declared.py", "_expire")]
    assert list(_callers("expire")) == effects
    assert list(_callers("ExpireHeldBranch")) == [("core/rules/retention/expiry.py", "_expire")]
    assert list(_callers("ExpireDeclaredBranch")) == [("core/rules/declared/converge.py", "_expire")]


@pytest.mark.anyio
@pytest.mark.parametrize(("point", "keep_as"), [("", "main.held"), ("0/1", "")])
async def test_no_restore_in_place_without_point_and_name(point, keep_as):
    """Were anything sent, it would be refused in other words: nobody listens there."""
    api = Api(neon.POLICY, "http://127.0.0.1:9/api/v2", Secret("neon-key-of-nobody"))
    with pytest.raises(ProviderError, match="is not restored without a point, or without what it holds kept"):
        await neon.NeonApi(api, SystemClock()).restore_branch("p", "br-main", "br-main", point, keep_as)
    await api.close()


@pytest.mark.parametrize(
    ("step", "rules"),
    [("ResetDeclaredBranch", ["_reset"]), ("DeleteDeclaredBranch", ["_delete_older_records", "_delete_undeclared"])],
)
def test_only_these_rules_reset_declared_branches(step, rules):
    assert list(_callers("reset_branch")) == [("engine/effects/declared.py", "_reset")]
    assert list(_callers(step)) == [("core/rules/declared/converge.py", rule) for rule in rules]


@pytest.mark.anyio
async def test_no_reset_without_a_name_to_keep():
    api = Api(neon.POLICY, "http://127.0.0.1:9/api/v2", Secret("neon-key-of-nobody"))
    with pytest.raises(ProviderError, match="is not reset without what it holds kept"):
        await neon.NeonApi(api, SystemClock()).reset_branch("p", "br-staging", "br-main", "")
    await api.close()


def test_a_deletion_would_be_found():
    for code in ('await api.send("DELETE", path)', 'run("DROP DATABASE x")', "await client.delete(path)"):
        assert list(_found("x.py", ast.parse(f"async def f():\n    {code}")))
