"""The tests that docs/drift.md names exist. Its rows themselves are carried out by the engine's tests."""

import ast
import re

import pytest

from tests.conformance import guards
from tests.support.drift_table import PATH, rows

_NAMED = re.findall(r"`(tests/[^`]+?)(?:::(\w+))?`", PATH.read_text())


@pytest.mark.parametrize(("path", "function"), _NAMED)
def test_the_tests_that_the_table_of_drift_names_exist(path, function):
    tree = ast.parse((PATH.parents[1] / path).read_text())
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert not function or function in names, f"{path} has no {function}"


def test_every_rule_that_the_table_of_drift_names_is_one():
    named = {row.answer.removeprefix("refused: ").strip("`") for row in rows() if row.answer.startswith("refused")}
    assert named
    assert named <= {each.rule for each in guards.refusals()}
