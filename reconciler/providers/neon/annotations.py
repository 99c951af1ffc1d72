"""The annotations of a declared branch at Neon: set in the request that creates it, and never again."""

from reconciler.core.model.observed import DeclaredAnnotation
from reconciler.providers.http.response import Told

_ENVIRONMENT_KEY = "reconciler.environment"
_PURPOSE_KEY = "reconciler.purpose"
_NAME_KEY = "reconciler.branch"
_RESET_KEY = "reconciler.reset"
_PURPOSES = {False: "declared branch", True: "declared branch, schema only"}


def child_annotations(mark: DeclaredAnnotation) -> dict[str, str]:
    """Return the annotations that say for what a branch was made, and which reset was asked for then."""
    annotations = {
        _ENVIRONMENT_KEY: mark.environment,
        _PURPOSE_KEY: _PURPOSES[mark.schema_only],
        _NAME_KEY: mark.name,
    }
    return annotations | ({_RESET_KEY: mark.reset} if mark.reset else {})


def child_mark(annotation: Told | None) -> DeclaredAnnotation | None:
    """Read them; None where they are not those of a declared branch."""
    value = annotation.maybe("value") if annotation else None
    purpose = value.maybe_text(_PURPOSE_KEY) if value else ""
    if value is None or purpose not in _PURPOSES.values():
        return None
    environment, name = value.maybe_text(_ENVIRONMENT_KEY), value.maybe_text(_NAME_KEY)
    return DeclaredAnnotation(environment, name, value.maybe_text(_RESET_KEY), purpose == _PURPOSES[True])
