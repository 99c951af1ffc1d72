"""Neon's JSON: what a branch, a compute or a role looks like in a response, and settings and moments in a request.

Responses are read leniently: unknown keys and values are ignored, and null means absent.
"""

from datetime import timedelta
from urllib.parse import unquote, urlsplit

from reconciler.core.model.compute import ComputeSettings
from reconciler.core.model.compute_name import is_marked, is_noted
from reconciler.core.model.observed import Annotation, Branch, DeclaredAnnotation, Endpoint, Project
from reconciler.core.model.roles_and_databases import RoleOrDatabase
from reconciler.core.values.instant import Instant
from reconciler.core.values.lsn import Lsn
from reconciler.core.values.timeline import Point
from reconciler.errors import ProviderError
from reconciler.providers.http.response import ResponseReader

Annotations = tuple[Annotation | None, DeclaredAnnotation | None]

_SIZES = ("autoscaling_limit_min_cu", "autoscaling_limit_max_cu")
_SUSPENSION = "suspend_timeout_seconds"


def project(item: ResponseReader) -> Project:
    """Read a project."""
    owner = item.section("owner")
    return Project(
        id=item.id("id"),
        name=item.maybe_text("name") or item.id("id"),
        history=timedelta(seconds=item.number("history_retention_seconds")),
        plan=owner.maybe_text("subscription_type"),
        branches_limit=owner.maybe_number("branches_limit") or None,
    )


def branch(item: ResponseReader, annotations: Annotations, endpoint: Endpoint | None) -> Branch:
    """Read a branch."""
    mark, child = annotations
    restricted = (each for each in item.any("restricted_actions") if each.maybe_text("name") == "restore")
    return Branch(
        id=item.id("id"),
        name=item.text("name"),
        created_at=item.moment("created_at"),
        parent_id=item.maybe_id("parent_id"),
        resolved_at=item.maybe_moment("parent_timestamp"),
        lsn=item.maybe_text("parent_lsn"),
        default=item.flag("default"),
        protected=item.flag("protected"),
        ready=is_ready(item),
        expires_at=item.maybe_moment("expires_at"),
        last_reset_at=item.maybe_moment("last_reset_at"),
        mark=mark,
        endpoint=endpoint,
        child=child,
        unrestorable=next((each.text("reason") for each in restricted), ""),
        size=item.maybe_number("logical_size"),
        updated_at=item.maybe_moment("updated_at"),
    )


def is_ready(item: ResponseReader) -> bool:
    """Whether a branch can be used."""
    return item.maybe_text("current_state") in ("ready", "archived") and not item.maybe_text("pending_state")


def endpoint(item: ResponseReader) -> Endpoint:
    """Read a compute. The host may include a port, as stand-ins for Neon on this machine do; Neon's is always 5432."""
    host, _, port = item.text("host").partition(":")
    name = item.maybe_text("name")
    number = int(port) if port.isdecimal() and len(port) <= 5 else 5432
    least, most = (item.maybe_measure(key) for key in _SIZES)
    settings = ComputeSettings(least, most, item.maybe_whole(_SUSPENSION))
    return Endpoint(item.id("id"), host, number, name, is_marked(name), is_noted(name), settings)


def role_or_database(item: ResponseReader) -> RoleOrDatabase:
    """Read a role or a database."""
    return RoleOrDatabase(item.text("name"), item.moment("created_at"), item.moment("updated_at"))


def login(uri: str) -> tuple[str, int, str]:
    """Read host, port and password from a connection URI. Raises ProviderError, which never quotes the URI."""
    try:
        parts = urlsplit(uri)
        return parts.hostname or "", parts.port or 5432, unquote(parts.password or "")
    except ValueError:
        # Not from the error: it quotes the URI.
        raise ProviderError("Neon answered a connection URI that is no URI") from None


def point(prefix: str, at: Point) -> dict[str, str]:
    """Return the parameter for a moment or an LSN: Neon takes one of them (API reference, "Create branch")."""
    return {f"{prefix}lsn" if isinstance(at, Lsn) else f"{prefix}timestamp": at.text}


def seconds(at: Instant) -> str:
    """Return a moment in whole seconds, rounded down (documentation, Branch expiration)."""
    return f"{at.text[:19]}Z"


def compute_settings(compute: ComputeSettings) -> dict[str, float]:
    """Return the settings that are not None: Neon leaves the others as they are."""
    values = zip((*_SIZES, _SUSPENSION), (compute.minimum, compute.maximum, compute.suspend), strict=True)
    return {key: value for key, value in values if value is not None}
