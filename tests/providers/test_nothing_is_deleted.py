"""Nothing is deleted, shown by reading the code: whoever adds a deletion has to name it here, and think about it."""

import ast
from pathlib import Path

import pytest

_PACKAGE = Path(__file__).parents[2] / "reconciler"
# The sandbox is the world that is acted on, and has deletions as Neon and Cloudflare have them.
_FILES = sorted(path for path in _PACKAGE.rglob("*.py") if "sandbox" not in path.relative_to(_PACKAGE).parts)

# Requests with the method DELETE, by the file and the function that sends them, and what they delete.
ALLOWED = {
    ("providers/github.py", "_delete_comment"): "a comment of ours that is there twice",
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


def test_no_path_in_the_code_deletes_anything_but_what_is_named_here():
    found = {
        (path.relative_to(_PACKAGE).as_posix(), function)
        for path in _FILES
        for function, _ in _found(path, ast.parse(path.read_text()))
    }
    assert found == set(ALLOWED)


@pytest.mark.parametrize("module", ["neon", "cloudflare"])
def test_the_providers_of_data_have_no_method_that_deletes(module):
    tree = ast.parse((_PACKAGE / "providers" / f"{module}.py").read_text())
    names = [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert [name for name in names if any(word in name for word in ("delete", "remove", "drop", "restore"))] == []
    assert list(_found(module, tree)) == []


def test_a_deletion_would_be_found():
    for code in ('await api.send("DELETE", path)', 'run("DROP DATABASE x")', "await client.delete(path)"):
        assert list(_found("x.py", ast.parse(f"async def f():\n    {code}")))
