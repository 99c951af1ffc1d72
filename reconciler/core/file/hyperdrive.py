"""The part of a desired-state file that is about Hyperdrive: its shape, and what its values mean together."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from reconciler.core.model.desired import Hyperdrive
from reconciler.core.model.hyperdrive import Caching, Mtls, Settings, Strategy

_CertificateId = Annotated[str, Field(pattern=r"^[0-9A-Za-z-]{1,64}$")]
_Mistake = tuple[tuple[int | str, ...], str, str]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


class CachingModel(_Model):
    """Hyperdrive's query cache. What is left out here is Cloudflare's default."""

    disabled: bool = False
    """true: no answer comes from the cache."""
    max_age: Annotated[int, Field(ge=1, le=3600)] = 60
    """For how many seconds an answer is served from it."""
    stale_while_revalidate: Annotated[int, Field(ge=0, le=1_000_000)] = 15
    """For how many more seconds it is served while it is fetched again."""


class MtlsModel(_Model):
    """The certificates that Hyperdrive uses, which have been uploaded to Cloudflare."""

    ca_certificate_id: _CertificateId | None = None
    """The id of the CA that has signed the server's certificate."""
    mtls_certificate_id: _CertificateId | None = None
    """The id of the certificate that Hyperdrive shows."""
    sslmode: Literal["require", "verify-ca", "verify-full"] | None = None
    """How the server's certificate is checked."""


class HyperdriveOptions(_Model):
    """What a file can set on a Hyperdrive config besides its origin."""

    strategy: Literal["rebind", "repoint"] = "rebind"
    """rebind: a config for each timeline, and a new version of the Worker. repoint: one config for all."""
    caching: CachingModel | None = None
    """The query cache. Where it is left out, it stays as it is, also for a restored timeline."""
    connection_limit: Annotated[int, Field(ge=5, le=1500)] | None = None
    """How many connections it may open to the database; less than the compute takes."""
    mtls: MtlsModel | None = None
    """Client certificates. Where it is left out, it stays as it is."""


def hyperdrive(name: str, database: str, role: str, options: HyperdriveOptions) -> Hyperdrive:
    """Read the model."""
    caching, mtls = options.caching, options.mtls
    settings = Settings(
        caching=Caching(**caching.model_dump()) if caching else None,
        connection_limit=options.connection_limit,
        mtls=Mtls(**{key: value or "" for key, value in mtls.model_dump().items()}) if mtls else None,
    )
    return Hyperdrive(name, database, role, Strategy(options.strategy), settings)


def contradictions(value: dict[str, Any]) -> Iterator[_Mistake]:
    """Find what can't be set together: Cloudflare forgets it, or refuses it (Hyperdrive API, `caching`, `mtls`)."""
    given = value.get("hyperdrive")
    options: dict[str, Any] = given if isinstance(given, dict) else {}
    caching, mtls = options.get("caching"), options.get("mtls")
    if isinstance(caching, dict) and caching.get("disabled") is True and len(caching) > 1:
        message = "hyperdrive.caching is disabled, and Cloudflare keeps no other setting of it then"
        yield ("hyperdrive", "caching"), message, 'write {"disabled": true} alone, or leave disabled out'
    if isinstance(mtls, dict):
        yield from _about_mtls(mtls)


def _about_mtls(mtls: dict[str, Any]) -> Iterator[_Mistake]:
    mode, authority = mtls.get("sslmode"), mtls.get("ca_certificate_id")
    place = ("hyperdrive", "mtls")
    if mode in ("verify-ca", "verify-full") and not authority:
        yield place, f"hyperdrive.mtls.sslmode is {mode}, and there is no CA to verify with", "add ca_certificate_id"
    if mode == "require" and authority:
        hint = "leave ca_certificate_id out, or set sslmode to verify-ca or verify-full"
        yield place, "hyperdrive.mtls.sslmode is require, which takes no ca_certificate_id", hint
