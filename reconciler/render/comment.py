"""The plan as a pull request's comment, and in full for the job summary. Pure: from what was found to Markdown.

GitHub takes 65,536 characters in a comment; ours stays below 60,000 bytes. What does not fit is cut from the middle.
Everything that comes from a file or a provider is escaped: it is shown, and does nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.core.file.reading import Problem
from reconciler.core.model.observed import Observed
from reconciler.core.plan.plan import Plan
from reconciler.render.markdown import bullets, code, cut, prose
from reconciler.render.plan import as_markdown
from reconciler.render.plan_description import following

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


def _following(plan: Plan) -> Iterator[str]:
    """Say what to do with the pull request."""
    environment = plan.desired.environment
    if plan.in_sync:
        yield "Merge it: everything is as the file asks, and the apply workflow will find nothing to do."
    elif not plan.refusals:
        command = f"`reconciler apply {environment} --expect {plan.digest}`"
        yield f"Merge it: the apply workflow does this once the required reviewers of {code(environment)} agree."
        yield f"Or run it yourself, on the merged commit and only what was reviewed here: {command}"
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
