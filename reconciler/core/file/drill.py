"""The part of a desired-state file that is about drills: its shape, and what it says."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from reconciler.core.file.value_types import inside
from reconciler.core.model.desired import DrillSettings, RtoSource
from reconciler.core.model.destruction import DestructionSpec
from reconciler.errors import InputError

_REPORTS = "docs/postmortems"
_RTO_SCHEMA = {
    "anyOf": [
        {"type": "string", "examples": ["30m"]},
        {
            "type": "object",
            "properties": {"file": {"type": "string"}, "section": {"type": "string"}},
            "required": ["file", "section"],
            "additionalProperties": False,
        },
    ]
}


def _rto(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if not isinstance(value, dict) or value.keys() != {"file", "section"}:
        raise PydanticCustomError("rto", 'must be a length of time such as "30m", or an object of file and section')
    if not all(isinstance(each, str) and each for each in value.values()):
        raise PydanticCustomError("rto", "must name a Markdown file and a section of it")
    inside(value["file"])
    return value


def _wish(text: str) -> str:
    try:
        wish = DestructionSpec.parse(text)
    except InputError as error:
        raise PydanticCustomError("destruction", "{problem}", {"problem": f"{error.message}: {error.hint}"}) from error
    if wish.kind.value == "migration":
        inside(wish.of)
    return text


class DrillModel(BaseModel):
    """How restores are rehearsed: reconciler drill."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)

    rto: Annotated[Any, AfterValidator(_rto), WithJsonSchema(_RTO_SCHEMA)] = None
    """How long a restore may take: "30m", or the Markdown file and the section where that is promised."""
    destroy: list[Annotated[str, AfterValidator(_wish), Field(examples=["drop-table:Listing", "truncate"])]] = Field(
        default_factory=list
    )
    """What is destroyed, in turn: drop-table, truncate, delete-half, corrupt-column, drop-role, migration:FILE."""
    reports: Annotated[str, Field(min_length=1), AfterValidator(inside)] = _REPORTS
    """The directory that reports are written to."""
    worker: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """The wrangler environment whose deployed Worker a drill borrows and gives back. Left out: it makes a copy."""


def drill_settings(model: DrillModel) -> DrillSettings:
    """Read the model."""
    source = RtoSource(model.rto["file"], model.rto["section"]) if isinstance(model.rto, dict) else None
    rto = model.rto if isinstance(model.rto, str) else ""
    return DrillSettings(
        rto=rto, rto_source=source, destroy=tuple(model.destroy), reports=model.reports, worker=model.worker or ""
    )
