"""The plan as a pull request's comment, and in full for the job summary. Pure: from what was found to Markdown.

GitHub takes 65,536 characters in a comment; ours stays below 60,000 bytes. What does not fit is cut from the middle.
Everything that comes from a file or a provider is escaped: it is shown, and does nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.core.file.reading import Problem
from reconciler.core.model.observed import Observed
from reconciler.core.plan.plan import Plan
<<<<<<< HEAD
from reconciler.core.steps.branch import creation
from reconciler.core.values.duration import for_people
from reconciler.render import mermaid as timeline_picture
from reconciler.render import passed_guards as plan_checks
from reconciler.render import point as point_text
from reconciler.render.markdown import code, cut, fenced, prose
from reconciler.render.wording import counted, describe_outside
=======
from reconciler.render.markdown import bullets, code, cut, prose
from reconciler.render.plan import as_markdown
from reconciler.render.plan_description import following
>>>>>>> origin/main

MARKER = "<!-- reconciler:plan -->"
LIMIT_BYTES = 60_000


@dataclass(frozen=True, slots=True)
class Planned:
    """An environment that could be planned, in sync and refused included."""

    plan: Plan
    observed: Observed

    @property
    def environment(self) -> str:
        """The environment's name."""
        return self.plan.desired.environment


@dataclass(frozen=True, slots=True)
class Mistaken:
    """An environment whose file has mistakes; their files are named from the repository's root."""

    environment: str
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Unplanned:
    """An environment that could not be planned, and why."""

    environment: str
    message: str
    hint: str = ""


Section = Planned | Mistaken | Unplanned


@dataclass(frozen=True, slots=True)
class Subject:
    """What was planned: the commit, where the job's log is, and environments whose file is gone."""

    commit: str = ""
    run_url: str = ""
    deleted: tuple[str, ...] = ()


def comment(sections: tuple[Section, ...], subject: Subject) -> str:
    """Return the comment, below LIMIT_BYTES, its first line the marker that it is found again by."""
    footer = _footer(subject)
    room = LIMIT_BYTES - len(MARKER) - len(footer.encode()) - 4
    body = cut(full(sections, subject), room, f"{_summary_link(subject)} has all of it")
    return f"{MARKER}\n{body}\n\n{footer}"


def full(sections: tuple[Section, ...], subject: Subject) -> str:
    """Return everything, for the job summary and the artefact."""
    parts = ["## What this pull request would do"] if sections else []
    parts += [section(each) for each in sections]
    parts += [_deleted(name) for name in subject.deleted]
    if not parts:
        parts = ["## Nothing to plan", "This pull request no longer changes any environment."]
    return "\n\n".join(parts)


def section(each: Section) -> str:
    """Return one environment's part."""
    match each:
        case Planned():
            return as_markdown(each.plan, each.observed, tuple(_following(each.plan)))
        case Mistaken():
            return _mistaken(each)
        case Unplanned():
            return _unplanned(each)


<<<<<<< HEAD
def _planned(plan: Plan, observed: Observed) -> str:
    parts = [f"### {_headline(plan)}", _table([("", ""), *_facts(plan, observed)])]
    if drawing := timeline_picture.picture(plan, observed):
        parts.append(fenced(drawing, "mermaid"))
    parts += _listed("Drift", [prose(str(each)) for each in plan.drift])
    if plan.refusals:
        title = "Could not be read" if plan.unreadable else "Refused"
        reasons = [f"{code(each.rule)}: {prose(each.message)}<br>*{prose(each.hint)}*" for each in plan.refusals]
        parts += _listed(title, reasons)
    if plan.steps:
        parts += ["**Steps, taken all the same**"] if plan.refusals else []
        steps = [(str(n), prose(step.describe()), prose(step.reason)) for n, step in enumerate(plan.steps, 1)]
        parts.append(_table([("", "step", "because"), *steps]))
    parts += _listed("Warnings", [prose(each) for each in plan.warnings])
    parts += _listed("Not rewound", [prose(describe_outside(each)) for each in plan.outside])
    parts += _folded("Guards that passed", [prose(each) for each in plan_checks.passed(plan, observed)])
    parts += _listed("How to go on", list(_ways_on(plan)))
    return "\n\n".join(parts)


def _headline(plan: Plan) -> str:
    stopped = f"suspended until {plan.suspension.until}; " if plan.suspension else ""
    return f"{plan.desired.environment}: {stopped}{_state(plan)}"


def _state(plan: Plan) -> str:
    live, asked = code(str(plan.live)), code(str(plan.desired.timeline))
    if plan.unreadable:
        return "not everything could be read"
    if plan.refusals:
        return "refused"
    if plan.in_sync:
        return f"in sync, {live} is live"
    if plan.live == plan.desired.timeline:
        return f"{live} stays live, {counted(len(plan.steps))} to set the rest right"
    return f"{live} → {asked}, {counted(len(plan.steps))}"


def _facts(plan: Plan, observed: Observed) -> Iterator[tuple[str, str]]:
    restore, lineage = plan.desired.primary.restore, plan.lineage
    if plan.suspension is not None:
        yield "suspended", prose(f"{plan.suspension.message} ({plan.suspension.hint})")
    if lineage is not None:
        yield "live now", f"{code(str(lineage.live.timeline))} on branch {code(lineage.live.branch.name)}"
    yield "asked for", code(str(plan.desired.timeline)) + ("" if restore else ": the original timeline")
    if restore is not None:
        if restore.reason:
            yield "reason", prose(restore.reason)
        what = "that moment" if restore.moment else "that point"
        yield what, point_text.with_age(restore, observed.at, ", {age} before this plan was made")
    yield from _window(plan, observed)
    if plan.source:
        yield "made from", prose("; ".join(plan.source))
    yield from _data(plan, observed)
    yield "looked at", str(observed.at)
    yield "digest", code(plan.digest)


def _window(plan: Plan, observed: Observed) -> Iterator[tuple[str, str]]:
    """Say how long the moment can still be restored: as long as there is a branch to make from it."""
    restore, project = plan.desired.primary.restore, observed.project
    if restore is None or not isinstance(project, Project):
        return
    if plan.lineage is not None and plan.lineage.timeline_branch(plan.desired.timeline) is not None:
        yield "history window", "not needed any more: a branch with this timeline exists"
        return
    if restore.moment is None:
        yield "history window", point_text.NO_TIME
        return
    left, leaves = restore.moment - observed.at.before(project.history), restore.moment.before(-project.history)
    span = for_people(project.history) or "nothing"
    if left.total_seconds() > 0:
        yield "history window", f"of {span}: the moment leaves it in **{for_people(left)}**, at {leaves}"
    else:
        yield "history window", f"of {span}: the moment left it {for_people(-left)} ago, at {leaves}"


def _data(plan: Plan, observed: Observed) -> Iterator[tuple[str, str]]:
    if not plan.steps or plan.refusals:
        return
    live, restore = plan.live, plan.desired.primary.restore
    if live == plan.desired.timeline:
        yield "the data", "does not change"
        return
    made = creation(plan.steps)
    created = made is not None and made.at is not None
    timeline_branch = plan.lineage.timeline_branch(plan.desired.timeline) if plan.lineage else None
    if restore is not None and (created or timeline_branch is None or timeline_branch.held is None):
        since = point_text.with_age(restore, observed.at, " (the last {age})")
        yield "lost to users", f"every write after {since}"
    else:
        yield "the data", f"comes back exactly as it was left; writes since then are on {code(str(live))}"
    for name in filter(None, (step.holds for step in plan.steps)):
        yield "held", f"{code(str(live))}, whole, as {code(name)}; `git revert` makes it live again"


def _ways_on(plan: Plan) -> Iterator[str]:
    command = f"reconciler apply {plan.desired.environment}"
    if plan.unreadable:
        yield "nothing is decided on what could not be read: mend the cause, then run this job again"
    elif plan.is_about_declared_branches and plan.steps:
        yield f"the apply workflow takes these steps on a merge, or by hand `{command}`, and leaves out what is refused"
    elif plan.refusals and plan.steps:
        yield f"these steps put back what was live: the apply workflow takes them on a merge, or by hand `{command}`"
        yield "what is refused stays refused until the file asks for something else"
    elif plan.keeps_no_restore:
        yield "all the rest is as the file asks, and a restore would not wait for this: mend it, and push"
    elif plan.refusals:
        yield "nothing will be changed until this is resolved: mend it in this pull request, or in the world, and push"
    elif plan.in_sync:
        yield "merge it: reality is what the file asks for, and the apply workflow will find nothing to do"
    else:
        name = code(plan.desired.environment)
        yield f"merge it: the apply workflow does this, once the required reviewers of the environment {name} agree"
        yield f"or by hand, on the merged commit and only what was reviewed here: `{command} --expect {plan.digest}`"
=======
def _following(plan: Plan) -> Iterator[str]:
    """Say what to do with the pull request."""
    environment = plan.desired.environment
    if plan.in_sync:
        yield "Merge it: everything is as the file asks, and the apply workflow will find nothing to do."
    elif not plan.refusals:
        command = f"`reconciler apply {environment} --expect {plan.digest}`"
        yield f"Merge it: the apply workflow does this once the required reviewers of {code(environment)} agree."
        yield f"Or run it yourself, on the merged commit and only what was reviewed here: {command}"
>>>>>>> origin/main
        if plan.suspension is not None:
            resume = f"`reconciler resume {environment}`"
            yield f"Neither works before {plan.suspension.until}, when the suspension ends, or after {resume}."
        yield "If anything changes before that, the plan is made again, and `--expect` refuses."
    else:
        yield from (prose(each) for each in following(plan))
        if plan.steps:
            yield "The apply workflow takes these steps after the merge."
        else:
            yield "Fix the cause in this pull request or at the provider, then push or run this job again."


def _mistaken(each: Mistaken) -> str:
    count = len(each.problems)
    found = [
        f"{code(f'{problem.file}:{problem.line}:{problem.column}')}: {prose(problem.message)}"
        + (f"<br>*{prose(problem.hint)}*" if problem.hint else "")
        for problem in each.problems
    ]
    title = f"### {prose(each.environment)}: {count} mistake{'s' if count != 1 else ''} in the file"
    return f"{title}\n\n{bullets(found)}\n\nNo provider was asked. Fix the file and push: the plan is made again."


def _unplanned(each: Unplanned) -> str:
    parts = [f"### {prose(each.environment)}: could not be planned", prose(each.message)]
    return "\n\n".join([*parts, *([f"*{prose(each.hint)}*"] if each.hint else [])])


def _deleted(name: str) -> str:
    return (
        f"### {prose(name)}: the file is deleted\n\n"
        "Deleting a file deletes nothing else. The database, its held timelines and its Hyperdrive configs stay as "
        "they are, and reconciler no longer manages them."
    )


def _summary_link(subject: Subject) -> str:
    return f"[the job summary]({subject.run_url})" if subject.run_url else "the job summary"


def footer(commit: str) -> str:
    """Say on which commit a plan was made: what a comment ends with, and an up-to-date one is known by."""
    return f"<sub>Planned on {commit[:12]}," if commit else "<sub>Planned,"


def _footer(subject: Subject) -> str:
    return f"{footer(subject.commit)} reading only; the full plan is in {_summary_link(subject)}.</sub>"
