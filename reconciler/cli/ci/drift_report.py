"""The text of a drift issue: what the file asks for, what is live instead, and the two ways out. Pure.

The text changes only with the drift, so that the issue is not edited every hour.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.core.lineage.hyperdrive import expected_config
from reconciler.core.lineage.infer import PrimaryMissing
from reconciler.core.model.observed import Observed, ObservedWorker, known
from reconciler.core.model.refusal import Refusal
from reconciler.core.plan.plan import Plan
from reconciler.core.records.receipt import Receipt, Result
from reconciler.core.values.instant import Instant
from reconciler.render.markdown import code, cut, prose
from reconciler.render.status import seen_workers, served
from reconciler.render.wording import counted

LABEL = "reconciler-drift"
LIMIT_BYTES = 60_000
# How every issue of ours begins.
MARKERS = "<!-- reconciler:drift:"
_MARKER = re.compile(rf"{MARKERS}([a-z0-9-]+) -->")
_ENDED = {
    Result.CONVERGED: "converged",
    Result.FAILED: "failed",
    Result.REFUSED: "was refused",
    Result.INTERRUPTED: "was interrupted",
}
_SINCE = re.compile(r"<!-- since (\S+) -->")


@dataclass(frozen=True, slots=True)
class Drift:
    """An environment whose state is not what its file asks for.

    `failed` is the receipt of the last apply, if that did not converge.
    """

    plan: Plan
    observed: Observed
    file: str
    failed: Receipt | None = None

    @property
    def environment(self) -> str:
        """The environment's name."""
        return self.plan.desired.environment


def marker(environment: str) -> str:
    """Return the hidden marker of an environment's issue."""
    return f"{MARKERS}{environment} -->"


def environment_of(body: str) -> str:
    """Return the environment of an issue's body; empty if it is not ours."""
    found = _MARKER.search(body)
    return found[1] if found else ""


def title(drift: Drift) -> str:
    """Return the issue's title."""
    if drift.failed is not None:
        return f"{drift.environment}: the last apply {_ENDED[drift.failed.result]}"
    return f"{drift.environment}: what is live is not what the file asks for"


def failure(receipt: Receipt) -> str:
    """Return in a sentence when an apply failed, who started it, why it failed and where its log is."""
    log = f"its log: {receipt.run}" if receipt.run else f"it ran by hand: {receipt.actor} has its log"
    why = receipt.detail or "no reason is known"
    ended = f"the last apply of {receipt.asked}, begun {receipt.began} by {receipt.actor}, {_ENDED[receipt.result]}"
    return f"{ended}: {why}; {log}"


def since(body: str) -> Instant | None:
    """Return since when the drift is known, from an issue's body (UTC)."""
    found = _SINCE.search(body)
    try:
        return Instant.parse(found[1]) if found else None
    except ValueError:
        return None


def issue(drift: Drift, known_since: Instant, accepting: str) -> str:
    """Return the issue's body. `accepting` is Markdown: how to accept what is live, or why that is not possible."""
    parts = [
        f"{_happened(drift)} Known since {known_since}.",
        *_suspended(drift),
        difference(drift),
        *("### Make it so", _make_it_so(drift), "### Accept it", accepting),
        "This issue is kept up to date, and closed when the two agree.",
    ]
    head = f"{marker(drift.environment)}\n<!-- since {known_since} -->\n"
    return head + cut("\n\n".join(parts), LIMIT_BYTES - len(head), "the job summary has all of it")


def difference(drift: Drift) -> str:
    """Return in Markdown what is asked for and what is live, with the steps between them or what blocks these."""
    plan, parts = drift.plan, []
    if differences := list(_differences(drift)):
        parts.append("\n".join(["| | asked for | live |", "|---|---|---|", *differences]))
    if plan.drift:
        parts += ["**What was changed**", "\n".join(f"- {prose(str(each))}" for each in plan.drift)]
    if plan.refusals:
        parts += ["**What blocks it**", "\n".join(f"- {_refusal(each)}" for each in plan.refusals)]
    else:
        steps = [f"| {n} | {prose(step.describe())} | {prose(step.reason)} |" for n, step in enumerate(plan.steps, 1)]
        parts += ["**What would set it right**", "\n".join(["| | step | because |", "|---|---|---|", *steps])]
    return "\n\n".join(parts)


def _happened(drift: Drift) -> str:
    if drift.failed is None:
        return f"{code(drift.file)} was applied, and reality has changed since."
    return f"What {code(drift.file)} asks for is not live: {prose(failure(drift.failed))}."


def _suspended(drift: Drift) -> Iterator[str]:
    if (stopped := drift.plan.suspension) is not None:
        yield f"**All applying is suspended.** {prose(stopped.message)}. *{prose(stopped.hint)}*"


def _refusal(refusal: Refusal) -> str:
    return f"{prose(refusal.message)}<br>*{prose(refusal.hint)}*"


def _differences(drift: Drift) -> Iterator[str]:
    """Yield each difference as a row of a table."""
    plan, desired = drift.plan, drift.plan.desired
    if plan.live != desired.timeline:
        yield f"| timeline | {code(str(desired.timeline))} | {code(str(plan.live or 'not known'))} |"
    for refusal in plan.refusals:
        if isinstance(refusal, PrimaryMissing):
            yield f"| primary branch | {code(desired.primary.branch)} | {code(refusal.default)} is the default |"
    if desired.hyperdrive is None:
        return
    name = expected_config(desired, drift.observed)
    configs = known(drift.observed.configs)
    config = next((each for each in configs if each.name == name), None)
    if config is None:
        yield f"| Hyperdrive config | {code(name)} | does not exist |"
    for worker in seen_workers(drift.observed):
        yield from _of_worker(worker, name, config.id if config else "", drift.observed)


def _of_worker(worker: ObservedWorker, name: str, identity: str, observed: Observed) -> Iterator[str]:
    if not worker.serves_only(identity):
        yield f"| Worker {code(worker.script)} | {code(f'100 % on {name}')} | {code(served(worker, observed))} |"
    if worker.file_hyperdrive_id != identity:
        yield f"| {code(worker.config)} | the id of {code(name)} | {code(worker.file_hyperdrive_id)} |"


def _make_it_so(drift: Drift) -> str:
    name, plan = drift.environment, drift.plan
    if drift.failed is not None and not plan.refusals:
        return "Fix the cause of the failure, then apply again: it continues from what it finds.\n\n" + _commands(name)
    if plan.refusals and not (plan.blocks_no_restore and plan.steps):
        return "No apply can change anything until what blocks it is gone. Then:\n\n" + _commands(name)
    return f"Bring reality back to what the file asks for, in {counted(len(plan.steps))}:\n\n" + _commands(name)


def _commands(name: str) -> str:
    command = f"gh workflow run apply.yml -f environment={name}"
    return f"```sh\n{command}\n# or, on your own machine:\nreconciler apply {name}\n```"
