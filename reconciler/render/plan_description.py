"""A plan in words, before it is text or Markdown: a headline, facts and sections, as data. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.core.model.observed import Observed, Project
from reconciler.core.plan.plan import Plan
from reconciler.core.rules.retention.retained import RetainedBranch, units
from reconciler.core.values.duration import for_people
from reconciler.render import point
from reconciler.render.declared_branches import unmanaged
from reconciler.render.wording import counted, describe_outside


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of a section. `rule` is the name of a refusal; `more` the reason of a step, or what to do."""

    words: str
    more: str = ""
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A titled list. In text, `mark` stands before each entry; `numbered` entries are steps."""

    title: str
    items: tuple[Item, ...]
    mark: str = ""
    numbered: bool = False


@dataclass(frozen=True, slots=True)
class Description:
    """Everything that a plan says. `following` are sentences: what happens next, and what to do."""

    headline: str
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    following: tuple[str, ...]


def describe_plan(plan: Plan, observed: Observed) -> Description:
    """Put a plan into words. Names from files and providers are in them as they are: escape them where it matters."""
    sections = (
        Section("Drift", tuple(Item(str(each)) for each in plan.drift), "~ "),
        Section(
            "Could not be read" if plan.unreadable else "Refused",
            tuple(Item(each.message, each.hint, each.rule) for each in plan.refusals),
        ),
        Section(
            "Steps, taken all the same" if plan.refusals else "Steps",
            tuple(Item(step.describe(), step.reason) for step in plan.steps),
            numbered=True,
        ),
        Section("The data", tuple(Item(each) for each in _data(plan, observed))),
        Section("Not rewound", tuple(Item(describe_outside(each)) for each in plan.outside)),
        Section("Warnings", tuple(Item(each) for each in plan.warnings), "! "),
    )
    return Description(
        headline(plan),
        tuple(_facts(plan, observed)),
        tuple(each for each in sections if each.items),
        tuple(following(plan)),
    )


def headline(plan: Plan) -> str:
    """Say in one line what is live, and what the plan comes to."""
    stopped = f"suspended until {plan.suspension.until}; " if plan.suspension else ""
    return f"{plan.desired.environment}: {stopped}{_state(plan)}"


def _state(plan: Plan) -> str:
    live, desired = plan.live, plan.desired.timeline
    if plan.unreadable:
        return "not everything could be read"
    if plan.refusals:
        return f"refused ({', '.join(each.rule for each in plan.refusals)})"
    if plan.in_sync:
        return f"in sync, {live} is live"
    if live == desired:
        return f"{live} stays live, {counted(len(plan.steps))} to bring the rest in line"
    return f"{live} is live, {desired} is desired, {counted(len(plan.steps))}"


def _facts(plan: Plan, observed: Observed) -> Iterator[tuple[str, str]]:
    restore, lineage, desired = plan.desired.primary.restore, plan.lineage, plan.desired.timeline
    if isinstance(observed.project, Project):
        project = observed.project
        yield "project", f"{project.name} ({project.id}), history window {for_people(project.history) or 'none'}"
    if lineage is not None:
        yield "live", f'{lineage.live.timeline}, on branch "{lineage.live.branch.name}" ({lineage.live.branch.id})'
    if restore is None:
        yield "desired", str(desired)
    else:
        yield "desired", f"{desired}: the data as of {point.with_age(restore, observed.at, ' ({age} ago)')}"
        yield from _window(plan, observed)
        yield from (("source", each) for each in plan.source)
        if restore.reason:
            yield "reason", restore.reason
    if plan.suspension is not None:
        yield "suspended", f"{plan.suspension.message} ({plan.suspension.hint})"
    for each in units(plan.desired, observed, lineage) if lineage else ():
        if lineage and each.timeline_branch in lineage.held:
            yield "held", f'{each.timeline_branch.timeline}, on branch "{each.branch.name}"{_until(each)}'
    if plan.desired.branches is not None:
        for name in unmanaged(plan.desired, observed, lineage):
            yield "other", f'branch "{name}" (not managed here)'


def _until(retained: RetainedBranch) -> str:
    return f", until {retained.until} at least" if retained.until is not None else ""


def _window(plan: Plan, observed: Observed) -> Iterator[tuple[str, str]]:
    """Say how long the moment can still be restored: as long as no branch has been made from it."""
    restore, project = plan.desired.primary.restore, observed.project
    if restore is None or not isinstance(project, Project):
        return
    if plan.lineage is None or plan.lineage.timeline_branch(plan.desired.timeline) is not None:
        yield "window", "not needed: a branch with this timeline exists"
    elif restore.moment is None:
        yield "window", point.NO_TIME
    else:
        left, leaves = restore.moment - observed.at.before(project.history), restore.moment.before(-project.history)
        when = f"leaves it in {for_people(left)}" if left.total_seconds() > 0 else f"left it {for_people(-left)} ago"
        yield "window", f"the moment {when}, at {leaves}"


def _data(plan: Plan, observed: Observed) -> Iterator[str]:
    """Say what becomes of the data that users see, where the plan may be taken as a whole."""
    restore, live = plan.desired.primary.restore, plan.live
    if plan.refusals or not plan.steps:
        return
    if live == plan.desired.timeline:
        yield f"{live} stays live; no data changes"
        return
    found = plan.lineage.timeline_branch(plan.desired.timeline) if plan.lineage else None
    if restore is not None and (found is None or found.held is None):
        yield f"lost to users: every write after {point.with_age(restore, observed.at, ' (the last {age})')}"
    else:
        yield f"{plan.desired.timeline} comes back exactly as it was left; writes since then are on {live}"
    for name in filter(None, (step.holds for step in plan.steps)):
        yield f'held: {live}, whole, as "{name}"; git revert makes it live again'


def following(plan: Plan) -> Iterator[str]:
    """Say what happens next, and what to do: whole sentences."""
    name = plan.desired.environment
    if plan.unreadable:
        yield "Nothing is decided on what could not be read. Fix the cause, then run it again."
    elif plan.is_about_declared_branches and plan.steps:
        yield f"reconciler apply {name} takes these steps, and leaves out what is refused."
    elif plan.refusals and plan.steps:
        yield f"These steps put back what was live: reconciler apply {name} takes them."
        yield "What is refused stays refused until the file asks for something else."
    elif plan.blocks_no_restore:
        yield "Everything else is as the file asks, and a restore would not wait for this."
    elif plan.refusals:
        yield "Nothing will be changed until this is resolved."
    elif plan.suspension is not None:
        yield f"reconciler apply {name} refuses: {plan.suspension.hint}."
    elif plan.steps:
        yield f"reconciler apply {name} --expect {plan.digest} does exactly this."
