"""What can be set on a Hyperdrive config besides its origin, and the strategy by which its origin changes."""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Self


class Strategy(Enum):
    """What a restore does with Hyperdrive: make a config for the timeline, or lead the one that there is to it."""

    REBIND = "rebind"
    REPOINT = "repoint"


@dataclass(frozen=True, slots=True)
class Caching:
    """The query cache, in seconds. Cloudflare leaves these defaults out of its answers (Hyperdrive API, `caching`)."""

    disabled: bool = False
    max_age: int = 60
    stale_while_revalidate: int = 15

    @property
    def outlasts(self) -> int:
        """For how many seconds an answer may be served from it, whatever the database says by then."""
        return 0 if self.disabled else self.max_age + self.stale_while_revalidate

    def __str__(self) -> str:
        if self.disabled:
            return "off"
        return f"max_age {self.max_age} s, stale_while_revalidate {self.stale_while_revalidate} s"


CACHING_ON = Caching()
CACHING_OFF = Caching(disabled=True)


@dataclass(frozen=True, slots=True)
class Mtls:
    """The certificates that a config uses, by their ids at Cloudflare; empty where there is none."""

    ca_certificate_id: str = ""
    mtls_certificate_id: str = ""
    sslmode: str = ""

    def over(self, found: Self) -> Self:
        """Return what these come to, set over what is there: a part that is not given stays."""
        return replace(
            self,
            ca_certificate_id=self.ca_certificate_id or found.ca_certificate_id,
            mtls_certificate_id=self.mtls_certificate_id or found.mtls_certificate_id,
            sslmode=self.sslmode or found.sslmode,
        )

    def __str__(self) -> str:
        parts = (("CA", self.ca_certificate_id), ("certificate", self.mtls_certificate_id), ("sslmode", self.sslmode))
        return ", ".join(f"{name} {value}" for name, value in parts if value) or "none"


NO_CERTIFICATES = Mtls()


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of a config; None is one that is not declared, and then not ours to change."""

    caching: Caching | None = None
    connection_limit: int | None = None
    mtls: Mtls | None = None

    def or_else(self, other: Self) -> Self:
        """Return these, and where they are silent, the other ones."""
        return replace(
            self,
            caching=self.caching or other.caching,
            connection_limit=self.connection_limit or other.connection_limit,
            mtls=self.mtls or other.mtls,
        )

    def diff(self, found: Self) -> Self:
        """Return those of these that are found to be otherwise."""
        same = self.mtls is None or self.mtls.over(found.mtls or NO_CERTIFICATES) == found.mtls
        return replace(
            self,
            caching=None if self.caching == found.caching else self.caching,
            connection_limit=None if self.connection_limit == found.connection_limit else self.connection_limit,
            mtls=None if same else self.mtls,
        )

    def __bool__(self) -> bool:
        return self != type(self)()

    def __str__(self) -> str:
        parts = (("caching", self.caching), ("connection limit", self.connection_limit), ("mTLS", self.mtls))
        return "; ".join(f"{name} {value}" for name, value in parts if value is not None)


NOTHING = Settings()
