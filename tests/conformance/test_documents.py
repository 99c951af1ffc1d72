"""The links in the documents work, and the example of a desired-state file is valid."""

import re
from pathlib import Path

import pytest

from reconciler.core.file.reading import read_desired_state
from tests.core.files import NOW

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / ".github").glob("*.md")])
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def anchors(path):
    """The anchors that GitHub gives a document's headings."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_links_of_a_document_work(document):
    for link in _LINK.findall(document.read_text()):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_readme_links_to_every_document():
    linked = {ROOT / link.partition("#")[0] for link in _LINK.findall((ROOT / "README.md").read_text())}
    assert {path for path in DOCUMENTS if path.parent.name == "docs"} <= linked


def test_the_readmes_example_is_valid():
    (example,) = re.findall(r"```jsonc\n(\{\n.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    desired = read_desired_state(example, file="production.jsonc", environment="production", now=NOW)
    assert desired.primary.restore is not None
