"""`status --format markdown`: what is live, held and deployed, as tables. Pure."""

from collections.abc import Iterable
from typing import Any

from reconciler.cli.markdown import code, prose

_KINDS = (("held", "held"), ("candidate", "candidates"), ("failed", "failed"))


def as_markdown(facts: dict[str, Any], state: str, notes: Iterable[tuple[str, str]]) -> str:
    """Say the same as the text: timelines and Workers in a table each, and a list of what else there is to say."""
    live = "" if facts["live"] else "; what is live is not known"
    parts = [
        f"**{code(facts['environment'])}**: {prose(state)}; asked: {code(facts['desired_timeline'])}{live}",
        _table(("", "timeline", "branch", "created", "what becomes of it"), _timelines(facts)),
        _table(("Worker", "serves", "file", "which names"), _workers(facts)),
        "\n".join(f"- {what}: {prose(said)}" for what, said in notes),
    ]
    return "\n\n".join(each for each in parts if each)


def _timelines(facts: dict[str, Any]) -> list[tuple[str, ...]]:
    live = [("live", facts["live"])] if facts["live"] else []
    rows = [*live, *((kind, each) for kind, key in _KINDS for each in facts[key])]
    return [
        (kind, code(each["timeline"]), code(each["branch"]), each["created_at"], prose(each.get("fate", "")))
        for kind, each in rows
    ]


def _workers(facts: dict[str, Any]) -> list[tuple[str, ...]]:
    return [
        (code(each["script"]), prose(shares(each)), code(each["config"]), code(each["wrangler_jsonc"]))
        for each in facts["workers"]
    ]


def shares(worker: dict[str, Any]) -> str:
    """Say which config a Worker's traffic goes to: "100 % on tech961"."""
    said = (f"{each['percentage']:g} % on {each['hyperdrive']}" for each in worker["deployed"])
    return ", ".join(said) or "not deployed"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) if rows else ""
