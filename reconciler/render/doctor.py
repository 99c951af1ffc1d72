"""What doctor says: a line for each check, the worst first, and at the end whether a restore would work. Pure."""

import json

from reconciler.core.health.checks import State
from reconciler.core.health.diagnosis import Diagnosis, state_for
from reconciler.render.markdown import code, prose

_SIGNS = {State.FAILED: "FAILED", State.UNKNOWN: "unknown", State.WARNING: "warning", State.OK: "ok"}


def rendered(found: Diagnosis, form: str) -> str:
    """Render it in the form that was asked for."""
    return {"json": as_json, "markdown": as_markdown, "text": as_text}[form](found)


def as_text(found: Diagnosis) -> str:
    """One line each: how it is, what it is about, what was seen, and after an arrow what to do."""
    width = max(len(check.name) for check in found.checks)
    lines = []
    for check in found.checks:
        remedy = f" -> {_line(check.remedy)}" if check.remedy else ""
        sign = _SIGNS[state_for(check, found.method)]
        lines.append(f"{sign:<7}  {check.name:<{width}}  {_line(check.seen)}{remedy}")
    return "\n".join([*lines, f"{found.environment}: {found.verdict}"])


def as_markdown(found: Diagnosis) -> str:
    """The same as a table."""
    rows = [
        f"| {_SIGNS[state_for(each, found.method)]} | {prose(each.name)} | {prose(each.seen)} | {prose(each.remedy)} |"
        for each in found.checks
    ]
    head = "| | check | seen | what to do |\n|---|---|---|---|"
    return "\n".join([head, *rows, "", f"**{code(found.environment)}**: {found.verdict}"])


def as_json(found: Diagnosis) -> str:
    """The same for programs. `needed` are the methods that need it."""
    facts = {
        "environment": found.environment,
        "method": found.method.value,
        "would_work": found.is_good,
        "verdict": found.verdict,
        "checks": [
            {
                "check": each.name,
                "state": state_for(each, found.method).value,
                "seen": each.seen,
                "remedy": each.remedy,
                "needed": sorted(method.value for method in each.needed),
            }
            for each in found.checks
        ],
    }
    return json.dumps(facts, indent=2, ensure_ascii=False)


def _line(text: str) -> str:
    return " ".join(text.split())
