"""The table of guards in docs/guards.md is whole, and what it names exists."""

import ast
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

from reconciler import core
from reconciler.core.model.desired import Liftable
from reconciler.core.model.refusal import Refusal

_ROOT = Path(__file__).parents[2]
_TEXT = (_ROOT / "docs" / "guards.md").read_text()
_ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in _TEXT.splitlines() if line.startswith("| ")]
_GUARDS = [row for row in _ROWS if row[0].startswith("`")]


def _rules():
    for module in pkgutil.iter_modules(core.__path__):
        importlib.import_module(f"{core.__name__}.{module.name}")
    return {each.rule for each in Refusal.__subclasses__()}


def test_every_rule_that_can_refuse_stands_in_the_table_once():
    assert sorted(_rules()) == sorted(row[0].strip("`") for row in _GUARDS)


def test_the_table_says_of_exactly_those_guards_that_they_can_be_lifted():
    assert {each.value for each in Liftable} == {row[0].strip("`") for row in _GUARDS if row[3] == "yes"}


def test_the_readme_names_every_guard_that_can_be_lifted():
    readme = (_ROOT / "README.md").read_text()
    assert [each.value for each in Liftable if f"`{each.value}`" not in readme] == []


@pytest.mark.parametrize("row", [row for row in _ROWS if "tests/" in row[-1]], ids=lambda row: row[0])
def test_the_tests_that_a_row_names_exist(row):
    for name in re.findall("`([^`]+)`", row[-1]):
        path, _, function = name.partition("::")
        tree = ast.parse((_ROOT / path).read_text())
        names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        assert not function or function in names, f"{path} has no {function}"


def test_no_guard_is_without_a_test():
    assert [row[0] for row in _GUARDS if "tests/" not in row[-1]] == []
