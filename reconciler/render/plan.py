"""The plan as text, Markdown and JSON. Pure: from a plan and what was observed to a string."""

import json
from collections.abc import Iterator
from typing import Any

from reconciler.core.model.observed import Observed
from reconciler.core.plan.not_restored import spelled
from reconciler.core.plan.plan import Plan
from reconciler.core.records.suspension import Suspension
from reconciler.core.steps import arguments
<<<<<<< HEAD
from reconciler.core.values.duration import for_people
from reconciler.render import point as point_text
from reconciler.render.declared_branches import unmanaged
from reconciler.render.markdown import code, fenced, prose
from reconciler.render.wording import describe_outside
=======
from reconciler.render import mermaid, passed_guards
from reconciler.render.markdown import bullets, code, fenced, prose, table
from reconciler.render.plan_description import Item, Section, describe_plan
from reconciler.render.wording import target
>>>>>>> origin/main


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


<<<<<<< HEAD
def as_markdown(plan: Plan, observed: Observed) -> str:
    """Render for a pull request. What comes from a file or a provider is shown, and does nothing."""
    lines = [f"### {prose(headline(plan))}", "", fenced("\n".join(_situation(plan, observed))), ""]
    if plan.drift:
        lines += ["**Drift**", "", *(f"- {prose(str(each))}" for each in plan.drift), ""]
    if plan.refusals:
        lines += ["**Unreadable**" if plan.unreadable else "**Refused**", ""]
        lines += [f"- {code(each.rule)}: {prose(each.message)}\n  *{prose(each.hint)}*" for each in plan.refusals]
        lines += ["", "**Steps, taken all the same**", ""] if plan.steps else []
    if plan.steps:
        lines += ["| | step | because |", "|---|---|---|"]
        lines += [
            f"| {number} | {prose(step.describe())} | {prose(step.reason)} |"
            for number, step in enumerate(plan.steps, 1)
        ]
    if plan.steps and not plan.refusals:
        lines += ["", "**The data**", "", *(f"- {prose(line)}" for line in _data(plan, observed))]
    if plan.outside:
        lines += ["", "**Not rewound**", "", *(f"- {prose(describe_outside(each))}" for each in plan.outside)]
    if plan.warnings:
        lines += ["", "**Warnings**", "", *(f"- {prose(warning)}" for warning in plan.warnings)]
    return "\n".join([*lines, "", _closing(plan)])
=======
def _text_items(section: Section) -> Iterator[str]:
    for number, item in enumerate(section.items, 1):
        mark = f"{number:2}. " if section.numbered else section.mark
        yield f"  {mark}{item.rule}{': ' if item.rule else ''}{item.words}"
        if item.more:
            yield f"      {'because' if section.numbered else 'hint:'} {item.more}"
>>>>>>> origin/main


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


<<<<<<< HEAD
def _situation(plan: Plan, observed: Observed) -> Iterator[str]:
    restore = plan.desired.primary.restore
    if isinstance(observed.project, Project):
        project = observed.project
        yield f"  project  {project.name} ({project.id}), history window {for_people(project.history) or 'none'}"
    if plan.lineage is not None:
        live = plan.lineage.live
        yield f'  live     {live.timeline}, on branch "{live.branch.name}" ({live.branch.id})'
    if restore is None:
        yield f"  asked    {plan.desired.timeline}"
    else:
        asked = point_text.with_age(restore, observed.at, " ({age} ago)")
        yield f"  asked    {plan.desired.timeline}: the data as of {asked}"
        yield from _window(plan, observed)
        yield from (f"  source   {each}" for each in plan.source)
        if restore.reason:
            yield f"  because  {restore.reason}"
    if plan.suspension is not None:
        yield f"  stopped  {plan.suspension.message}"
    for each in units(plan.desired, observed, plan.lineage) if plan.lineage else ():
        if plan.lineage and each.timeline_branch in plan.lineage.held:
            yield f'  held     {each.timeline_branch.timeline}, on branch "{each.branch.name}"{_until(each)}'
    for name in unmanaged(plan.desired, observed, plan.lineage) if plan.desired.branches is not None else ():
        yield f'  other    branch "{name}" (not managed here)'


def _until(unit: RetainedBranch) -> str:
    return f", until {unit.until} at least" if unit.until is not None else ""


def _window(plan: Plan, observed: Observed) -> Iterator[str]:
    """Say how long the moment can still be restored, as long as no branch has been made from it."""
    restore, project = plan.desired.primary.restore, observed.project
    made = plan.lineage is None or plan.lineage.timeline_branch(plan.desired.timeline) is not None
    if restore is None or made or not isinstance(project, Project):
        return
    if restore.moment is None:
        yield f"  window   {point_text.NO_TIME}"
        return
    left, leaves = restore.moment - observed.at.before(project.history), restore.moment.before(-project.history)
    if left.total_seconds() > 0:
        yield f"  window   the moment leaves it in {for_people(left)}, at {leaves}"
    else:
        yield f"  window   the moment left it {for_people(-left)} ago, at {leaves}"


def _steps(plan: Plan) -> Iterator[str]:
    for number, step in enumerate(plan.steps, 1):
        yield f"  {number:2}. {step.describe()}"
        yield f"      because {step.reason}"


def _data(plan: Plan, observed: Observed) -> Iterator[str]:
    restore, live = plan.desired.primary.restore, plan.live
    if live == plan.desired.timeline:
        yield f"  {live} stays live; no data changes"
        return
    timeline_branch = plan.lineage.timeline_branch(plan.desired.timeline) if plan.lineage else None
    if restore is not None and (timeline_branch is None or timeline_branch.held is None):
        since = point_text.with_age(restore, observed.at, " (the last {age})")
        yield f"  lost to users: every write after {since}"
    else:
        yield f"  {plan.desired.timeline} comes back exactly as it was left; writes since then are on {live}"
    for name in filter(None, (step.holds for step in plan.steps)):
        yield f'  held: {live}, whole, as "{name}"; git revert makes it live again'


def _refusals(plan: Plan) -> Iterator[str]:
    for each in plan.refusals:
        yield f"  {each.rule}: {each.message}"
        yield f"      hint: {each.hint}"


def _closing(plan: Plan) -> str:  # noqa: PLR0911  one sentence per state, and no more
    if plan.unreadable:
        return "nothing is decided on what could not be read: run it again"
    if plan.is_about_declared_branches and plan.steps:
        name = plan.desired.environment
        return f"digest {plan.digest}: `reconciler apply {name}` takes these steps, and leaves out what is refused"
    if plan.refusals and plan.steps:
        name = plan.desired.environment
        return f"digest {plan.digest}: `reconciler apply {name}` takes these steps, which put back what was live"
    if plan.keeps_no_restore:
        return "all the rest is as the file asks, and a restore would not wait for this"
    if plan.refusals:
        return "nothing will be changed until this is resolved"
    name = plan.desired.environment
    if plan.suspension is not None:
        return f"digest {plan.digest}; `reconciler apply {name}` refuses: {plan.suspension.hint}"
    if plan.in_sync:
        return f"digest {plan.digest}"
    return f"digest {plan.digest}: `reconciler apply {name} --expect {plan.digest}` does exactly this"
=======
def _markdown_item(item: Item) -> str:
    rule = f"{code(item.rule)}: " if item.rule else ""
    return f"{rule}{prose(item.words)}" + (f"<br>*{prose(item.more)}*" if item.more else "")
>>>>>>> origin/main
