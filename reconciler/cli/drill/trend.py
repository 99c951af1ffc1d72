"""`reconciler drill --trend`: how long restores have taken from drill to drill."""

import json
from pathlib import Path
from typing import Any, assert_never

from reconciler.cli.drill.files import recorded
from reconciler.core.drill.history import Done, PastDrill, Unread
from reconciler.core.drill.trend import ending, svg, table

FORMS = ("text", "json", "markdown", "svg")


def trend(directory: Path, environment: str, form: str) -> str:
    """Show the drills of an environment from the history in a directory, in one of FORMS.

    Lines that cannot be read are shown too, whatever their environment. Raises InputError where the history
    is there and cannot be read at all.
    """
    history = [each for each in recorded(directory) if isinstance(each, Unread) or each.environment == environment]
    match form:
        case "json":
            return json.dumps([_facts(each) for each in history], indent=2, ensure_ascii=False)
        case "svg":
            return svg(history).rstrip("\n")
        case _:
            return table(history)


def _facts(past: PastDrill) -> dict[str, Any]:
    match past:
        case Unread():
            return {"line": past.number, "unreadable": past.reason}
        case Done():
            return {
                "begun": past.begun.text,
                "environment": past.environment,
                "method": past.method,
                "commit": past.commit,
                "rounds": past.rounds,
                "seconds": past.seconds,
                "promised": past.promised,
                "proved": past.proved,
                "ended": ending(past),
            }
        case _:
            assert_never(past)
