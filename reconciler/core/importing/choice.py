"""Which Hyperdrive binding of a wrangler.jsonc is an environment's. What is ambiguous is an error, not a guess."""

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.core.model.desired import Worker
from reconciler.errors import InputError


@dataclass(frozen=True, slots=True)
class WorkerFile:
    """A wrangler.jsonc at a path from the root, with the Hyperdrive bindings of each environment.

    None is the top level. Bindings are not inherited from it (Workers documentation, Wrangler, Configuration).
    """

    config: str
    bindings: Mapping[str | None, tuple[str, ...]]

    def __str__(self) -> str:
        there = [f"{place(name)} ({', '.join(bound) or 'none'})" for name, bound in self.bindings.items()]
        return f"{self.config}: {', '.join(there)}"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is imported: the environment's name, and what the options say. A `wrangler` of "" is the top level."""

    environment: str
    wrangler: str | None = None
    binding: str | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """A Worker as the file is to name it, why, and the Hyperdrive bindings beside the one that was chosen."""

    worker: Worker
    because: str
    others: tuple[str, ...] = ()


def place(environment: str | None) -> str:
    """Name an environment of a wrangler.jsonc for people."""
    return "the top level" if environment is None else f"env.{environment}"


def choose(file: WorkerFile, asked: Asked) -> Choice | None:
    """Choose the environment and the binding of a Worker; None where it has no such binding.

    An environment that has the name of the one that is imported is meant, also where it has no database: what is
    deployed there is not what the top level says. Raises InputError that names the choices, and the option for them.
    """
    environment, because = _environment(file, asked)
    bound = file.bindings.get(environment, ())
    found = [name for name in bound if asked.binding in (None, name)]
    if not found:
        return None
    if len(found) > 1:
        raise InputError(
            f"{place(environment)} of {file.config} has {len(found)} Hyperdrive bindings: {', '.join(found)}",
            hint=f"one of them is what a restore switches; name it: --binding {found[0]}",
        )
    others = tuple(name for name in bound if name != found[0])
    return Choice(Worker(file.config, found[0], environment), because, others)


def _environment(file: WorkerFile, asked: Asked) -> tuple[str | None, str]:
    if asked.wrangler is not None:
        return asked.wrangler or None, f"{place(asked.wrangler or None)}, as --wrangler-environment says"
    if asked.environment in file.bindings:
        return asked.environment, f"{place(asked.environment)}, which has this environment's name"
    bound = [name for name, bindings in file.bindings.items() if asked.binding in bindings or _any(asked, bindings)]
    if len(bound) > 1:
        names = ", ".join(place(name) for name in bound)
        example = next(name for name in bound if name is not None)
        raise InputError(
            f"{len(bound)} environments of {file.config} have a Hyperdrive binding, and none of them is named "
            f'"{asked.environment}": {names}',
            hint=f'say which it is: --wrangler-environment {example}, or --wrangler-environment "" for the top level',
        )
    chosen = bound[0] if bound else None
    return chosen, f"{place(chosen)}, the only one with such a binding"


def _any(asked: Asked, bindings: tuple[str, ...]) -> bool:
    return asked.binding is None and bool(bindings)


def nothing_found(files: tuple[WorkerFile, ...], asked: Asked) -> InputError:
    """Say that no Worker has the binding that is looked for, and what there is."""
    what = f'Hyperdrive binding "{asked.binding}"' if asked.binding else "Hyperdrive binding"
    where = ""
    if asked.wrangler is not None:
        where = f" in {place(asked.wrangler or None)}"
    there = "; ".join(str(each) for each in files) or "there is no wrangler.jsonc (a wrangler.toml is not read)"
    return InputError(
        f"no {what} for {asked.environment} was found{where}. {there}",
        hint=(
            "name the Worker's file and its environment (--worker wrangler.jsonc --wrangler-environment NAME), or say "
            "that there is none: --without-worker --project ID"
        ),
    )
