"""The JSONC reader takes what wrangler takes, refuses what it refuses, and knows where everything stands."""

import json
import sys

import json5
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.file.jsonc import MAXIMUM_DEPTH, Document, Span, read, replace_value
from reconciler.errors import JsoncError

CONFIG = """\
// the Worker
{
  "name": "api", /* its "name", with a } */
  "hyperdrive": [
    { "binding": "CACHE", "id": "aaa" }, // { "binding": "HYPERDRIVE" }
    { "binding": "HYPERDRIVE", "id": "bbb", },
  ],
}
"""


def refusal(text):
    with pytest.raises(JsoncError) as caught:
        read(text)
    error = caught.value
    error.message.encode()
    return error


def at(text, message):
    """The refusal of `text` with ^ before the place that it should name."""
    error = refusal(text.replace("^", ""))
    before = text[: text.index("^")]
    lines = before.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    assert (len(lines), len(lines[-1].removeprefix("\ufeff")) + 1) == (error.line, error.column)
    assert message in error.message
    return error


class TestReading:
    def test_comments_and_trailing_commas_are_read_over(self):
        assert read(CONFIG).value == {
            "name": "api",
            "hyperdrive": [{"binding": "CACHE", "id": "aaa"}, {"binding": "HYPERDRIVE", "id": "bbb"}],
        }

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("0", 0),
            ("-0.5e-3", -0.0005),
            ("1E2", 100.0),
            ("12345678901234567890", 12345678901234567890),
            ("true", True),
            ("null//", None),
            ("/**//***/[/*,*/]", []),
            ("\ufeff{}", {}),
            ('\r\n"\\u00e9\\/\\ud83d\\ude00\u2028\\b\\f\\n\\r\\t\\\\\\""', 'é/😀\u2028\b\f\n\r\t\\"'),
            ('{"": {"": 1}}', {"": {"": 1}}),
            ("// one\r[1]", [1]),
        ],
    )
    def test_strict_json_is_read_as_json(self, text, value):
        document = read(text)
        assert value == document.value
        assert type(value) is type(document.value)

    def test_of_repeated_keys_the_last_counts(self):
        text = '{"a": {"b": [1]}, "x": 0, "\\u0061": {"c": 2}}'
        document = read(text)
        assert document.value == {"a": {"c": 2}, "x": 0}
        assert Span(text.index('{"c'), len(text) - 1) == document.span(("a",))
        with pytest.raises(KeyError):
            document.span(("a", "b"))
        (duplicate,) = document.duplicates
        assert (duplicate.name, duplicate.path) == ("a", ("a",))
        assert text[duplicate.start : duplicate.end] == '"\\u0061"'
        assert document.key_span(("a",)) == Span(duplicate.start, duplicate.end)

    def test_repeated_keys_have_their_paths(self):
        document = read('{"e": {"p": [{"id": 1, "id": 2, "id": 3}]}, "e": 1}')
        assert [d.path for d in document.duplicates] == [("e", "p", 0, "id"), ("e", "p", 0, "id"), ("e",)]

    def test_equal_keys_of_objects_are_no_duplicates(self):
        assert read('[{"id": 1}, {"id": 2, "x": {"id": 3}}]').duplicates == ()

    def test_spans_hold_the_value_and_the_key(self):
        document = read(CONFIG)
        span = document.span(("hyperdrive", 1, "id"))
        key = document.key_span(("hyperdrive", 1, "id"))
        assert CONFIG[span.start : span.end] == '"bbb"'
        assert CONFIG[key.start : key.end] == '"id"'
        assert document.line_and_column(span.start) == (6, 38)
        assert CONFIG[CONFIG.index("{\n") : -1] == CONFIG[document.span(()).start : document.span(()).end]

    @pytest.mark.parametrize("path", [(), ("hyperdrive", 0)])
    def test_what_has_no_key_has_no_key_span(self, path):
        with pytest.raises(KeyError):
            read(CONFIG).key_span(path)

    @pytest.mark.parametrize("path", [("none",), ("hyperdrive", 2), ("name", 0), ("hyperdrive", "0")])
    def test_what_is_not_there_has_no_span(self, path):
        with pytest.raises(KeyError):
            read(CONFIG).span(path)

    def test_lines_and_columns_count_from_one(self):
        text = '\ufeff{\r\n"a":\r1,\n\n"é😀": 2}'
        document = read(text)
        assert document.line_and_column(0) == (1, 1)
        assert document.line_and_column(1) == (1, 1)
        assert document.line_and_column(text.index('"a"')) == (2, 1)
        assert document.line_and_column(text.index("1")) == (3, 1)
        assert document.line_and_column(text.index("2")) == (5, 7)


class TestRefusing:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("^", "expected a value, found the end of the file"),
            ("\ufeff^", "expected a value, found the end of the file"),
            ("// nothing\n^", "expected a value, found the end of the file"),
            ('{"a": "b" ^: 1}', "expected ',' or '}' after this value, found ':'"),
            ('{"a": 1\r\n^"b": 2}', "expected ',' or '}' after this value, found '\"'"),
            ("[1 ^2]", "expected ',' or ']' after this value, found '2'"),
            ('{"a" ^1}', "expected ':' after this key, found '1'"),
            ('{"a":^}', "expected a value after ':', found '}'"),
            ('{"a": 1,^,}', "expected a key in double quotes or '}', found ','"),
            ("{^,}", "expected a key in double quotes or '}', found ','"),
            ("[^,]", "expected a value or ']', found ','"),
            ("[1,^,]", "expected a value or ']', found ','"),
            ("{^name: 1}", "expected a key in double quotes or '}', found 'name'"),
            ("{^'a': 1}", "expected a key in double quotes or '}', found a single quote"),
            ("[^'a']", "expected a value or ']', found a single quote"),
            ("{} ^{}", "expected the end of the file after this value, found '{'"),
            ("1 ^x", "expected the end of the file after this value, found 'x'"),
            ("{^", "expected a key in double quotes or '}', found the end of the file"),
            ('{"a"^', "expected ':' after this key, found the end of the file"),
            ('{"a":^', "expected a value after ':', found the end of the file"),
            ('{"a":1^', "expected ',' or '}' after this value, found the end of the file"),
            ("[1,^", "expected a value or ']', found the end of the file"),
            ("[1]\n^/* open", "comment is never closed"),
            ("^/*/", "comment is never closed"),
            ("[1] ^/", "found '/'"),
            ('[^"abc', "isn't closed: expected '\"' before the end of the file"),
            ('[^"abc\n"]', "isn't closed: expected '\"' before the end of the line"),
            ('[^"abc\\"]', "isn't closed"),
            ('["a^\\x41"]', "found '\\x'"),
            ('["a^\\\n"]', "found '\\' before U+000A"),
            ('["^\\', "found '\\'"),
            ('["^\\u12g4"]', "four hexadecimal digits"),
            ('["^\\u12', "four hexadecimal digits"),
            ('["a^\tb"]', "found U+0009 in a string"),
            ('["a^\x00b"]', "found U+0000 in a string"),
            ('["^\\ud800"]', "half of a surrogate pair"),
            ('["^\\udc00\\ud800"]', "half of a surrogate pair"),
            ('["^\\ud800\\u0041"]', "half of a surrogate pair"),
            ('["^\\ud800\\ud800\\udc00"]', "half of a surrogate pair"),
            ('["ab^\ud800"]', "half of a surrogate pair"),
            ("[^NaN]", "found 'NaN'"),
            ("[^Infinity]", "found 'Infinity'"),
            ("[^undefined]", "found 'undefined'"),
            ("[^True]", "found 'True'"),
            ("[^-]", "found '-'"),
            ("[^1e999]", "too large"),
            ("[^" + "9" * 5000 + "]", "too large"),
            ("[1,^\u00a02]", "found U+00A0 NO-BREAK SPACE, which isn't white space here"),
            ("[1^\u2028]", "found U+2028 LINE SEPARATOR, which isn't white space here"),
            ("[1,\f^2]".replace("\f^", "^\f"), "found U+000C, which isn't white space here"),
            ("{^\v}", "found U+000B, which isn't white space here"),
            ("[1,^\ufeff2]", "found U+FEFF ZERO WIDTH NO-BREAK SPACE, a byte order mark that isn't at the start"),
            ("\ufeff^\ufeff{}", "a byte order mark that isn't at the start"),
            ("^# no\n{}", "found '#'"),
            ("^<!-- no -->{}", "found '<!--'"),
            ("[^\u0661]", "found '\u0661'"),
            ("[^“a”]", "found '“a”'"),
        ],
    )
    def test_the_first_error_is_named_with_its_place(self, text, message):
        at(text, message)

    @pytest.mark.parametrize(
        "number", ["+1", "01", "-01", "1.", ".5", "-.5", "0x1F", "1e", "1e+", "0b1", "1_000", "00"]
    )
    def test_numbers_are_plain_json_numbers(self, number):
        error = at(f'{{"a": ^{number}}}', "expected a decimal number")
        assert number in error.message

    def test_utf_16_gets_a_hint(self):
        assert "UTF-8" in at("^\ufffe{\x00}", "found U+FFFE").hint
        assert "UTF-8" in at("{^\x00}\x00", "found U+0000").hint

    @pytest.mark.parametrize("bracket", ["[", '{"a":', '[{"a":'])
    def test_nesting_has_a_limit_far_from_the_stack(self, bracket):
        closing = {"[": "]", '{"a":': "}", '[{"a":': "}]"}[bracket]
        fits = MAXIMUM_DEPTH // (2 if bracket == '[{"a":' else 1)
        assert read(bracket * fits + "0" + closing * fits).value
        assert f"deeper than {MAXIMUM_DEPTH} levels" in refusal(bracket * (fits + 1) + closing * (fits + 1)).message
        assert "deeper than" in refusal(bracket * 100_000).message

    def test_nesting_is_refused_on_a_full_stack(self):
        def deep(levels):
            return deep(levels - 1) if levels else read("[" * 99 + "]" * 99).value

        depth, frame = 0, sys._getframe()
        while frame := frame.f_back:
            depth += 1
        assert deep(sys.getrecursionlimit() - depth - 300)

    @pytest.mark.parametrize("text", ["{name: 'api'}", "[0x1F]", "[+1, .5, NaN]", "[1,\u00a02]", '["a\\\nb"]'])
    def test_what_only_json5_reads_is_told_so(self, text):
        assert "JSON5, which wrangler refuses" in refusal(text).hint

    @pytest.mark.parametrize("text", ["{", "[,]", "[" * 5000, "{a:" * 5000 + "}" * 5000, "[01]" + " " * 20_000])
    def test_what_is_no_json5_gets_no_hint(self, text):
        assert "JSON5" not in refusal(text).hint

    def test_a_large_file_is_not_read_as_json5(self):
        assert refusal("['a'," + "1," * 20_000 + "]").hint == ""


class TestReplacing:
    def test_only_the_value_changes(self):
        edited = replace_value(read(CONFIG), ("hyperdrive", 1, "id"), "ccc")
        assert CONFIG.replace("bbb", "ccc") == edited

    def test_the_repeated_key_that_counts_is_replaced(self):
        assert replace_value(read('{"id": "old", "id": ""}'), ("id",), "new") == '{"id": "old", "id": "new"}'

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800"])
    def test_what_json_cannot_hold_is_refused(self, value):
        with pytest.raises(ValueError, match=r"JSON|surrogate"):
            replace_value(read("[1]"), (0,), value)

    def test_a_path_that_is_not_there_is_refused(self):
        with pytest.raises(KeyError):
            replace_value(read(CONFIG), ("id",), "x")


# Generated documents: a value, written down with everything that JSONC allows around and inside it.

characters = st.characters(exclude_categories=["Cs"])
strings = st.text(characters, max_size=8)
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | numbers | strings
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(strings, inner, max_size=4), max_leaves=12
)
comment_text = st.text(characters, max_size=6).map(lambda text: text.replace("\r", "").replace("\n", ""))
fillers = st.one_of(
    st.sampled_from(["", "", " ", "\t", "\n", "\r\n", "\r", "   "]),
    comment_text.map(lambda text: f"//{text}\n"),
    comment_text.map(lambda text: "/*" + text.replace("*", "x") + "*/"),
)


def write_string(draw, text):
    pieces = []
    for character in text:
        plain = json.dumps(character, ensure_ascii=False)[1:-1]
        escaped = "".join(f"\\u{unit:04X}" for unit in utf_16_units(character))
        pieces.append(escaped if draw(st.integers(0, 5)) == 0 else plain)
    return '"' + "".join(pieces) + '"'


def utf_16_units(character):
    units = character.encode("utf-16-be")
    return [int.from_bytes(units[at : at + 2]) for at in range(0, len(units), 2)]


def write(draw, value):
    fill = lambda: draw(fillers)  # noqa: E731
    if isinstance(value, str):
        return write_string(draw, value)
    if not isinstance(value, list | dict):
        return json.dumps(value)
    is_list = isinstance(value, list)
    members = value if is_list else value.items()
    parts = [
        fill()
        + (write(draw, m) if is_list else write_string(draw, m[0]) + fill() + ":" + fill() + write(draw, m[1]))
        + fill()
        for m in members
    ]
    text = ",".join(parts) + ("," + fill() if parts and draw(st.booleans()) else fill())
    return f"[{text}]" if is_list else f"{{{text}}}"


@st.composite
def documents(draw):
    """A value and a JSONC text that holds it."""
    value = draw(values)
    text = draw(st.sampled_from(["", "\ufeff"])) + draw(fillers) + write(draw, value) + draw(fillers)
    return value, text


def paths(value, path=()):
    """Every path into a value."""
    yield path
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in members:
        yield from paths(inner, (*path, step))


def look_up(value, path):
    for step in path:
        value = value[step]
    return value


def assert_scalar_spans_hold_their_literals(document: Document):
    for path in paths(document.value):
        span, value = document.span(path), look_up(document.value, path)
        assert value == read(document.text[span.start : span.end]).value
        if path and isinstance(path[-1], str):
            key = document.key_span(path)
            assert path[-1] == read(document.text[key.start : key.end]).value


class TestProperties:
    @settings(deadline=None)
    @given(documents())
    def test_a_document_reads_to_its_value(self, made):
        value, text = made
        document = read(text)
        assert value == document.value
        assert document.duplicates == ()
        assert_scalar_spans_hold_their_literals(document)

    @settings(max_examples=50, deadline=None)
    @given(documents())
    def test_json5_agrees_on_every_value(self, made):
        _, text = made
        value = json5.loads(text)
        assert json.loads(json.dumps(value)) == read(text).value  # json5 doesn't join surrogate pairs, json does

    @settings(deadline=None)
    @given(documents(), st.data(), scalars)
    def test_replacing_changes_one_span_and_reads_back(self, made, data, new_value):
        value, text = made
        path = data.draw(st.sampled_from(list(paths(value))))
        document = read(text)
        span = document.span(path)
        edited = replace_value(document, path, new_value)
        again = read(edited)
        assert text[: span.start] == edited[: span.start]
        assert text[span.end :] == edited[again.span(path).end :]
        assert new_value == look_up(again.value, path)

    @settings(deadline=None)
    @given(documents(), st.data())
    def test_a_broken_document_is_refused_with_a_place(self, made, data):
        _, text = made
        at = data.draw(st.integers(0, len(text)))
        removed = data.draw(st.integers(0, 3))
        inserted = data.draw(
            st.text(st.sampled_from("{}[]\",:/*\\'#+-.019eux \t\r\n\f\u00a0\u2028\ufeff\ud800t"), max_size=3)
        )
        broken = text[:at] + inserted + text[at + removed :]
        try:
            document = read(broken)
        except JsoncError as refused:
            error = refused
        else:
            json.dumps(document.value, ensure_ascii=False).encode()
            return
        lines = broken.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
        assert 1 <= error.line <= len(lines)
        assert 1 <= error.column <= len(lines[error.line - 1]) + 1
        error.message.encode()
