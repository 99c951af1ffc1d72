"""The report of an apply: the Markdown of the job summary, and the line of a deployment. Pure."""

from reconciler.cli.apply.run import Applied
from reconciler.core.model.desired import Desired
from reconciler.core.records.receipt import Result
from reconciler.errors import Suspended
from reconciler.render.markdown import prose
from reconciler.render.plan_description import headline
from reconciler.render.status import seen_workers, served
from reconciler.render.wording import counted


def one_line(desired: Desired, applied: Applied) -> str:
    """Return in one line how it ended, for a deployment's description."""
    error = applied.end.error
    if error is not None:
        return f"{applied.end.result.value}: {error.message}"
    count = len(applied.outcome.taken) if applied.outcome else 0
    if applied.end.result is not Result.CONVERGED:
        return headline(applied.final)
    done = f"{counted(count)} in {applied.end.seconds:.1f} s" if count else "nothing was to be done"
    return f"{applied.final.live} is live in {desired.environment}: {done}"


def summary(desired: Desired, applied: Applied, notes: list[str]) -> str:
    """Return the report in Markdown: what happened, what is live now, what to do next."""
    return "\n".join(
        [
            f"### {prose(one_line(desired, applied))}",
            "",
            *_failure(desired, applied),
            *_live(applied),
            *(f"- {prose(note)}" for note in notes),
            "",
            *_steps(applied),
            "",
            f"`reconciler history {desired.environment}` shows the receipt.",
        ]
    )


def _failure(desired: Desired, applied: Applied) -> list[str]:
    error = applied.end.error
    lines: list[str] = []
    if error is not None:
        lines += [f"**What happened.** {prose(error.message)}", ""]
        lines += [f"**Way out.** {prose(error.hint)}", ""] if error.hint else []
    elif applied.final.refusals:
        lines += [
            f"- `{each.rule}`: {prose(each.message)}\n  *{prose(each.hint)}*" for each in applied.final.refusals
        ] + [""]
    if applied.end.result is not Result.CONVERGED:
        again = f"`gh workflow run apply.yml -f environment={desired.environment}`"
        goes_on = f"run this workflow again ({again}): it goes on from what it finds"
        mend = "Wait until it is over, or resume, and" if isinstance(error, Suspended) else "Mend the cause and"
        lines += [f"**Next.** {mend} {goes_on}. To give up instead, revert the commit and merge that.", ""]
    return lines


def _live(applied: Applied) -> list[str]:
    lines = [f"- Live now: **{applied.final.live or 'cannot be read'}**"]
    if applied.end.observed is not None:
        observed = applied.end.observed
        lines += [f"- Worker `{each.script}`: {served(each, observed)}" for each in seen_workers(observed)]
    held = applied.final.lineage.held if applied.final.lineage else ()
    return lines + [f'- Held: {each.timeline}, on branch "{each.branch.name}"' for each in held]


def _steps(applied: Applied) -> list[str]:
    taken = applied.outcome.taken if applied.outcome else ()
    if not taken:
        return []
    rows = [
        f"| {number} | {_cell(done.step.describe())} | {done.seconds:.1f} |" for number, done in enumerate(taken, 1)
    ]
    return ["| | step | seconds |", "|---|---|---|", *rows]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
