"""Expressions have the value that GitHub gives them, and filters match what GitHub says."""

import pytest

from tests.support.expressions import ExpressionError, Known, Scope
from tests.support.workflow_files import fits


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 == '1'", True), ("'A' == 'a'", True), ("null == ''", True), ("true == 1", True), ("'x' == 0", False),
        ("!''", True), ("1 < 2 && 2 >= 2", True), ("'' || 'b'", "b"), ("'a' && 'b'", "b"),
        ("(1 == 2) || false", False),
        ("'it''s'", "it's"), ("0x10", 16), ("-1.5", -1.5), ("github.event.list[1]", "two"), ("github['ref']", "main"),
        ("github.event.absent.deeper", None), ("GitHub_is", "here"), ("contains('Hello', 'ELL')", True),
        ("contains(github.event.list, 'TWO')", True), ("startsWith('abc', 'AB')", True),
        ("endsWith('abc', 'd')", False),
        ("format('{0}-{1}{{}}', 'a', 7)", "a-7{}"), ("join(github.event.list, '+')", "one+two"),
        ("fromJSON('[1, {\"a\": 2}]')[1].a", 2), ("toJSON('a\"b')", '"a\\"b"'),
        ("format('[{0}]', toJSON('x'))", '["x"]'),
    ],
)  # fmt: skip
def test_an_expression_has_the_value_that_github_gives_it(text, value):
    contexts = {"github": Known({"ref": "main", "event": {"list": ["one", "two"]}}), "GitHub_is": "here"}
    assert Scope(contexts).value(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "secrets.A", "nothing(1)", "github.misspelt", "1 +", "'open", "(1", "format('{0}')", "always()",
        "fromJSON('{')", "a b",
    ],
)  # fmt: skip
def test_an_expression_that_is_not_understood_is_an_error(text):
    with pytest.raises(ExpressionError):
        Scope({"github": Known({"ref": "main"}), "a": 1}).value(text)


def test_an_expression_alone_keeps_its_type_and_becomes_text_within_text():
    scope = Scope({"inputs": {"list": [1], "yes": True, "n": 7.0, "none": None}})
    assert scope.render("${{ inputs.list }}") == [1]
    assert scope.render("${{ inputs.yes }}/${{ inputs.n }}/${{ inputs.none }}/${{ '}}' }}") == "true/7//}}"
    with pytest.raises(ExpressionError):
        scope.render("a ${{ inputs.n")


@pytest.mark.parametrize(
    ("patterns", "name", "wanted"),
    [
        (["**/wrangler.jsonc"], "wrangler.jsonc", True), (["**/wrangler.jsonc"], "a/b/wrangler.jsonc", True),
        (["**/wrangler.jsonc"], "a/my-wrangler.jsonc", False), (["wrangler.jsonc"], "a/wrangler.jsonc", False),
        (["desired-state/**"], "desired-state/a/b", True), (["desired-state/*"], "desired-state/a/b", False),
        (["docs/**", "!docs/x.md"], "docs/x.md", False), (["*.js?"], "a.j", True), (["v[12].x"], "v2.x", True),
        (["v[12].x"], "v2yx", False),
    ],
)  # fmt: skip
def test_a_filter_matches_what_github_says(patterns, name, wanted):
    assert fits(patterns, name) is wanted
