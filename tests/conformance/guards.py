"""The table of `docs/guards.md`, made from the refusal classes. As a program, it writes it."""

import importlib
import pkgutil
import re
import sys
from pathlib import Path

from reconciler import core
from reconciler.core.model.desired import Waivable
from reconciler.core.model.refusal import Refusal

DOCUMENT = Path(__file__).parents[2] / "docs" / "guards.md"
_BEGIN, _END = "<!-- table: begin -->\n", "<!-- table: end -->"


def refusals():
    """List every refusal class, by rule."""
    for module in pkgutil.walk_packages(core.__path__, f"{core.__name__}."):
        importlib.import_module(module.name)
    # With slots, `dataclass` makes a second class; the one that the module has is meant.
    classes = (each for each in Refusal.__subclasses__() if vars(sys.modules[each.__module__])[each.__name__] is each)
    return sorted(classes, key=lambda each: each.rule)


def placeholders(each):
    """Name the fields and properties that a refusal's sentences use."""
    return set(re.findall(r"{(\w+)", each.problem + each.way_out))


def render():
    """Write the table: a line for each refusal."""
    waivable = {each.value for each in Waivable}
    lines = ["| rule | refuses when | right before the call | can be waived |", "|---|---|---|---|"]
    for each in refusals():
        when = " ".join(each.__doc__.partition("\n\n")[0].split())
        waived = "yes" if each.rule in waivable else ""
        lines.append(f"| `{each.rule}` | {when} | {each.before_the_call} | {waived} |")
    return "\n".join(lines) + "\n"


def between(text):
    """Give the table in a text."""
    return text.partition(_BEGIN)[2].partition(_END)[0]


if __name__ == "__main__":
    head, _, rest = DOCUMENT.read_text().partition(_BEGIN)
    DOCUMENT.write_text(head + _BEGIN + render() + _END + rest.partition(_END)[2])
    sys.stdout.write(f"{len(refusals())} refusals\n")
