"""The timelines of an environment as a Mermaid flowchart, before and after a plan. Pure.

GitHub renders Mermaid in comments and job summaries. A flowchart with quoted labels is its most stable part: names
are written as character codes, so none can end a label, and only the timelines that matter are drawn.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.core.lineage.infer import infer_lineage
from reconciler.core.lineage.lineage import Lineage, TimelineBranch
from reconciler.core.model.observed import Observed
from reconciler.core.plan.plan import Plan
from reconciler.core.steps.branch import creation
from reconciler.core.values.escaping import label
from reconciler.core.values.timeline import Timeline, spelled

_MOST_HELD = 4
_STYLES = (
    "classDef live fill:#1a7f37,stroke:#116329,color:#ffffff",
    "classDef held fill:#ddf4ff,stroke:#0969da,color:#0a3069",
    "classDef prepared fill:#fff8c5,stroke:#9a6700,color:#3b2300,stroke-dasharray:4 3",
)


@dataclass(frozen=True, slots=True)
class _Scene:
    """One state of the timelines. `made_from` is the edge of a restore: source, new timeline, what it says."""

    key: str
    title: str
    lineage: Lineage
    wanted: Timeline
    made_from: tuple[Timeline, Timeline, str] | None = None


def picture(plan: Plan, observed: Observed) -> str:
    """Draw the timelines now and, if the steps change them, after; empty where they are unknown."""
    if plan.lineage is None:
        return ""
    scenes = [_Scene("before", "now", plan.lineage, plan.desired.timeline)]
    after = _after(plan, observed)
    if after is not None and _places(after) != _places(plan.lineage):
        scenes.append(_Scene("after", "after", after, plan.desired.timeline, _made_from(plan)))
    lines = ["flowchart TB"]
    for context in scenes:
        lines += [f'  subgraph {context.key}["{context.title}"]', "    direction LR"]
        lines += [f"    {line}" for line in _drawn(context)]
        lines += ["  end"]
    if len(scenes) > 1:
        lines += ["  before ==> after"]
    return "\n".join([*lines, *(f"  {style}" for style in _STYLES)])


def _after(plan: Plan, observed: Observed) -> Lineage | None:
    for step in plan.steps:
        observed = step.predict(observed)
    found = infer_lineage(plan.desired, observed.branches) if isinstance(observed.branches, tuple) else None
    return found if isinstance(found, Lineage) else None


def _places(lineage: Lineage) -> list[tuple[str, str]]:
    return [(str(each.timeline), each.branch.name) for each in lineage.all]


def _made_from(plan: Plan) -> tuple[Timeline, Timeline, str] | None:
    step = creation(plan.steps)
    if step is None:
        return None
    return (step.source_timeline, step.timeline, f"as of {spelled(step.at)}" if step.at else "as it is")


def _drawn(context: _Scene) -> Iterator[str]:
    shown = _shown(context)
    names = {each.timeline: f"{context.key}{number}" for number, each in enumerate(shown)}
    for each in shown:
        kind = _kind(each, context.lineage)
        says = f"live, on {label(each.branch.name)}" if kind == "live" else kind
        name = names[each.timeline]
        yield f'{name}["{label(str(each.timeline))}<br/>{says}"]'
        yield f"class {name} {kind}"
    left = len(context.lineage.all) - len(shown)
    if left:
        yield f'{context.key}More["and {left} more, held or prepared"]'
        yield f"class {context.key}More held"
    yield from _edges(context, shown, names)


def _edges(context: _Scene, shown: list[TimelineBranch], names: dict[Timeline, str]) -> Iterator[str]:
    made = context.made_from
    if made is not None and made[0] in names and made[1] in names:
        yield f'{names[made[0]]} -.->|"{label(made[2])}"| {names[made[1]]}'
    for each in shown:
        successor = each.held.before if each.held is not None else None
        if successor in names and (made is None or (each.timeline, successor) != made[:2]):
            yield f'{names[each.timeline]} -->|"replaced by"| {names[successor]}'


def _shown(context: _Scene) -> list[TimelineBranch]:
    """Choose the live timeline, those that the plan is about, and the youngest of the others."""
    lineage, concerned = context.lineage, {context.wanted, *(context.made_from or ())[:2]}
    first = [each for each in lineage.all if each == lineage.live or each.timeline in concerned]
    others = sorted(
        (each for each in lineage.all if each not in first), key=lambda each: each.branch.created_at, reverse=True
    )
    return first + others[: max(0, _MOST_HELD + 1 - len(first))]


def _kind(timeline_branch: TimelineBranch, lineage: Lineage) -> str:
    if timeline_branch == lineage.live:
        return "live"
    return "held" if timeline_branch.held is not None else "prepared"
