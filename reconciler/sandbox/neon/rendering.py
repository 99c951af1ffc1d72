"""The JSON of answers, after the API description, with the undescribed fields of live answers."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from reconciler.sandbox.neon.connections import host
from reconciler.sandbox.neon.state import (
    Branch,
    Database,
    Deleted,
    Endpoint,
    NeonState,
    Operation,
    Project,
    Role,
    Snapshot,
)
from reconciler.sandbox.timestamps import render

Json = dict[str, Any]

OWNER_ID = "org-quiet-harbour-10203040"
_PLATFORM = "aws"
_RECOVERABLE = timedelta(days=7)


_ENDPOINT_DEFAULTS = {
    "autoscaling_limit_min_cu": 0.25,
    "autoscaling_limit_max_cu": 0.25,
    "suspend_timeout_seconds": 0,
}
_PROJECT_SETTINGS = {
    "allowed_ips": {"ips": [], "protected_branches_only": False},
    "enable_logical_replication": False,
    "maintenance_window": {"weekdays": [5], "start_time": "07:00", "end_time": "08:00"},
    "block_public_connections": False,
    "block_vpc_connections": False,
    "hipaa": False,
}
_BRANCH_CONSUMPTION = {
    "active_time_seconds": 0,
    "cpu_used_sec": 0,
    "compute_time_seconds": 0,
    "written_data_bytes": 0,
    "data_transfer_bytes": 0,
}
_PROJECT_CONSUMPTION = _BRANCH_CONSUMPTION | {
    "active_time": 0,
    "data_storage_bytes_hour": 0,
    "synthetic_storage_size": 0,
}


def project(state: NeonState, found: Project) -> Json:
    """Render a project."""
    return {
        "id": found.id,
        "slug": found.id,
        "name": found.name,
        "platform_id": _PLATFORM,
        "region_id": found.region_id,
        "pg_version": found.pg_version,
        "proxy_host": "127.0.0.1",
        "provisioner": "k8s-neonvm",
        "store_passwords": found.store_passwords,
        "history_retention_seconds": found.history_retention_seconds,
        "branch_logical_size_limit": 512,
        "branch_logical_size_limit_bytes": 536870912,
        "default_endpoint_settings": _ENDPOINT_DEFAULTS | found.default_endpoint_settings,
        "settings": _PROJECT_SETTINGS | found.settings,
        "creation_source": "console",
        "consumption_period_start": render(found.created_at),
        "consumption_period_end": "0001-01-01T00:00:00Z",
        "created_at": render(found.created_at),
        "updated_at": render(found.updated_at),
        "owner_id": OWNER_ID,
        "org_id": OWNER_ID,
        "owner": {
            "email": "owner@sandbox.example",
            "name": "Sandbox",
            "branches_limit": state.plan.branches,
            "subscription_type": state.switches.subscription_type,
        },
    } | _PROJECT_CONSUMPTION


def branch(state: NeonState, found: Branch) -> Json:
    """Render a branch. Fields that a root or an unfinished branch lacks are absent, not null."""
    return (
        {
            "id": found.id,
            "slug": found.id,
            "project_id": found.project_id,
            "project_slug": found.project_id,
            "name": found.name,
            "current_state": found.current_state,
            "state_changed_at": render(found.state_changed_at),
            "creation_source": "console",
            "primary": found.default,
            "default": found.default,
            "protected": found.protected,
            "created_at": render(found.created_at),
            "updated_at": render(found.updated_at),
            "init_source": found.init_source,
        }
        | _BRANCH_CONSUMPTION
        | _present(
            {
                "parent_id": found.parent_id,
                "parent_lsn": found.parent_lsn,
                "parent_timestamp": _moment(found.parent_timestamp),
                "pending_state": found.pending_state,
                "expires_at": _moment(found.expires_at),
                "ttl_interval_seconds": found.ttl_seconds,
                "last_reset_at": _moment(found.last_reset_at),
                "restore_status": found.restore_status,
                "restored_from": found.restored_from,
                "restored_as": found.restored_as,
                "restricted_actions": _restricted(state, found),
            }
        )
    )


def recovery(found: Deleted | None) -> Json:
    """Render the additional field of a deleted branch."""
    if found is None:
        return {}
    until = found.deleted_at + _RECOVERABLE
    fields = {"deleted_at": render(found.deleted_at), "recoverable_until": render(until)}
    return {"recovery": fields | {"deletion_method": found.method}}


def annotation(found: Branch) -> Json:
    """Render the annotation of a branch; an empty one as Neon does."""
    if not found.annotation or found.annotated_at is None:
        return {"object": {"type": "", "id": ""}, "value": {}}
    return {
        "object": {"type": "console/branch", "id": found.id},
        "value": found.annotation,
        "created_at": render(found.annotated_at),
        "updated_at": render(found.annotated_at),
    }


def endpoint(found: Endpoint, region_id: str) -> Json:
    """Render a compute."""
    return {
        "host": host(found),
        "hosts": {f"{found.type}_host": host(found), f"{found.type}_pooled_host": host(found)},
        "id": found.id,
        "slug": found.id,
        "project_id": found.project_id,
        "project_slug": found.project_id,
        "branch_id": found.branch_id,
        "branch_slug": found.branch_id,
        "autoscaling_limit_min_cu": found.minimum_units,
        "autoscaling_limit_max_cu": found.maximum_units,
        "region_id": region_id,
        "type": found.type,
        "current_state": found.current_state,
        "settings": {},
        "pooler_enabled": False,
        "pooler_mode": "transaction",
        "disabled": found.disabled,
        "passwordless_access": True,
        "creation_source": "console",
        "created_at": render(found.created_at),
        "updated_at": render(found.updated_at),
        "proxy_host": "127.0.0.1",
        "suspend_timeout_seconds": found.suspend_timeout_seconds,
        "provisioner": "k8s-neonvm",
    } | _present(
        {
            "name": found.name,
            "pending_state": found.pending_state,
            "last_active": _moment(found.last_active),
            "started_at": _moment(found.started_at),
            "suspended_at": _moment(found.suspended_at),
        }
    )


def operation(found: Operation) -> Json:
    """Render an operation."""
    return {
        "id": found.id,
        "project_id": found.project_id,
        "branch_id": found.branch_id,
        "action": found.action,
        "status": found.status.value,
        "failures_count": found.failures_count,
        "created_at": render(found.created_at),
        "updated_at": render(found.updated_at),
        "total_duration_ms": found.total_duration_ms,
    } | _present({"endpoint_id": found.endpoint_id, "error": found.error, "retry_at": _moment(found.retry_at)})


def operations(found: Iterable[Operation]) -> Json:
    """Render operations."""
    return {"operations": [operation(each) for each in found]}


def endpoints(found: Iterable[Endpoint], region_id: str) -> Json:
    """Render computes."""
    return {"endpoints": [endpoint(each, region_id) for each in found]}


def roles_and_databases(found: Branch, *, with_passwords: bool = False) -> Json:
    """Render the roles and databases of a new branch."""
    return {
        "roles": [role(each, found.id, with_password=with_passwords) for each in found.roles.values()],
        "databases": [database(each, found.id) for each in found.databases.values()],
    }


def snapshot(found: Snapshot) -> Json:
    """Render a snapshot."""
    return {
        "id": found.id,
        "name": found.name,
        "lsn": found.lsn,
        "source_branch_id": found.source_branch_id,
        "created_at": render(found.created_at),
        "manual": True,
    } | _present({"timestamp": _moment(found.timestamp), "expires_at": _moment(found.expires_at)})


def role(found: Role, branch_id: str, *, with_password: bool = False) -> Json:
    """Render a role; with its password only in the answer that made it."""
    return {
        "branch_id": branch_id,
        "name": found.name,
        "protected": False,
        "authentication_method": "password" if found.login else "no_login",
        "created_at": render(found.created_at),
        "updated_at": render(found.updated_at),
    } | _present({"password": found.password if with_password else None})


def database(found: Database, branch_id: str) -> Json:
    """Render a database."""
    return {
        "id": found.id,
        "branch_id": branch_id,
        "name": found.name,
        "owner_name": found.owner_name,
        "created_at": render(found.created_at),
        "updated_at": render(found.updated_at),
    }


def _restricted(state: NeonState, found: Branch) -> list[Json] | None:
    if not state.switches.restricted_actions:
        return None
    actions = []
    if found.parent_id is not None and not state.switches.child_as_target:
        reason = "instant restore to a point in time is available for root branches only"
        actions.append({"name": "restore", "reason": reason})
    if found.first or found.default:
        reason = "the read-write endpoint of the root or default branch cannot be deleted"
        actions.append({"name": "delete-rw-endpoint", "reason": reason})
    return actions or None


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else render(moment)


def _present(fields: Json) -> Json:
    return {name: value for name, value in fields.items() if value is not None}
