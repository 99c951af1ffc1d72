"""Reads and changes the one thing in a wrangler.jsonc that decides where the data comes from.

That is the `id` of a Hyperdrive binding in one environment. A change writes the bytes of that id and no other:
comments, order, line ends, mode and symbolic links stay. Whatever would make wrangler see another id than a
reader of the file sees is refused with its place, since a restore that deploys the wrong binding looks like
success. The rules are wrangler's own (Workers documentation, Wrangler, Configuration; workers-sdk,
`workers-utils/src/config`).
"""

import contextlib
import json
import os
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, NoReturn

from reconciler.core.file import jsonc
from reconciler.core.model.worker_bindings import Binding
from reconciler.errors import BindingAbsent, InputError, JsoncError
from reconciler.providers.wrangler.bindings import bindings_of

_CONFIG_ID = re.compile("[0-9a-f]{32}")
# What `wrangler` takes for the name of a Worker; it becomes a part of paths.
_SCRIPT_NAME = re.compile("[a-z0-9_][a-z0-9_-]{0,254}")
_LONGEST_BYTES = 4_000_000
_LINE_END = re.compile("\r\n|\r|\n")
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_REDIRECT = FilePath(".wrangler", "deploy", "config.json")


@dataclass(frozen=True)
class WranglerConfig:
    """What one environment of a wrangler.jsonc says. `bindings` are shown and decide nothing."""

    path: FilePath
    script_name: str
    binding_id: str
    account_id: str | None
    bindings: tuple[Binding, ...] = field(default=(), compare=False)


def read_wrangler_config(path: FilePath, binding: str, environment: str | None) -> WranglerConfig:
    """Read which Worker an environment deploys and to which Hyperdrive config `binding` points there.

    `environment` is a name below `env`, or None for the top level. Raises InputError with file, line and
    column where the file can't be read, is ambiguous, or isn't what wrangler would use.
    """
    _check_that_wrangler_would_use(path)
    return _Environment(_File(path, _read(path)), binding, environment).config()


def hyperdrive_bindings(path: FilePath) -> dict[str | None, tuple[str, ...]]:
    """List the names of the Hyperdrive bindings of every environment; None is the top level.

    Raises InputError where the file can't be read. Whether one of them may be trusted, `read_wrangler_config` says.
    """
    top = _File(path, _read(path)).document.value
    environments = top.get("env")
    named = environments if isinstance(environments, dict) else {}
    return {name: _binding_names(own) for name, own in {None: top, **named}.items()}


def _binding_names(own: Any) -> tuple[str, ...]:
    entries = own.get("hyperdrive") if isinstance(own, dict) else None
    names = [each.get("binding") for each in entries if isinstance(each, dict)] if isinstance(entries, list) else []
    return tuple(dict.fromkeys(name for name in names if isinstance(name, str)))


def write_binding_id(path: FilePath, binding: str, environment: str | None, config_id: str) -> None:
    """Point `binding` to the Hyperdrive config `config_id` and leave every other byte as it is.

    The file is replaced at once or not at all, and not touched where the id is right already. Raises
    InputError for everything that `read_wrangler_config` refuses, and where the file can't be written.
    """
    if not _CONFIG_ID.fullmatch(config_id):
        raise InputError(
            f"{config_id!r} is no id of a Hyperdrive config",
            hint="an id is 32 characters out of 0-9 and a-f, as `wrangler hyperdrive list` shows it",
        )
    _check_that_wrangler_would_use(path)
    content = _read(path)
    edited = with_binding_id(path, content, binding, environment, config_id)
    if edited == content:
        return
    try:
        _replace(path, content, edited)
    except OSError as error:
        raise InputError(f"{path}: can't be written: {error.strerror or error}") from error
    written = read_wrangler_config(path, binding, environment).binding_id
    if written != config_id or path.read_bytes() != edited:
        raise InputError(
            f"{path}: was changed by something else while it was written; it says {written} now",
            hint="let nothing else write the file, and run again",
        )


def with_binding_id(path: FilePath, content: bytes, binding: str, environment: str | None, config_id: str) -> bytes:
    """Return the content of a wrangler.jsonc with another id, and no other byte changed. Raises InputError.

    `path` only names the file in errors: its content may come from anywhere, such as a commit.
    """
    file = _File(path, content)
    found = _Environment(file, binding, environment)
    if found.config().binding_id == config_id:
        return content
    return jsonc.replace_value(file.document, found.id_path(), config_id).encode()


class _File:
    """A wrangler.jsonc that wrangler can read."""

    def __init__(self, path: FilePath, content: bytes) -> None:
        self.path = path
        try:
            self.document = jsonc.read(_decode(path, content))
        except JsoncError as error:
            place = f"{path}:{error.line}:{error.column}"
            raise InputError(f"{place}: {error.message}", hint=error.hint) from error
        if not isinstance(self.document.value, dict):
            self.refuse((), "expected an object in braces", "a wrangler.jsonc is one object: { ... }")

    def refuse(self, at: jsonc.Path, message: str, hint: str, kind: type[InputError] = InputError) -> NoReturn:
        """Raise the error for the value at a path."""
        self.refuse_at(self.document.span(at).start, message, hint, kind)

    def refuse_at(self, offset: int, message: str, hint: str, kind: type[InputError] = InputError) -> NoReturn:
        """Raise the error for the character at an offset."""
        line, column = self.document.line_and_column(offset)
        raise kind(f"{self.path}:{line}:{column}: {message}", hint=hint)


class _Environment:
    """One environment of a file, and one binding in it."""

    def __init__(self, file: _File, binding: str, environment: str | None) -> None:
        self.file = file
        self.binding = binding
        self.name = environment or None
        self.at: jsonc.Path = ("env", self.name) if self.name else ()
        self.top: dict[str, Any] = file.document.value
        self._refuse_repeated_keys()
        self.own = self._own()

    def config(self) -> WranglerConfig:
        """Read everything that is asked about the environment."""
        account_id = self.own.get("account_id") or self.top.get("account_id")
        script_name = self._script_name()
        return WranglerConfig(
            path=self.file.path,
            script_name=script_name,
            binding_id=self._id(),
            account_id=account_id if isinstance(account_id, str) else None,
            bindings=bindings_of(self.top, self.own, script_name),
        )

    def id_path(self) -> jsonc.Path:
        """Find the path of the binding's id: by the name of the binding, never by its position."""
        label = f'the environment "{self.name}"' if self.name else "the top level"
        at = (*self.at, "hyperdrive")
        entries = self.own.get("hyperdrive")
        remedy = f'"hyperdrive": [{{ "binding": {json.dumps(self.binding)}, "id": "..." }}]'
        if entries is None:
            reason = f'{label} has no "hyperdrive" and would be deployed without a database'
            inherited = f"; env.{self.name} needs its own: it isn't inherited from the top level" if self.name else ""
            self.file.refuse(self.at, reason + inherited, f"add {remedy}", BindingAbsent)
        if not isinstance(entries, list):
            self.file.refuse(at, 'expected "hyperdrive" to be an array', f"write {remedy}")
        for index, entry in enumerate(entries):
            if not isinstance(entry, dict):
                self.file.refuse((*at, index), "expected a binding in braces", f"write {remedy}")
        found = [index for index, entry in enumerate(entries) if entry.get("binding") == self.binding]
        if not found:
            names = ", ".join(str(entry.get("binding")) for entry in entries) or "none at all"
            reason = f'{label} has no Hyperdrive binding "{self.binding}", only {names}'
            self.file.refuse(at, reason, f"correct the name, or add {remedy}", BindingAbsent)
        if len(found) > 1:
            reason = f'the binding "{self.binding}" is declared twice, which wrangler refuses'
            self.file.refuse((*at, found[1]), reason, "remove one of the two")
        return (*at, found[0], "id")

    def _id(self) -> str:
        path = self.id_path()
        entry = self.own["hyperdrive"][path[-2]]
        if "id" not in entry:
            self.file.refuse(path[:-1], f'the binding "{self.binding}" has no "id"', 'add "id": "..."')
        if not isinstance(entry["id"], str) or not entry["id"]:
            reason = f'expected the id of the binding "{self.binding}" to be a string that is not empty'
            self.file.refuse(path, reason, "give the id of a Hyperdrive config, see `wrangler hyperdrive list`")
        return str(entry["id"])

    def _own(self) -> dict[str, Any]:
        if self.name is None:
            return self.top
        environments = self.top.get("env", {})
        if not isinstance(environments, dict):
            self.file.refuse(("env",), 'expected "env" to be an object', 'write "env": { "name": { ... } }')
        if self.name not in environments:
            known = ", ".join(environments) or "none"
            at: jsonc.Path = ("env",) if "env" in self.top else ()
            self.file.refuse(at, f'there is no environment "{self.name}"', f"the file has: {known}")
        own = environments[self.name]
        if not isinstance(own, dict):
            self.file.refuse(self.at, f'expected the environment "{self.name}" to be an object', "write { ... }")
        return own

    def _script_name(self) -> str:
        """Name the Worker as wrangler does: `env.X.name`, or `<name>-X`, or `name`."""
        is_own = "name" in self.own
        name = self.own["name"] if is_own else self.top.get("name")
        if name is None:
            self.file.refuse((), 'there is no "name"', 'add "name": "..." with the name of the Worker')
        if not isinstance(name, str) or not name:
            reason = 'expected "name" to be a string that is not empty'
            self.file.refuse((*(self.at if is_own else ()), "name"), reason, "give the name of the Worker")
        if not _SCRIPT_NAME.fullmatch(name):
            reason = 'expected "name" to have only a-z, 0-9, "-" and "_", as wrangler does'
            self.file.refuse((*(self.at if is_own else ()), "name"), reason, "give the name of the Worker")
        return name if is_own else f"{name}-{self.name}"

    def _refuse_repeated_keys(self) -> None:
        """Refuse a repeated key that decides about the binding. One elsewhere changes nothing here."""
        hyperdrive = (*self.at, "hyperdrive")
        deciding = [("env",), self.at, *((*at, key) for at in ((), self.at) for key in ("name", "account_id"))]
        for key in self.file.document.duplicates:
            if key.path in deciding or key.path[: len(hyperdrive)] == hyperdrive:
                reason = f'the key "{key.name}" is repeated: wrangler takes the last one, a reader the first'
                self.file.refuse_at(key.start, reason, "remove one of the two")


def _check_that_wrangler_would_use(path: FilePath) -> None:
    """Refuse a file that `wrangler deploy`, run by hand in its directory, would pass over for another one.

    Looked for from the directory of the file up to the root of the repository, or else of the file system.
    """
    if path.suffix not in (".json", ".jsonc"):
        remedy = "convert it to wrangler.jsonc" if path.suffix == ".toml" else "name it wrangler.jsonc"
        raise InputError(f"{path}: expected a file that ends in .jsonc or .json", hint=remedy)
    own = FilePath(os.path.abspath(path))  # noqa: PTH100 - normalised, but not through symbolic links
    for directory in own.parents:
        redirect = directory / _REDIRECT
        if redirect.exists():
            raise InputError(
                f"{redirect}: sends `wrangler deploy` to another file, so that a change of {path} has no effect",
                hint="remove it (a build tool wrote it) and point the desired state to the file that is deployed",
            )
        preferred = directory / "wrangler.json"
        if own.name != "wrangler.json" and preferred.exists():
            raise InputError(
                f"{preferred}: `wrangler deploy` prefers it to {path}, and so would deploy another file",
                hint="remove or rename one of the two",
            )
        if (directory / ".git").exists():
            return


def _read(path: FilePath) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: expected a file", hint="give the path of a wrangler.jsonc")
        if path.stat().st_size > _LONGEST_BYTES:
            raise InputError(f"{path}: is longer than {_LONGEST_BYTES:,} bytes", hint="is it the file that you mean?")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file", hint="give the path of a wrangler.jsonc") from error
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error.strerror or error}") from error


def _decode(path: FilePath, content: bytes) -> str:
    if content.startswith(_UTF_16_MARKS) or b"\0" in content[:4]:
        raise InputError(f"{path}:1:1: the file is UTF-16 or UTF-32", hint="save it as UTF-8")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        lines = _LINE_END.split(content[: error.start].decode().removeprefix("\ufeff"))
        place = f"{path}:{len(lines)}:{len(lines[-1]) + 1}"
        raise InputError(f"{place}: this is not UTF-8", hint="save the file as UTF-8") from error


def _replace(path: FilePath, expected: bytes, edited: bytes) -> None:
    """Put `edited` in the place of the file's content, at once and for good; a link keeps its target.

    Raises InputError where the content is no longer `expected`, and OSError.
    """
    target = path.resolve(strict=True)
    status = target.stat()
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    temporary = FilePath(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(edited)
            with contextlib.suppress(PermissionError):
                os.fchown(file.fileno(), status.st_uid, status.st_gid)
            os.fchmod(file.fileno(), status.st_mode & 0o7777)
            file.flush()
            os.fsync(file.fileno())
        _check_unchanged(path, expected)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _make_lasting(target.parent)


def _check_unchanged(path: FilePath, expected: bytes) -> None:
    if path.read_bytes() != expected:
        raise InputError(f"{path}: was changed by something else meanwhile", hint="run again")


def _make_lasting(directory: FilePath) -> None:
    """Write a directory itself to the disk, or a power cut may bring back the old file under that name."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
