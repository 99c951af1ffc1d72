"""Annotations of branches at Neon. They are set in the request that creates a branch, and can't be changed later."""

from reconciler.core.model.observed import Annotation, DeclaredAnnotation
from reconciler.core.values.timeline import Timeline
from reconciler.providers.http.response import ResponseReader

_ENVIRONMENT = "reconciler.environment"
_TIMELINE = "reconciler.timeline"
_PROTECTS = "reconciler.protects"
_PURPOSE = "reconciler.purpose"
_NAME = "reconciler.branch"
_RESET = "reconciler.reset"
_DECLARED = {False: "declared branch", True: "declared branch, schema only"}


def of_timeline(mark: Annotation) -> dict[str, str]:
    """Return the annotations of a branch that carries a timeline."""
    annotations = {_ENVIRONMENT: mark.environment, _TIMELINE: mark.timeline.name}
    return annotations | ({_PROTECTS: "primary"} if mark.protects else {})


def of_drill(mark: Annotation) -> dict[str, str]:
    """Return the annotations of a drill's branch."""
    return of_timeline(mark) | {_PURPOSE: "drill"}


def of_declared(mark: DeclaredAnnotation) -> dict[str, str]:
    """Return the annotations of a declared branch: its name in the file, and which reset the file asked for then."""
    annotations = {_ENVIRONMENT: mark.environment, _PURPOSE: _DECLARED[mark.schema_only], _NAME: mark.name}
    return annotations | ({_RESET: mark.reset} if mark.reset else {})


def read(annotation: ResponseReader) -> tuple[Annotation | None, DeclaredAnnotation | None]:
    """Read both kinds of annotations; None where a branch has none of that kind."""
    value = annotation.section("value")
    environment, purpose = value.maybe_text(_ENVIRONMENT), value.maybe_text(_PURPOSE)
    timeline, protects = Timeline.parse(value.maybe_text(_TIMELINE)), bool(value.maybe_text(_PROTECTS))
    mark = Annotation(environment, timeline, protects) if environment and timeline else None
    if purpose not in _DECLARED.values():
        return mark, None
    name, reset = value.maybe_text(_NAME), value.maybe_text(_RESET)
    return mark, DeclaredAnnotation(environment, name, reset, purpose == _DECLARED[True])
