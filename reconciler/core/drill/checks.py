"""What a drill proves: everything is as it was before the damage, and the checks would notice if it were not."""

from dataclasses import dataclass, replace

from reconciler.core.drill.destruction import SCHEMA
from reconciler.core.drill.results import Check, TableProof
from reconciler.core.snapshot.manifest import Contents, Table, differences

_NAMED = 3


@dataclass(frozen=True, slots=True)
class Seen:
    """A database at one moment. `before` and `after`: the rows that were written before and after the target."""

    contents: Contents
    roles: frozenset[str]
    before: bool
    after: bool

    @property
    def data(self) -> Contents:
        """What is not the drill's own, which differs after any damage and would hide that nothing else does."""
        own = tuple(each for each in self.contents.tables if not each.name.startswith(f"{SCHEMA}."))
        return replace(self.contents, tables=own)


def checks(good: Seen, damaged: Seen, restored: Seen) -> tuple[Check, ...]:
    """Compare what was restored with what was there, and what was damaged too: a check that can't fail is none."""
    wrong, control = diff(good, restored), diff(good, damaged)
    alike = f"{len(good.data.tables)} tables with {good.data.rows:,} rows, and {len(good.roles)} roles, are alike"
    return (
        Check(
            "there were rows to bring back", f"{len(good.data.tables)} tables with {good.data.rows:,} rows", _any(good)
        ),
        Check("everything is as it was before the damage", _shown(wrong) or alike, not wrong),
        Check("the row written before the target is there", _there(restored.before), restored.before),
        Check("the row written after the target is gone", _there(restored.after), not restored.after),
        Check("negative control: the same comparison finds the damage", _shown(control) or "no damage", bool(control)),
        Check(
            "negative control: the same search finds the row written after the target",
            _there(damaged.after),
            damaged.after,
        ),
    )


def diff(good: Seen, found: Seen) -> tuple[str, ...]:
    """Say in which ways a database is not what it was."""
    missing = (f"role {each} is missing" for each in sorted(good.roles - found.roles))
    return (*differences(good.data, found.data), *missing)


def table_proofs(good: Seen, damaged: Seen, restored: Seen) -> tuple[TableProof, ...]:
    """Put each table's three moments beside each other."""
    before, broken, after = (_tables(each) for each in (good, damaged, restored))
    return tuple(_proof(name, before, broken, after) for name in sorted(before.keys() | after.keys()))


def _proof(name: str, before: dict[str, Table], broken: dict[str, Table], after: dict[str, Table]) -> TableProof:
    good, damaged, restored = before.get(name), broken.get(name), after.get(name)
    return TableProof(
        name,
        good.rows if good else None,
        damaged.rows if damaged else None,
        restored.rows if restored else None,
        good.checksum if good else None,
        damaged.checksum if damaged else None,
        restored.checksum if restored else None,
    )


def _any(seen: Seen) -> bool:
    """Whether anything is there that could be lost: that nothing is as it was proves no restore."""
    return bool(seen.data.rows or seen.data.large_objects)


def _tables(seen: Seen) -> dict[str, Table]:
    return {each.name: each for each in seen.data.tables}


def _shown(reasons: tuple[str, ...]) -> str:
    more = len(reasons) - _NAMED
    return "; ".join(reasons[:_NAMED]) + (f"; and {more} more" if more > 0 else "")


def _there(found: bool) -> str:  # noqa: FBT001  a row is there or not
    return "it is there" if found else "it is not there"
