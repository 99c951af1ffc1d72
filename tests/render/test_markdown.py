"""Markdown from text of elsewhere: nothing in it acts, and what is cut stays whole."""

import re

from hypothesis import given
from hypothesis import strategies as st

from reconciler.render.markdown import code, cut, fenced, prose

lines = st.one_of(
    st.sampled_from(
        ["```", "```text", "````", "~~~", "```mermaid", "<details><summary>x</summary>", "</details>", "| a | b |",
         "|---|---|", "| 1 | 2 |", "", "prose " * 20]
    ),
    st.text(max_size=40).map(lambda text: text.replace("\n", " ")),
)  # fmt: skip


def balanced(text):
    """Whether every fence and every <details> of a document is closed."""
    fence, details = "", 0
    for line in text.split("\n"):
        found = re.fullmatch(r" {0,3}(`{3,}|~{3,})(.*)", line)
        if fence:
            fence = "" if found and found[1].startswith(fence) and not found[2].strip() else fence
        elif found and not (found[1][0] == "`" and "`" in found[2]):
            fence = found[1]
        else:
            details += line.count("<details") - line.count("</details")
            assert details >= 0
    return not fence and not details


@given(st.text(min_size=1))
def test_prose_is_one_line_without_markup(text):
    shown = prose(text)
    assert "\n" not in shown
    assert "<" not in shown.replace("<span>$</span>", "")
    assert not re.search(r"(?<!\\)(\\\\)*[`*_\[\]|]", shown)


@given(st.text(alphabet="a`|\n ", min_size=1))
def test_nothing_inside_closes_a_code_span(text):
    shown = code(text)
    ticks = re.match("`+", shown)[0]
    inner = shown[len(ticks) : -len(ticks)]
    assert shown.endswith(ticks)
    assert ticks not in re.findall("`+", inner)


@given(st.text(alphabet="a`~\n ", min_size=1))
def test_nothing_inside_closes_a_code_block(text):
    assert balanced(fenced(text))


def test_a_cut_closes_and_reopens_code():
    text = "start\n```text\n" + "\n".join(f"line {n}" for n in range(500)) + "\n```\nend"
    shorter = cut(text, 1_500, "see there")
    assert balanced(shorter)
    assert shorter.count("```text") == 2
    assert shorter.startswith("start\n```text\nline 0\n")
    assert shorter.endswith("line 499\n```\nend")


def test_a_cut_repeats_the_head_of_a_table():
    rows = "\n".join(f"| {n} | x |" for n in range(500))
    shorter = cut(f"| a | b |\n|---|---|\n{rows}\n\nend", 1_500, "see there")
    assert shorter.count("| a | b |\n|---|---|\n|") == 2


def test_a_cut_closes_and_reopens_details():
    text = "<details><summary>x</summary>\n\n" + "\n".join(f"- {n}" for n in range(500)) + "\n\n</details>"
    assert balanced(cut(text, 1_500, "see there"))


def test_a_cut_leaves_no_half_picture():
    text = "a\n```mermaid\n" + "\n".join(f"a{n} --> b" for n in range(500)) + "\n```\nend"
    shorter = cut(text, 1_500, "see there")
    assert "mermaid" not in shorter
    assert "-->" not in shorter


@given(st.lists(lines, max_size=60), st.integers(0, 1_500))
def test_a_text_is_cut_only_to_fit(found, limit):
    text = "\n".join(found)
    shorter = cut(text, limit, "see there")
    size = len(text.encode("utf-8", "surrogatepass"))
    assert len(shorter.encode("utf-8", "surrogatepass")) <= max(limit, 0)
    assert (shorter == text) == (size <= limit) or not shorter


@given(st.lists(lines, max_size=60), st.integers(300, 1_500))
def test_a_cut_keeps_fences_closed(found, limit):
    text = "\n".join(found)
    try:
        whole = balanced(text)
    except AssertionError:
        return
    if whole:
        assert balanced(cut(text, limit, "see there"))
