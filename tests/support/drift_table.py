"""The table of drift in docs/drift.md: what somebody does, what is said of it, and what follows."""

import re
from dataclasses import dataclass
from pathlib import Path

PATH = Path(__file__).parents[2] / "docs" / "drift.md"


_ANSWER = re.compile("repaired|left alone|refused: `[a-z-]+`")


@dataclass(frozen=True)
class Row:
    """`said` is a sentence as the plan says it, with `…` for what differs from world to world."""

    what: str
    said: str
    answer: str


def rows():
    """Read every row that is carried out, in order."""
    lines = [line for line in PATH.read_text().splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines]
    return [Row(*row) for row in cells if _ANSWER.fullmatch(row[-1])]


def as_in_the_table(text):
    """Replace what differs from world to world: restores, moments, ids, hosts and versions."""
    for pattern in (
        r"(?<=r-)\d{8}T\d{9}Z",
        r"\d{4}-\d\d-\d\dT[\d:.]+Z",
        r"\b[0-9a-f]{32}\b",
        r"\b[a-z0-9.-]+:\d{4,5}\b",
    ):
        text = re.sub(pattern, "…", text)
    return text
