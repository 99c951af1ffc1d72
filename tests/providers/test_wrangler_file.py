"""A wrangler.jsonc is read as wrangler reads it, and a change touches the bytes of one id."""

import json
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import InputError
from reconciler.providers.wrangler.file import (
    WranglerConfig,
    hyperdrive_bindings,
    read_wrangler_config,
    write_binding_id,
)

OLD = "7f3c9a52e1d04b6f8a2c5e9d1b3f7a60"
NEW = "0123456789abcdef0123456789abcdef"
EXAMPLE = Path(__file__).parents[2] / "desired-state" / "example" / "wrangler.jsonc"

CONFIG = """\
// "id": "not this one"
{
  "name": "api",
  "hyperdrive": [
    { "binding": "CACHE", "id": "cccc" },
    { "binding": "HYPERDRIVE", "id": "<OLD>", /* here */ },
  ],
  "account_id": "top",
  "env": {
    "staging": { "hyperdrive": [{ "binding": "HYPERDRIVE", "id": "ssss" }] },
    "own": { "name": "other", "account_id": "own", "hyperdrive": [{ "id": "oooo", "binding": "HYPERDRIVE" }] },
    "bare": {},
  },
}
""".replace("<OLD>", OLD)


@pytest.fixture
def place(tmp_path):
    """A directory that is the root of a repository."""
    (tmp_path / ".git").mkdir()
    return tmp_path


def wrangler_jsonc(place, content=CONFIG, name="wrangler.jsonc"):
    path = place / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refusal(path, environment=None, binding="HYPERDRIVE"):
    """What reading refuses; writing must refuse the same and leave everything alone."""
    with pytest.raises(InputError) as caught:
        read_wrangler_config(path, binding, environment)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(InputError) as again:
        write_binding_id(path, binding, environment, NEW)
    assert again.value.message == caught.value.message
    assert before is None or path.read_bytes() == before
    return caught.value


def refused(place, content, message, environment=None):
    """A refusal at the place that ^ marks in the content."""
    path = wrangler_jsonc(place, content.replace("^", ""))
    error = refusal(path, environment)
    lines = content[: content.index("^")].split("\n")
    assert error.message.startswith(f"{path}:{len(lines)}:{len(lines[-1]) + 1}: ")
    assert message in error.message
    assert error.hint
    return error


class TestReading:
    @pytest.mark.parametrize(
        ("environment", "script_name", "binding_id", "account_id"),
        [
            (None, "api", OLD, "top"),
            ("", "api", OLD, "top"),
            ("staging", "api-staging", "ssss", "top"),
            ("own", "other", "oooo", "own"),
        ],
    )
    def test_each_environment_has_its_own_binding_and_name(
        self, place, environment, script_name, binding_id, account_id
    ):
        path = wrangler_jsonc(place)
        expected = WranglerConfig(path, script_name, binding_id, account_id)
        assert read_wrangler_config(path, "HYPERDRIVE", environment) == expected

    def test_the_binding_is_found_by_its_name(self, place):
        assert read_wrangler_config(wrangler_jsonc(place), "CACHE", None).binding_id == "cccc"

    def test_an_environments_own_name_is_enough(self, place):
        path = wrangler_jsonc(place, CONFIG.replace('"name": "api",', ""))
        assert read_wrangler_config(path, "HYPERDRIVE", "own").script_name == "other"

    def test_a_wrangler_json_is_read_with_comments_too(self, place):
        path = wrangler_jsonc(place, name="wrangler.json")
        assert read_wrangler_config(path, "HYPERDRIVE", None).binding_id == OLD

    def test_the_example_reads_in_both_of_its_environments(self):
        assert read_wrangler_config(EXAMPLE, "HYPERDRIVE", None) == WranglerConfig(EXAMPLE, "tech961-api", OLD, None)
        assert read_wrangler_config(EXAMPLE, "HYPERDRIVE", "staging").script_name == "tech961-api-staging"

    def test_a_key_repeated_elsewhere_is_ignored(self, place):
        path = wrangler_jsonc(place, CONFIG.replace('"name": "api",', '"name": "api", "vars": {"A": 1, "A": 2},'))
        assert read_wrangler_config(path, "HYPERDRIVE", None).binding_id == OLD


class TestRefusing:
    def test_a_file_that_is_missing_or_no_file(self, place):
        assert "no such file" in refusal(place / "wrangler.jsonc").message
        (place / "wrangler.jsonc").symlink_to("nowhere")
        assert "no such file" in refusal(place / "wrangler.jsonc").message
        (place / "directory.jsonc").mkdir()
        assert "expected a file" in refusal(place / "directory.jsonc").message

    @pytest.mark.parametrize("name", ["wrangler.toml", "wrangler.yaml", "wrangler"])
    def test_a_file_that_is_not_json(self, place, name):
        error = refusal(wrangler_jsonc(place, name=name))
        assert "ends in .jsonc or .json" in error.message
        assert "wrangler.jsonc" in error.hint

    def test_text_that_is_not_utf_8(self, place):
        path = wrangler_jsonc(place, CONFIG.replace("here", "hier: ä").encode("latin-1"))
        assert refusal(path).message == f"{path}:6:{CONFIG.splitlines()[5].index('here') + 7}: this is not UTF-8"

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-16-le", "utf-32"])
    def test_text_in_utf_16_or_32(self, place, encoding):
        error = refusal(wrangler_jsonc(place, CONFIG.encode(encoding)))
        assert "UTF-8" in error.hint

    def test_broken_jsonc_has_a_place(self, place):
        path = wrangler_jsonc(place, '{\n  "name": "api"\n  "main": 1 }')
        assert refusal(path).message == f"{path}:3:3: expected ',' or '}}' after this value, found '\"'"
        assert "JSON5" in refusal(wrangler_jsonc(place, "{name: 'api'}")).hint

    @pytest.mark.parametrize(
        ("content", "message", "environment"),
        [
            ("^[]", "an object", None),
            ('^{"hyperdrive": [{"binding": "HYPERDRIVE", "id": "x"}]}', 'no "name"', None),
            ('{"name": ^"", "hyperdrive": [{"binding": "HYPERDRIVE", "id": "x"}]}', '"name" to be a string', None),
            ('{"name": ^1, "hyperdrive": [{"binding": "HYPERDRIVE", "id": "x"}]}', '"name" to be a string', None),
            ('^{"name": "a"}', "without a database", None),
            ('{"name": "a", "hyperdrive": ^{}}', "to be an array", None),
            ('{"name": "a", "hyperdrive": [{}, ^"x"]}', "a binding in braces", None),
            ('{"name": "a", "hyperdrive": ^[]}', 'no Hyperdrive binding "HYPERDRIVE", only none', None),
            ('{"name": "a", "hyperdrive": ^[{"binding": "B", "id": "x"}]}', 'binding "HYPERDRIVE", only B', None),
            ('{"name": "a", "hyperdrive": [^{"binding": "HYPERDRIVE"}]}', 'has no "id"', None),
            ('{"name": "a", "hyperdrive": [{"id": ^"", "binding": "HYPERDRIVE"}]}', "not empty", None),
            ('{"name": "a", "hyperdrive": [{"id": ^null, "binding": "HYPERDRIVE"}]}', "not empty", None),
            ('{"name": "a", "hyperdrive": [{"id": ^7, "binding": "HYPERDRIVE"}]}', "not empty", None),
            (
                '{"name": "a", "hyperdrive": [{"binding": "HYPERDRIVE", "id": "x"},\n^{"binding": "HYPERDRIVE"}]}',
                "declared twice",
                None,
            ),
            ('{"name": "a", "env": ^{"x": {}, "y": {}}}', 'no environment "z"', "z"),
            ('^{"name": "a"}', 'no environment "z"', "z"),
            ('{"name": "a", "env": ^[]}', '"env" to be an object', "z"),
            ('{"name": "a", "env": {"z": ^[]}}', '"z" to be an object', "z"),
            (
                '{"name": "a", "hyperdrive": [{"binding": "HYPERDRIVE", "id": "x"}], "env": {"z":\n ^{}}}',
                "env.z needs its own: it isn't inherited",
                "z",
            ),
        ],
    )
    def test_no_binding_is_refused_with_its_place(self, place, content, message, environment):
        refused(place, content, message, environment)

    def test_an_unknown_environment_lists_those_that_exist(self, place):
        assert refusal(wrangler_jsonc(place), "production").hint.endswith("staging, own, bare")

    @pytest.mark.parametrize(
        ("content", "environment"),
        [
            ('{"name": "a", ^"name": "b", "hyperdrive": [{"binding": "HYPERDRIVE", "id": "x"}]}', None),
            ('{"name": "a", "hyperdrive": [], ^"hyperdrive": [{"binding": "HYPERDRIVE", "id": "x"}]}', None),
            ('{"name": "a", "hyperdrive": [{"binding": "HYPERDRIVE", "id": "x", ^"id": "y"}]}', None),
            ('{"name": "a", "hyperdrive": [{"binding": "HYPERDRIVE", "id": "x", ^"\\u0069d": "y"}]}', None),
            ('{"name": "a", "hyperdrive": [{"binding": "B", "id": "x", ^"binding": "HYPERDRIVE"}]}', None),
            ('{"name": "a", "env": {}, ^"env": {"z": {"hyperdrive": [{"binding": "HYPERDRIVE", "id": "x"}]}}}', "z"),
            ('{"name": "a", "env": {"z": 1, ^"z": {"hyperdrive": [{"binding": "HYPERDRIVE", "id": "x"}]}}}', "z"),
            ('{"name": "a", "env": {"z": {"name": 1, ^"name": "b", "hyperdrive": [{"binding": "HYPERDRIVE"}]}}}', "z"),
        ],
    )
    def test_a_repeated_key_before_the_binding(self, place, content, environment):
        refused(place, content, "is repeated: wrangler takes the last one", environment)

    def test_a_wrangler_json_that_wrangler_would_prefer(self, place):
        deep = place / "apps" / "api"
        deep.mkdir(parents=True)
        path = wrangler_jsonc(deep)
        for directory in (deep, deep.parent, place):
            other = wrangler_jsonc(directory, "{}", "wrangler.json")
            error = refusal(path)
            assert (str(other) in error.message, str(path) in error.message) == (True, True)
            other.unlink()
        assert read_wrangler_config(path, "HYPERDRIVE", None)

    def test_a_redirect_of_the_deployment(self, place):
        deep = place / "apps" / "api"
        path = deep / "wrangler.jsonc"
        for directory in (deep, place):
            redirect = directory / ".wrangler" / "deploy" / "config.json"
            redirect.parent.mkdir(parents=True)
            redirect.write_text("{}")
            wrangler_jsonc(deep)
            assert str(redirect) in refusal(path).message
            redirect.unlink()
        assert read_wrangler_config(path, "HYPERDRIVE", None)

    def test_what_lies_above_the_repository_does_not_matter(self, place):
        inner = place / "repository"
        (inner / ".git").mkdir(parents=True)
        wrangler_jsonc(place, "{}", "wrangler.json")
        assert read_wrangler_config(wrangler_jsonc(inner), "HYPERDRIVE", None)

    def test_a_relative_path_is_resolved(self, place, monkeypatch):
        deep = place / "api"
        deep.mkdir()
        wrangler_jsonc(deep)
        monkeypatch.chdir(deep)
        assert read_wrangler_config(Path("wrangler.jsonc"), "HYPERDRIVE", None)
        wrangler_jsonc(place, "{}", "wrangler.json")
        assert "prefers it" in refusal(Path("wrangler.jsonc")).message

    @pytest.mark.parametrize("config_id", ["", "x", NEW.upper(), NEW[:-1], NEW + "0", NEW + "\n", f" {NEW}"])
    def test_an_id_that_is_none(self, place, config_id):
        path = wrangler_jsonc(place)
        with pytest.raises(InputError, match="is no id of a Hyperdrive config"):
            write_binding_id(path, "HYPERDRIVE", None, config_id)
        assert path.read_text() == CONFIG


class TestWriting:
    @pytest.mark.parametrize(("environment", "old"), [(None, OLD), ("staging", "ssss"), ("own", "oooo")])
    def test_only_the_id_of_that_environment_changes(self, place, environment, old):
        path = wrangler_jsonc(place)
        write_binding_id(path, "HYPERDRIVE", environment, NEW)
        assert path.read_text() == CONFIG.replace(old, NEW)
        assert len(list(place.iterdir())) == 2

    @pytest.mark.parametrize(
        "encode",
        [
            lambda text: text.replace("\n", "\r\n").encode(),
            lambda text: text.encode("utf-8-sig"),
            lambda text: text.rstrip().encode(),
            lambda text: text.replace("here", "ä😀\u2028").encode(),
        ],
    )
    def test_other_bytes_survive(self, place, encode):
        path = wrangler_jsonc(place, encode(CONFIG))
        write_binding_id(path, "HYPERDRIVE", None, NEW)
        assert path.read_bytes() == encode(CONFIG.replace(OLD, NEW))

    def test_a_correct_file_is_not_touched(self, place):
        path = wrangler_jsonc(place)
        os.utime(path, ns=(1, 1))
        before = path.stat()
        write_binding_id(path, "HYPERDRIVE", None, OLD)
        after = path.stat()
        assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino)

    @pytest.mark.parametrize("mode", [0o640, 0o755, 0o600])
    def test_the_mode_survives(self, place, mode):
        path = wrangler_jsonc(place)
        path.chmod(mode)
        write_binding_id(path, "HYPERDRIVE", None, NEW)
        assert stat.S_IMODE(path.stat().st_mode) == mode

    def test_a_symbolic_link_is_written_through(self, place):
        (place / "shared").mkdir()
        target = wrangler_jsonc(place / "shared", name="api.jsonc")
        link = place / "wrangler.jsonc"
        link.symlink_to(Path("shared", "api.jsonc"))
        write_binding_id(link, "HYPERDRIVE", None, NEW)
        assert link.readlink() == Path("shared", "api.jsonc")
        assert target.read_text() == CONFIG.replace(OLD, NEW)
        assert [entry.name for entry in target.parent.iterdir()] == ["api.jsonc"]

    def test_a_failure_leaves_only_the_old_file(self, place, monkeypatch):
        path = wrangler_jsonc(place)

        def full(_descriptor):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(InputError, match="can't be written: No space left on device"):
            write_binding_id(path, "HYPERDRIVE", None, NEW)
        assert path.read_text() == CONFIG
        assert sorted(entry.name for entry in place.iterdir()) == [".git", "wrangler.jsonc"]

    def test_a_file_that_changes_meanwhile_is_not_overwritten(self, place, monkeypatch):
        path = wrangler_jsonc(place)
        theirs = CONFIG.replace("here", "theirs")
        fsync = os.fsync

        def somebody_saves(descriptor):
            path.write_text(theirs)
            fsync(descriptor)

        monkeypatch.setattr(os, "fsync", somebody_saves)
        with pytest.raises(InputError, match="changed by something else"):
            write_binding_id(path, "HYPERDRIVE", None, NEW)
        assert path.read_text() == theirs
        assert sorted(entry.name for entry in place.iterdir()) == [".git", "wrangler.jsonc"]

    def test_file_then_name_reach_the_disk(self, place, monkeypatch):
        path, synchronised, fsync = wrangler_jsonc(place), [], os.fsync

        def record(descriptor):
            synchronised.append((stat.S_ISDIR(os.fstat(descriptor).st_mode), path.read_text() == CONFIG))
            fsync(descriptor)

        monkeypatch.setattr(os, "fsync", record)
        write_binding_id(path, "HYPERDRIVE", None, NEW)
        assert synchronised == [(False, True), (True, False)]


# Generated files: text around the one id, so that what must stay is known without reading any JSONC.

names = st.sampled_from(["staging", "prod", "ü", "with space", 'quo"te'])
remarks = st.sampled_from(
    ["", "", " ", "\n", "\t", "\n\n  ", "/* id */", '/* { "id": "x" } */', '// "id": [\n', "/**/"]
)


def string(draw, text):
    """A JSON string with some characters escaped."""
    pieces = [
        f"\\u{ord(c):04x}" if draw(st.integers(0, 7)) == 0 else json.dumps(c, ensure_ascii=False)[1:-1] for c in text
    ]
    return '"' + "".join(pieces) + '"'


def members(draw, brackets, items):
    """Items between brackets, with remarks everywhere and perhaps a trailing comma."""
    parts = [draw(remarks) + item + draw(remarks) for item in items]
    trailing = draw(st.sampled_from(["", ","])) if parts else ""
    return brackets[0] + ",".join(parts) + trailing + draw(remarks) + brackets[1]


def pair(draw, key, value):
    return string(draw, key) + draw(remarks) + ":" + draw(remarks) + value


def bindings(draw, placeholder):
    """A `hyperdrive` array with several bindings; that of HYPERDRIVE has the placeholder for an id."""
    others = draw(st.lists(st.sampled_from(["A", "B", "hyperdrive"]), unique=True))
    entries = [("HYPERDRIVE", placeholder), *((name, string(draw, OLD)) for name in others)]
    return members(
        draw,
        "[]",
        [
            members(
                draw, "{}", draw(st.permutations([pair(draw, "binding", string(draw, name)), pair(draw, "id", held)]))
            )
            for name, held in draw(st.permutations(entries))
        ],
    )


@st.composite
def files(draw):
    """The environment that is asked, and the bytes before and behind its id."""
    environments = draw(st.lists(names, unique=True, max_size=3))
    asked = draw(st.sampled_from([None, *environments]))
    tables = {
        name: pair(draw, "hyperdrive", bindings(draw, "<ID>" if name == asked else string(draw, OLD)))
        for name in [None, *environments]
    }
    nested = [pair(draw, name, members(draw, "{}", [tables[name]])) for name in environments]
    top = [pair(draw, "name", '"api"'), tables[None], pair(draw, "env", members(draw, "{}", nested))]
    text = draw(remarks) + members(draw, "{}", draw(st.permutations(top))) + draw(remarks)
    text = draw(st.sampled_from(["", "\ufeff"])) + text.replace("\n", draw(st.sampled_from(["\n", "\r\n"])))
    before, behind = text.encode().split(b"<ID>")
    return asked, before, behind


class TestProperties:
    @given(made=files())
    def test_every_byte_outside_the_id_stays(self, made, tmp_path_factory):
        environment, before, behind = made
        place = tmp_path_factory.mktemp("repository")
        (place / ".git").touch()
        path = wrangler_jsonc(place, before + b'"old"' + behind)
        assert read_wrangler_config(path, "HYPERDRIVE", environment).binding_id == "old"
        write_binding_id(path, "HYPERDRIVE", environment, NEW)
        assert path.read_bytes() == before + f'"{NEW}"'.encode() + behind
        assert read_wrangler_config(path, "HYPERDRIVE", environment).binding_id == NEW


def test_every_environments_bindings_are_listed(place):
    assert hyperdrive_bindings(wrangler_jsonc(place)) == {
        None: ("CACHE", "HYPERDRIVE"), "staging": ("HYPERDRIVE",), "own": ("HYPERDRIVE",), "bare": (),
    }  # fmt: skip


@pytest.mark.parametrize(
    "content",
    ["{}", '{"env": [], "hyperdrive": {}}', '{"env": null, "hyperdrive": ["x", {}, {"binding": 1}]}'],
)
def test_what_is_no_binding_is_not_listed(place, content):
    assert hyperdrive_bindings(wrangler_jsonc(place, content)) == {None: ()}


def test_an_unlistable_file_has_a_place(place):
    with pytest.raises(InputError, match=r"wrangler.jsonc:1:"):
        hyperdrive_bindings(wrangler_jsonc(place, "["))
