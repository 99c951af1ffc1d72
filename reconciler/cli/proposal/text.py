"""What a reviewer reads of a proposal: the commit's message, and the pull request's body. Pure."""

import textwrap

from reconciler.cli.proposal.base import Base, Examined
from reconciler.core.model.observed import Project
from reconciler.core.values.duration import for_people
from reconciler.core.values.timeline import Timeline, spelled
from reconciler.render import point as point_text
from reconciler.render.markdown import cut, prose
from reconciler.render.plan import as_markdown
from reconciler.render.wording import counted

# Git's own convention for the body of a message.
_WIDTH = 72
# GitHub takes 65,536 characters.
_LONGEST_BODY = 60_000


def restore_subject(examined: Examined) -> str:
    """Say a restore in one line."""
    restore = examined.desired.primary.restore
    assert restore is not None  # what else would be restored
    identity = f" ({restore.id})" if restore.id else ""
    return f"Restore {examined.desired.environment} to {spelled(restore.to)}{identity}"


def revert_subject(subject: str) -> str:
    """Say a revert in one line, as Git does: the revert of a revert applies it again."""
    if subject.startswith('Revert "') and subject.endswith('"'):
        return f'Reapply "{subject.removeprefix("Revert ")[1:-1]}"'
    return f'Revert "{subject}"'


def reverts(commit: str) -> str:
    """Name the commit that is reverted, as Git does."""
    return f"This reverts commit {commit}."


def message(subject: str, base: Base, examined: Examined, *paragraphs: str) -> str:
    """Write a commit's message; `paragraphs` (empty ones left out) come first."""
    plan = examined.plan
    undo = f"To undo it once it is applied: git revert this commit, or reconciler rollback {base.environment}."
    found = [*paragraphs, *_facts(examined), f"Plan: {counted(len(plan.steps))}, digest {plan.digest}.", undo]
    return "\n\n".join([_one_line(subject), *(_wrapped(each) for each in found if each.strip())]) + "\n"


def body(base: Base, examined: Examined, reason: str, *, notes: tuple[str, ...] = ()) -> str:
    """Write a pull request's body; `notes` are paragraphs that follow the reason."""
    plan = examined.plan
    lines = [f"> {prose(reason)}", ""] if reason.strip() else []
    lines += [line for note in notes for line in (prose(note), "")]
    lines += [*(f"- {prose(fact)}" for fact in _facts(examined)), "", "**Before you approve**", ""]
    lines += [f"- [ ] {each}" for each in _checklist(examined)]
    lines += ["", "Once it is merged, `reconciler apply` makes it so. To undo it: revert this pull request, or"]
    lines += [f"`reconciler rollback {base.environment} --pr`.", ""]
    lines += [f"<details open><summary>The plan as of {examined.observed.at}</summary>", ""]
    lines += [as_markdown(plan, examined.observed), "", "</details>", ""]
    return cut("\n".join(lines), _LONGEST_BODY, f"`reconciler plan {base.environment}` shows all of it")


def _facts(examined: Examined) -> list[str]:
    """Say what is live, what will be, how old that is, and until when it can be had."""
    plan, observed, restore = examined.plan, examined.observed, examined.desired.primary.restore
    asked = plan.desired.timeline
    facts = [f"Live now: {plan.live}. Live then: {asked}."]
    if is_held(examined, asked):
        return [*facts, f"{asked} is held, and comes back exactly as it was left; {plan.live} is held in its turn."]
    if restore is None:
        return facts
    moment = restore.moment
    if moment is not None:
        age = for_people(observed.at - moment)
        facts.append(f"{moment} was {age} before {observed.at}, when this was proposed.")
    if moment is not None and isinstance(observed.project, Project):
        until = moment.after(observed.project.history)
        left, window = for_people(until - observed.at), for_people(observed.project.history)
        facts.append(f"That moment stays inside the history window ({window}) for {left}, until {until}.")
    return [*facts, f"What was written since is not on {asked}; it stays on {plan.live}, which is held."]


def is_held(examined: Examined, timeline: Timeline) -> bool:
    """Whether a timeline is held, so that it can be made live again as it was left."""
    lineage = examined.plan.lineage
    return lineage is not None and any(each.timeline == timeline for each in lineage.held)


def _checklist(examined: Examined) -> list[str]:
    restore, plan = examined.desired.primary.restore, examined.plan
    if restore is None or is_held(examined, plan.desired.timeline):
        checks = [f"`{plan.desired.timeline}` is the timeline that is meant"]
    else:
        what = "the moment that is meant (UTC)" if restore.moment else "the point that is meant"
        checks = [f"`{point_text.asked(restore)}` is {what}"]
    checks.append(f"users can do without what was written to `{plan.live}` since")
    if plan.outside:
        names = ", ".join(prose(each.name) for each in plan.outside)
        checks.append(f"what does not go back with the database has been thought of: {names}")
    return checks


def _wrapped(paragraph: str) -> str:
    return textwrap.fill(_one_line(paragraph), _WIDTH, break_long_words=False, break_on_hyphens=False)


def _one_line(text: str) -> str:
    """Return text without line ends and control characters."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())
