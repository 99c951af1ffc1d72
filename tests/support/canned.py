"""The answers of both providers for one production in the middle of a restore: recorded once, and then twisted."""

import re

ACCOUNT, PROJECT, SCRIPT, DATABASE, ROLE = "a" * 32, "aged-wildflower-123456", "shop-api", "tech961", "app"
OLD_CONFIG, NEW_CONFIG = "1" * 32, "2" * 32
OLD_VERSION, NEW_VERSION = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
PASSWORD = "npg_canaryOfTheRole1"
TIMELINE = "r-20261121T095500000Z-inc-42"
_HOST = "ep-cool-{}.eu-central-1.aws.neon.tech"


def _branch(identity, name, **more):
    return {
        "id": identity, "project_id": PROJECT, "name": name, "current_state": "ready", "pending_state": None,
        "default": False, "protected": False, "created_at": "2026-11-21T10:00:00Z", "expires_at": None,
        "parent_id": None, "parent_timestamp": None, "parent_lsn": None, "last_reset_at": None,
        **more,
    }  # fmt: skip


def _endpoint(identity, branch):
    return {
        "id": identity, "branch_id": branch, "host": _HOST.format(identity), "type": "read_write",
        "autoscaling_limit_min_cu": 0.25, "autoscaling_limit_max_cu": 2, "suspend_timeout_seconds": 0,
    }  # fmt: skip


def _account(name):
    return {"name": name, "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-11-21T12:00:00Z"}


def _config(identity, name, endpoint):
    origin = {"host": _HOST.format(endpoint), "port": 5432, "database": DATABASE, "user": ROLE, "scheme": "postgres"}
    return {"id": identity, "name": name, "origin": origin, "caching": {"disabled": False}}


def _version(identity, config):
    binding = {"name": "HYPERDRIVE", "type": "hyperdrive", "id": config}
    return {
        "id": identity, "number": 1, "annotations": {"workers/message": "hello", "workers/tag": "t"},
        "resources": {
            "bindings": [binding, {"name": "KV", "type": "kv_namespace", "namespace_id": "x"}],
            "script": {"etag": "e", "placement_mode": "smart"},
            "script_runtime": {"compatibility_date": "2025-09-01", "limits": {"cpu_ms": 50}},
        },
    }  # fmt: skip


def _enveloped(result, **more):
    return {"result": result, "success": True, "errors": [], "messages": None, **more}


_CANDIDATE = _branch(
    "br-new", f"main.candidate.{TIMELINE}", parent_id="br-old", parent_timestamp="2026-11-21T09:55:00Z",
    parent_lsn="0/1F8B8A8",
)  # fmt: skip
_OLD = _branch("br-old", "main", default=True, protected=True, created_at="2026-01-01T00:00:00.123456Z")
_OPERATION = {
    "id": "op-1", "action": "create_branch", "status": "finished", "branch_id": "br-new", "failures_count": 0,
    "created_at": "2026-11-21T10:00:00Z", "updated_at": "2026-11-21T10:00:01Z", "error": None, "retry_at": None,
}  # fmt: skip
_SCRIPTS = f"/accounts/{ACCOUNT}/workers/scripts/{SCRIPT}"
_MODULE = (
    b'--x\r\nContent-Disposition: form-data; name="index.js"\r\n'
    b"Content-Type: application/javascript+module\r\n\r\nhi\r\n--x--\r\n"
)

# Regular expression for "METHOD path" -> JSON, the first one that fits.
REPLIES = {
    "GET /projects/[^/]+/branches/[^/]+/schema": {"json": {"tables": [{"schema": "public", "name": "Listing"}]}},
    "GET /projects/[^/]+/branches/[^/]+/roles": {"roles": [_account(ROLE), _account("owner")]},
    "GET /projects/[^/]+/branches/[^/]+/databases": {"databases": [_account(DATABASE)]},
    "GET /projects/[^/]+/branches/[^/]+$": {"branch": _CANDIDATE},
    "GET /projects/[^/]+/branches$": {
        "branches": [_OLD, _CANDIDATE, _branch("br-x", "feature", parent_id="br-old")],
        "annotations": {
            "br-new": {
                "object": {"type": "console/branch", "id": "br-new"},
                "value": {"reconciler.environment": "production", "reconciler.timeline": TIMELINE},
            }
        },
        "pagination": {"sort_by": "updated_at", "sort_order": "DESC"},
    },
    "POST /projects/[^/]+/branches$": {"branch": _CANDIDATE, "operations": [_OPERATION]},
    "GET /projects/[^/]+/endpoints$": {"endpoints": [_endpoint("old", "br-old"), _endpoint("new", "br-new")]},
    "GET /projects/[^/]+/operations/": {"operation": _OPERATION},
    "GET /projects/[^/]+/operations$": {"operations": [_OPERATION], "pagination": {"cursor": "c"}},
    "GET /projects/[^/]+/connection_uri": {"uri": f"postgresql://{ROLE}:{PASSWORD}@{_HOST.format('new')}/{DATABASE}"},
    "PATCH /projects/": {"branch": _CANDIDATE, "operations": [_OPERATION]},
    "GET /projects/[^/]+$": {
        "project": {
            "id": PROJECT, "name": "961tech", "history_retention_seconds": 604800,
            "owner": {"subscription_type": "launch_v3", "branches_limit": 5000},
        }
    },
    "GET .*/hyperdrive/configs": _enveloped(
        [_config(OLD_CONFIG, "shop", "old"), _config(NEW_CONFIG, f"shop-{TIMELINE}", "new")],
        result_info={"page": 1, "per_page": 50, "count": 2, "total_count": 2, "total_pages": 1},
    ),
    f"GET {_SCRIPTS}/deployments": _enveloped(
        {"deployments": [{"id": "d1", "strategy": "percentage", "versions": [
            {"version_id": OLD_VERSION, "percentage": 100}]}]}
    ),
    f"GET {_SCRIPTS}/versions/{OLD_VERSION}": _enveloped(_version(OLD_VERSION, OLD_CONFIG)),
    f"GET {_SCRIPTS}/versions/{NEW_VERSION}": _enveloped(_version(NEW_VERSION, NEW_CONFIG)),
    f"GET {_SCRIPTS}/versions$": _enveloped({"items": [
        {"id": NEW_VERSION, "number": 2, "annotations": {"workers/message": f"production {TIMELINE}"}},
        {"id": OLD_VERSION, "number": 1, "annotations": {"workers/message": "hello"}}]}),
    f"GET {_SCRIPTS}/script-settings": _enveloped({"logpush": False, "tail_consumers": None}),
    f"GET {_SCRIPTS}/content": _MODULE,
}  # fmt: skip


def key_of(method, path):
    """Name the reply for a request."""
    asked = f"{method} {path.partition('?')[0]}"
    return next((key for key in REPLIES if re.match(key, asked)), None)
