"""The plan as text, Markdown and JSON. Pure: from a plan and what was observed to a string."""

import json
from collections.abc import Iterator
from typing import Any

from reconciler.core.model.observed import Observed
from reconciler.core.plan.not_restored import spelled
from reconciler.core.plan.plan import Plan
from reconciler.core.records.suspension import Suspension
from reconciler.core.steps import arguments
from reconciler.render import mermaid, passed_guards
from reconciler.render.markdown import bullets, code, fenced, prose, table
from reconciler.render.plan_description import Item, Section, describe_plan


def as_json(plan: Plan) -> str:
    """Render for programs."""
    return json.dumps(facts(plan), indent=2, ensure_ascii=False)


def facts(plan: Plan) -> dict[str, Any]:
    """Return the plan in JSON's terms."""
    return {
        "environment": plan.desired.environment,
        "digest": plan.digest,
        "in_sync": plan.in_sync,
        "live_timeline": str(plan.live) if plan.live else None,
        "desired_timeline": str(plan.desired.timeline),
        "steps": [
            {**arguments(step), "step": step.wire_name, "target": step.target, "reason": step.reason}
            for step in plan.steps
        ],
        "warnings": list(plan.warnings),
        "refusals": [{"rule": each.rule, "message": each.message, "hint": each.hint} for each in plan.refusals],
        "outside": [
            {"name": each.name, "retention": spelled(each.retention), "recovery": each.recovery}
            for each in plan.outside
        ],
        "suspension": suspension_facts(plan.suspension) if plan.suspension else None,
        "drift": [{"what": each.what, "answer": each.answer.name.lower()} for each in plan.drift],
        "source": list(plan.source),
    }


def suspension_facts(suspension: Suspension) -> dict[str, object]:
    """Return a suspension in JSON's terms."""
    since, until = str(suspension.since), str(suspension.until)
    return {"by": suspension.by, "since": since, "until": until, "reason": suspension.reason}


def as_text(plan: Plan, observed: Observed) -> str:
    """Render for a terminal."""
    found = describe_plan(plan, observed)
    lines = [found.headline, "", *(f"  {label:<10}{words}" for label, words in found.facts), ""]
    for section in found.sections:
        lines += [section.title, *_text_items(section), ""]
    return "\n".join([*lines, f"digest {plan.digest}", *found.following])


def _text_items(section: Section) -> Iterator[str]:
    for number, item in enumerate(section.items, 1):
        mark = f"{number:2}. " if section.numbered else section.mark
        yield f"  {mark}{item.rule}{': ' if item.rule else ''}{item.words}"
        if item.more:
            yield f"      {'because' if section.numbered else 'hint:'} {item.more}"


def as_markdown(plan: Plan, observed: Observed, following: tuple[str, ...] | None = None) -> str:
    """Render for GitHub: text from files and providers is shown, and does nothing.

    `following` are paragraphs of Markdown that say what to do next; the plan's own where it is None.
    """
    found = describe_plan(plan, observed)
    rows = [(label, prose(words)) for label, words in found.facts]
    rows += [("looked at", str(observed.at)), ("digest", code(plan.digest))]
    parts = [f"### {prose(found.headline)}", table(("", ""), rows)]
    if drawing := mermaid.picture(plan, observed):
        parts.append(fenced(drawing, "mermaid"))
    for section in found.sections:
        parts += [f"**{section.title}**", _markdown_items(section)]
    if guards := passed_guards.passed(plan, observed):
        summary = f"<details><summary>Guards that passed ({len(guards)})</summary>"
        parts += [summary, bullets(prose(each) for each in guards), "</details>"]
    if next_lines := [prose(each) for each in found.following] if following is None else following:
        parts += ["**What to do next**", bullets(next_lines)]
    return "\n\n".join(parts)


def _markdown_items(section: Section) -> str:
    if section.numbered:
        rows = ((str(n), prose(item.words), prose(item.more)) for n, item in enumerate(section.items, 1))
        return table(("", "step", "because"), rows)
    return bullets(_markdown_item(item) for item in section.items)


def _markdown_item(item: Item) -> str:
    rule = f"{code(item.rule)}: " if item.rule else ""
    return f"{rule}{prose(item.words)}" + (f"<br>*{prose(item.more)}*" if item.more else "")
