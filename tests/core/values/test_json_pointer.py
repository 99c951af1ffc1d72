"""JSON pointers, by the examples of RFC 6901 and by what it forbids."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.values.json_pointer import is_pointer, resolve

# RFC 6901, section 5.
_DOCUMENT = {
    "foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\j": 5, 'k"l': 6, " ": 7, "m~n": 8,
}  # fmt: skip
_EXAMPLES = {
    "": _DOCUMENT, "/foo": ["bar", "baz"], "/foo/0": "bar", "/": 0, "/a~1b": 1, "/c%d": 2, "/e^f": 3, "/g|h": 4,
    "/i\\j": 5, '/k"l': 6, "/ ": 7, "/m~0n": 8,
}  # fmt: skip


@pytest.mark.parametrize("pointer", _EXAMPLES)
def test_the_examples_of_the_standard_hold(pointer):
    assert is_pointer(pointer)
    assert resolve(_DOCUMENT, pointer) == _EXAMPLES[pointer]


@pytest.mark.parametrize(
    "pointer", ["/foo/2", "/foo/00", "/foo/-", "/foo/-1", "/foo/+0", "/foo/x", "//", "/foo/0/x", "/z"]
)
def test_what_names_nothing_is_an_error(pointer):
    assert is_pointer(pointer)
    with pytest.raises(LookupError):
        resolve(_DOCUMENT, pointer)


@pytest.mark.parametrize("text", ["foo", "#/foo", "/~", "/~2", "/a~"])
def test_what_is_no_pointer_is_told_from_one(text):
    assert not is_pointer(text)


@given(st.text(max_size=20))
def test_any_key_can_be_named(key):
    pointer = "/" + key.replace("~", "~0").replace("/", "~1")
    assert is_pointer(pointer)
    assert resolve({key: 1}, pointer) == 1
