"""The shape of a desired-state file, as pydantic models: one source for validation and for the JSON Schema."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from reconciler.core.file.drill import DrillModel
from reconciler.core.file.hyperdrive import HyperdriveOptions
from reconciler.core.file.value_types import (
    AnswerTime,
    GuardName,
    History,
    Identifier,
    JsonExpectations,
    Label,
    Life,
    Line,
    LogPlace,
    Moment,
    Patience,
    Reason,
    Scalar,
    Span,
    Suspension,
    TimelineName,
    Units,
    WebAddress,
    WranglerEnvironment,
    WranglerPath,
    listed,
)
from reconciler.core.values.timeline import ID_PATTERN


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


class RestoreModel(_Model):
    """A restore: this timeline is live, made from the data as it was at a moment, or at a place in its log."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["to"]}, {"required": ["to_lsn", "from"]}]})

    to: Moment | None = None
    """The moment to go back to: RFC 3339 with a time zone, at most milliseconds."""
    to_lsn: LogPlace | None = None
    """Instead of a moment: the place in the write-ahead log of the timeline that from names, such as 0/1A2B3C8."""
    id: Annotated[str, Field(pattern=f"^{ID_PATTERN}$", max_length=40)] | None = None
    """Tells two restores to the same moment or LSN apart, such as an incident's number."""
    reason: Annotated[str, Field(max_length=500)] = ""
    """Why, for those who look back later."""
    source: TimelineName | None = Field(default=None, alias="from")
    """The timeline to take the moment from, where it is not the one that was live then. An LSN needs it."""


class ComputeModel(_Model):
    """The compute of the primary. A restore carries over what is left out."""

    min: Units | None = None
    """The least size in compute units (CU), 0.25 or more. Goes with max."""
    max: Units | None = None
    """The largest size that it may grow to, in compute units (CU). Goes with min."""
    suspend: Suspension | None = None
    """After how long without use it suspends: 5m, 1h, at most 7d, or never."""


class PrimaryModel(_Model):
    """Which timeline of the data is live."""

    project: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,60}$")]
    """The Neon project's id."""
    branch: Label
    """The name that the primary branch carries, such as main or production."""
    restore: RestoreModel | None
    """null: the original timeline, origin, is live. Otherwise: the restore that is live. The one line that changes."""
    method: Literal["branch", "in-place"] = "branch"
    """branch: restore to a fresh branch, hold the old one. in-place: prove it on a branch, put it into the primary."""
    hold: Span = "7d"
    """How long a replaced timeline is kept at least: hours, days, weeks (36h, 7d, 2w) or forever."""
    fence: bool = False
    """true: the replaced database is made read-only right before the switch, and stays so while it is held."""
    expire_on_neon: bool | None = None
    """true: what is held also gets an expiry at Neon, 7 days after its hold. false: none. Left out: not ours."""
    unprotect_held: bool = False
    """true: what was protected as the primary is unprotected and deleted after its hold. false: it stays."""
    history_retention: History | None = None
    """How far back the project can be restored: hours, days, weeks (6h, 7d, 4w), at most 30d. Left out: not ours."""
    protected: bool | None = None
    """Whether the primary is a protected branch. Left out: as it was before a restore."""
    default: bool = True
    """Whether the primary is the project's default branch. false: whichever is the default stays so."""
    compute: ComputeModel = Field(default_factory=ComputeModel)
    """The size and the suspension of the primary's compute. Left out: as they were before a restore."""


class HyperdriveModel(HyperdriveOptions):
    """The Hyperdrive config that points to the primary."""

    name: Label
    """The config's name. By rebind, a restored timeline gets a config of its own, named after this and the timeline."""
    database: Identifier
    """The database that it connects to."""
    role: Identifier
    """The role that it connects as."""


class WorkerModel(_Model):
    """A Worker that uses the Hyperdrive config."""

    config: WranglerPath
    """Its wrangler.jsonc, as a path from the repository's root."""
    binding: Annotated[str, Field(pattern=r"^[A-Za-z_$][A-Za-z0-9_$]{0,63}$")]
    """The name of its Hyperdrive binding."""
    environment: WranglerEnvironment | None = None
    """Its wrangler environment, where it is not the top level of the file."""
    deploy: Literal["rebind", "wrangler"] = "rebind"
    """rebind: the live code again with another binding. wrangler: build and upload the code of this checkout."""


class SqlGateModel(_Model):
    """A query that must answer one row with one value."""

    name: Label
    """What it proves, in a few words."""
    query: Annotated[str, Field(min_length=1, max_length=10_000)]
    """Runs read-only, as the role that Hyperdrive uses."""
    expect: Scalar = True
    """The value that must come back."""


class HttpGateModel(_Model):
    """An address that must answer."""

    name: Label
    """What it proves, in a few words."""
    url: WebAddress
    """Asked with GET, through the new version of the Worker, before any user reaches it."""
    status: Annotated[int, Field(ge=100, le=599)] = 200
    """The status that must come back."""
    contains: Annotated[str, Field(max_length=1_000)] = ""
    """Text that must stand in the answer; {version} in it is the id of the new version."""
    json_: JsonExpectations = Field(
        default_factory=dict, alias="json", max_length=50, examples=[{"/status": "ok", "/version": "{version}"}]
    )
    """Values that must stand in the answer, each at its JSON pointer (RFC 6901): "/status": "ok"."""
    within: AnswerTime | None = None
    """How long an answer may take, until its last byte: 500ms, 2s; at most 10s, after which it is given up anyway."""
    for_: Patience = Field(default="10s", alias="for")
    """How long it is tried again until it passes; one right answer is enough, and none in this time fails the gate."""


class VerifyModel(_Model):
    """What must hold before another timeline becomes live."""

    sql: list[SqlGateModel] = Field(default_factory=list)
    """Queries on the restored branch."""
    http: list[HttpGateModel] = Field(default_factory=list)
    """Requests to the Worker that is bound to the restored branch."""
    database: Identifier | None = None
    """The database of the SQL gates, where no hyperdrive names it."""
    role: Identifier | None = None
    """The role of the SQL gates, where no hyperdrive names it."""
    on_failure: Literal["rollback", "hold"] = "rollback"
    """What is done when the HTTP gates fail once more with users on the new timeline: put the old one back, or stop."""


class OutsideModel(_Model):
    """Something that stays in the present when the database goes back, and that no wrangler.jsonc names."""

    name: Label
    """What it is, such as Axiom Logpush archive."""
    retention: Span | None = None
    """How long it is kept: hours, days, weeks (36h, 30d, 2w) or forever, which is until it is deleted."""
    recovery: Line = ""
    """How it is recovered on its own, in one line."""


class WaiverModel(_Model):
    """A guard that must not refuse here. Only a few can be waived, each by name and with a reason."""

    guard: GuardName
    """The name of the guard, as its refusal prints it."""
    reason: Reason
    """Why, in one line: it is shown in every plan, comment and receipt."""


class ResetModel(_Model):
    """A reset of a branch to what its parent holds."""

    id: Annotated[str, Field(pattern=f"^{ID_PATTERN}$", max_length=40)]
    """Tells one reset from the next: each happens once. Change it to have the branch reset again."""


class BranchModel(_Model):
    """A branch besides the primary, such as staging or a preview."""

    name: Label
    """Its name."""
    parent: Label | None = None
    """The branch that it is made from and reset to, as that is then. Left out: the primary."""
    reset: ResetModel | None = None
    """It is to have had this reset from its parent. What it held is kept under a name of its own."""
    expires: Life | None = Field(default=None, examples=["7d", "2026-12-24T18:00:00Z"])
    """How long it lives after it was made or reset (36h, 7d, 2w; at most 30d), until when, or forever."""
    protected: bool | None = None
    """Whether Neon protects it against deletion and reset. Left out: as it is."""
    compute: bool = True
    """Whether it has a compute. One that is there is never taken away."""
    database: Identifier | None = None
    """A database that it must have; one that is missing is made, and owned by the role that Hyperdrive uses."""
    schema_only: bool = False
    """true: only the schema of its parent, as a root branch of its own, of which Neon's plans allow few."""


class FileModel(_Model):
    """The desired state of one environment."""

    schema_: str | None = Field(default=None, alias="$schema")
    """Where an editor finds this schema."""
    primary: PrimaryModel
    """Which timeline of the data is live."""
    hyperdrive: HyperdriveModel | None = None
    """Leave it out where nothing connects through Hyperdrive."""
    worker: Annotated[list[WorkerModel], BeforeValidator(listed)] = Field(default_factory=list)
    """The Worker that uses the config, or a list of them. Leave it out where there is none."""
    verify: VerifyModel = Field(default_factory=VerifyModel)
    """The gates."""
    outside: list[OutsideModel] = Field(default_factory=list)
    """What a restore does not rewind, besides what the bindings in wrangler.jsonc say. Shown, and no more."""
    write_back: Literal["push", "pull-request"] = "push"
    """How a job commits the wrangler.jsonc that was deployed: by a push to the branch, or by a pull request."""
    waive: list[WaiverModel] = Field(default_factory=list)
    """Guards that must not refuse, each with a reason. Every plan shows them as a warning."""
    lift: list[WaiverModel] = Field(default_factory=list, json_schema_extra={"deprecated": True})
    """The former name of `waive`."""
    branches: list[BranchModel] | None = None
    """Branches besides the primary. [] deletes those that this tool has made; left out, none is touched."""
    drill: DrillModel = Field(default_factory=DrillModel)
    """How restores are rehearsed."""


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a desired-state file, for editors and for other tools."""
    schema = FileModel.model_json_schema(by_alias=True)
    workers = schema["properties"]["worker"]
    one_or_many = [workers["items"], {"type": "array", "items": workers["items"]}]
    schema["properties"]["worker"] = {"description": workers["description"], "anyOf": one_or_many}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "Desired state of a Neon primary behind Hyperdrive",
    }
