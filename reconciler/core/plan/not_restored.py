"""What a restore does not rewind, how long it is kept, and how you recover it.

A restore rewinds one Neon project and nothing else. The rest is known from two places: the bindings in the Workers'
wrangler.jsonc, with Cloudflare's retention and recovery (each entry of the table names its page), and the `outside`
list of the desired-state file.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from reconciler.core.model.desired import FOREVER, Desired, Outside
from reconciler.core.model.observed import Observed, ObservedWorker, Unknown
from reconciler.core.model.worker_bindings import Binding, BindingKind
from reconciler.core.values.duration import as_written, for_people
from reconciler.core.values.instant import Instant

__all__ = ["Outside", "spelled", "stays", "stays_of", "unreached"]


@dataclass(frozen=True, slots=True)
class _Rule:
    """What is true of every binding of a kind. `what` comes before its name."""

    what: str
    retention: timedelta | None
    recovery: str


def stays(desired: Desired, observed: Observed) -> tuple[Outside, ...]:
    """List what a restore does not rewind, as `stays_of` does."""
    return stays_of(desired, observed.workers)


def stays_of(desired: Desired, workers: Iterable[ObservedWorker | Unknown]) -> tuple[Outside, ...]:
    """List what a restore does not rewind: bindings first, by Worker, then the file's own list.

    Nothing is listed twice. An entry of the file with the name of a binding's target ("tech961-photos" or "R2 bucket
    tech961-photos") replaces that binding, because its author knows the retention better.
    """
    listed = {each.name.casefold() for each in desired.outside}
    bound: dict[tuple[str, str], Outside] = {}
    for binding in _bindings(desired, workers):
        what = _RULES[binding.kind].what
        if not listed & {binding.name.casefold(), f"{what} {binding.name}".casefold()}:
            bound.setdefault((what, binding.name), _described(binding))
    return (*bound.values(), *desired.outside)


def unreached(outside: Iterable[Outside], target: Instant | None, now: Instant) -> tuple[str, ...]:
    """Return a warning for each entry that does not reach back to the target."""
    found = ((each, shortfall(each, target, now)) for each in outside)
    return tuple(f"{each.name} does not reach back that far: {short}" for each, short in found if short)


def shortfall(outside: Outside, target: Instant | None, now: Instant) -> str:
    kept = outside.retention
    if target is None or kept is None or kept == FOREVER or now - target <= kept:
        return ""
    return f"it keeps {for_people(kept)}, and the target is {for_people(now - target)} old"


def spelled(retention: timedelta | None) -> str | None:
    """Spell a retention as the desired-state file does: "30d", "36h", "forever"; None if it is not stated."""
    if retention is None:
        return None
    return "forever" if retention == FOREVER else as_written(retention)


def _bindings(desired: Desired, workers: Iterable[ObservedWorker | Unknown]) -> Iterator[Binding]:
    """List the bindings that the desired state does not manage."""
    managed = {(each.config, each.environment or None, each.binding) for each in desired.workers}
    for worker in workers:
        if not isinstance(worker, ObservedWorker):
            continue
        for binding in worker.bindings:
            place = (worker.config, worker.environment or None, binding.variable)
            if binding.kind is not BindingKind.HYPERDRIVE or place not in managed:
                yield binding


def _described(binding: Binding) -> Outside:
    rule, name = _RULES[binding.kind], binding.name
    if binding.kind in _OPAQUE and binding.variable not in ("", name):
        name = f"{binding.variable} ({name})"
    return Outside(f"{rule.what} {name}".strip(), rule.retention, rule.recovery)


def _days(count: int) -> timedelta:
    return timedelta(days=count)


# Their ids mean nothing to a reader, so the variable in the code comes first.
_OPAQUE = frozenset((BindingKind.KV, BindingKind.HYPERDRIVE, BindingKind.FLAGS, BindingKind.PRIVATE_NETWORK))
# The comment before each entry is its page below developers.cloudflare.com. If Cloudflare's plans differ, the paid
# plan counts, and the text names the other.
_RULES: dict[BindingKind, _Rule] = {
    # agent-memory/concepts/
    BindingKind.AGENT_MEMORY: _Rule("Agent Memory", FOREVER, "none is documented; memories go by profile, by hand"),
    # ai-search/ and ai-search/configuration/indexing/: an index of a data source, brought up to date by a sync
    BindingKind.AI_SEARCH: _Rule("AI Search", FOREVER, "an index: recover its data source, then sync it again"),
    # analytics/analytics-engine/limits/: stored for three months; the SQL API only reads
    BindingKind.ANALYTICS_ENGINE: _Rule(
        "Analytics Engine dataset", _days(90), "none, as points can be neither changed nor removed; filter by timestamp"
    ),
    # artifacts/: versioned storage that speaks Git
    BindingKind.ARTIFACTS: _Rule("Artifacts namespace", FOREVER, "Git: its own history, by commit"),
    # d1/reference/time-travel/ and d1/platform/limits/
    BindingKind.D1: _Rule(
        "D1 database",
        FOREVER,
        "Time Travel to any minute of the last 30 days (7 on Workers Free): wrangler d1 time-travel restore",
    ),
    # cloudflare-for-platforms/workers-for-platforms/
    BindingKind.DISPATCH: _Rule("dispatch namespace", None, "belongs to the Workers in it: ask their owners"),
    # durable-objects/reference/durable-objects-migrations/ and durable-objects/api/legacy-kv-storage-api/: only
    # SQLite-backed classes have point-in-time recovery
    BindingKind.DURABLE_OBJECT: _Rule(
        "Durable Objects", FOREVER, "none where key-value-backed; SQLite-backed: point-in-time recovery for 30 days"
    ),
    # durable-objects/api/sqlite-storage-api/, point-in-time recovery: 30 days, each object by its own code
    BindingKind.DURABLE_OBJECT_SQLITE: _Rule(
        "Durable Objects",
        FOREVER,
        "point-in-time recovery for 30 days, object by object, by code: onNextSessionRestoreBookmark",
    ),
    # email-routing/email-workers/send-email-workers/
    BindingKind.EMAIL: _Rule("sent mail", FOREVER, "none: what was sent stays sent"),
    # flagship/
    BindingKind.FLAGS: _Rule("feature flags", FOREVER, "set them by hand: they keep their present values"),
    # hyperdrive/configuration/: a config has one origin, independent of other configs
    BindingKind.HYPERDRIVE: _Rule(
        "Hyperdrive config",
        None,
        "not rebound: it keeps its target; if that is this database, it stays on the replaced timeline",
    ),
    # images/storage/manage-images/
    BindingKind.IMAGES: _Rule("hosted images", FOREVER, "none is documented; upload them again from their source"),
    # kv/concepts/how-kv-works/ and kv/api/write-key-value-pairs/: the last write of a key is all there is
    BindingKind.KV: _Rule(
        "KV namespace", FOREVER, "none, as no history is kept; purge or write again what came from the database"
    ),
    # pipelines/: a stream that is written to R2
    BindingKind.PIPELINE: _Rule("pipeline", FOREVER, "none, what was sent is in its sink; filter by time there"),
    # workers-vpc/
    BindingKind.PRIVATE_NETWORK: _Rule("private network", None, "by whoever runs the services behind it"),
    # queues/platform/limits/ and queues/platform/pricing/
    BindingKind.QUEUE: _Rule(
        "queue",
        _days(14),
        "none (4 days where not set, 24 h on Workers Free); messages may name rows that are gone: purge them, or let "
        "consumers skip them",
    ),
    # r2/api/s3/api/: no versioning; r2/buckets/bucket-locks/ and r2/buckets/object-lifecycles/
    BindingKind.R2: _Rule(
        "R2 bucket",
        FOREVER,
        "none, as no versions are kept; only a bucket lock keeps objects from being deleted; lifecycle rules go on",
    ),
    # secrets-store/manage-secrets/
    BindingKind.SECRET: _Rule("secret", FOREVER, "set it again: it keeps its present value"),
    # workers/runtime-apis/bindings/service-bindings/
    BindingKind.SERVICE: _Rule("Worker", None, "another Worker's data: see its own desired state"),
    # stream/manage-video-library/
    BindingKind.STREAM: _Rule("videos in Stream", FOREVER, "none is documented; upload them again from their source"),
    # workers/observability/logs/tail-workers/
    BindingKind.TAIL: _Rule("tail Worker", None, "none: what it received stays"),
    BindingKind.UNKNOWN: _Rule("binding", None, "unknown: check whether it holds data of its own"),
    # vectorize/reference/what-is-a-vector-database/ and vectorize/best-practices/insert-vectors/
    BindingKind.VECTORIZE: _Rule(
        "Vectorize index", FOREVER, "none is documented; upsert again from the database, delete what is gone there"
    ),
    # workflows/reference/limits/: state of finished instances
    BindingKind.WORKFLOW: _Rule(
        "Workflow",
        _days(30),
        "none, as steps that ran are not undone; running instances go on: terminate or restart them (finished ones "
        "are kept 3 days on Workers Free)",
    ),
}
