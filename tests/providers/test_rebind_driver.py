"""The rebind driver: the code that serves, again, with one binding changed and nothing else."""

from dataclasses import replace
from email import message_from_bytes
from email.policy import HTTP

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.providers.cloudflare import workers
from reconciler.providers.cloudflare.uploads import modules as modules_of
from reconciler.providers.http.client import Answer
from tests.support.database import GOOD
from tests.support.production import BINDING, Production, Upload

# Everything that a text transport would spoil: NUL, high bytes, lone and doubled line ends, something like a boundary.
_NASTY = bytes(range(256)) + b"\r\n--\r\n\r\r\n\n\x0b\x0c\x1c\x85--boundary--\r\n\xff\r\n"
_UPLOAD = Upload(
    bindings=(
        {"name": "GREETING", "type": "plain_text", "text": "hello"},
        {"name": "SETTINGS", "type": "json", "json": {"a": [1, None]}},
        {"name": "TOKEN", "type": "secret_text", "text": "the-workers-own-secret"},
        {"name": "CACHE", "type": "kv_namespace", "namespace_id": "0123456789abcdef0123456789abcdef"},
        {"name": "PHOTOS", "type": "r2_bucket", "bucket_name": "photos"},
        {"name": "VERSION", "type": "version_metadata"},
    ),
    modules=(
        ("index.js", b"import './lib/a b.js'; export default {}\r\n", "application/javascript+module"),
        ("lib/a b.js", "export const s = 'grüß'\n\n".encode(), "application/javascript+module"),
        ("program.wasm", b"\0asm\x01\0\0\0" + _NASTY, "application/wasm"),
        ("data.bin", _NASTY * 3, "application/octet-stream"),
        ("text.txt", b"\n", "text/plain"),
    ),
    flags=("nodejs_compat", "global_navigator"),
)


@pytest.fixture(scope="module")
def rebound(sandbox, shops, tmp_path_factory):
    """A production whose Worker has everything, before and after a restore; a later upload was never deployed."""
    production = Production(sandbox, shops.take(), tmp_path_factory.mktemp("rebound"))
    (script,) = production.scripts
    config = production.config(production.name)["id"]
    other = {"name": "OTHER_DATABASE", "type": "hyperdrive", "id": config}
    production.put_script(script, config, replace(_UPLOAD, bindings=(*_UPLOAD.bindings, other)))
    before = production.serving(script)
    newer = Upload(bindings=({"name": "GREETING", "type": "plain_text", "text": "never shown"},))
    path = f"/workers/scripts/{script}/versions"
    production.sandbox.cloudflare("POST", path, files=newer.parts(HYPERDRIVE=config))
    assert production.versions(script)[0] != before["id"]
    production.ask(production.shop.good)
    assert production.apply().converged
    production.check_live(GOOD)
    yield production, before, production.serving(script)
    production.remove()


def test_every_other_binding_stays(rebound):
    production, before, after = rebound
    old, new = _bindings(before), _bindings(after)
    assert new.pop(BINDING) == {
        "name": BINDING,
        "type": "hyperdrive",
        "id": production.config(production.config_name())["id"],
    }
    assert old.pop(BINDING)["id"] == production.config(production.name)["id"]
    assert new == old
    assert {"TOKEN", "OTHER_DATABASE"} < set(new)


def test_compatibility_date_and_flags_stay(rebound):
    _, before, after = rebound
    assert after["resources"]["script_runtime"] == before["resources"]["script_runtime"]
    assert after["resources"]["script_runtime"]["compatibility_flags"] == ["nodejs_compat", "global_navigator"]


def test_the_serving_versions_modules_are_copied(rebound):
    production, before, after = rebound
    assert _content(production, before) == _content(production, after)
    assert _content(production, after) == {name: (content, kind) for name, content, kind in _UPLOAD.modules}


def test_an_upload_says_what_it_is_for(rebound):
    production, before, after = rebound
    label = f"reconciler: production on {production.timeline()}, code of version {before['id']}"
    assert after["annotations"]["workers/message"] == label


def test_going_back_keeps_the_code(rebound):
    production, before, _ = rebound
    production.ask(None)
    production.apply()
    back = production.serving(production.scripts[0])
    assert _bindings(back) == _bindings(before)
    assert _content(production, back) == _content(production, before)


def test_a_fresh_config_is_waited_for(production, monkeypatch):
    monkeypatch.setattr(workers, "_FRESH_PAUSE_SECONDS", 0.2)
    monkeypatch.setattr(workers, "_FRESH_TRIES", 100)
    # Longer than a busy machine needs from the config to the upload.
    production.sandbox.switch("cloudflare", fresh_config_unknown_s=4)
    production.ask(production.shop.good)
    assert production.apply().converged
    uploads = [each for each in production.sandbox.writes() if each.path.endswith("/versions")]
    assert len(uploads) > 1
    production.check_live(GOOD)


def test_a_taken_config_name_is_looked_at(production):
    production.sandbox.switch("cloudflare", name_taken_status=400)
    production.ask(production.shop.good)
    production.sandbox.fault("drop-after", "POST", "/hyperdrive/configs$")
    production.sandbox.fault("stale", "GET", "/hyperdrive/configs$", nth=3, times=3)
    assert production.apply().converged
    production.check_live(GOOD)
    assert len(production.own_configs()) == 2


_NAMES = st.text("abcXYZ019._-/ ", min_size=1, max_size=20).filter(lambda name: name == name.strip())


@given(st.dictionaries(_NAMES, st.tuples(st.binary(max_size=400), st.sampled_from(["application/wasm", "text/plain"]))))
def test_modules_survive_a_multipart_body(modules):
    body = b"".join(
        b'--B0undary\r\nContent-Disposition: form-data; name="%b"; filename="%b"\r\nContent-Type: %b\r\n\r\n%b\r\n'
        % (name.encode(), name.encode(), kind.encode(), content)
        for name, (content, kind) in modules.items()
    )
    headers = {"content-type": "multipart/form-data; boundary=B0undary"}
    assert modules_of(Answer(200, headers, body + b"--B0undary--\r\n")) == modules


def _bindings(version):
    return {each["name"]: each for each in version["resources"]["bindings"]}


def _content(production, version):
    path = f"/workers/scripts/{production.scripts[0]}/content/v2?version={version['id']}"
    answer = production.sandbox.cloudflare_content(path)
    boundary = b"--" + answer.headers["content-type"].split("boundary=")[1].encode()
    found = {}
    for part in answer.content.split(boundary)[1:-1]:
        head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        message = message_from_bytes(head + b"\r\n\r\n", policy=HTTP)
        name = message.get_param("name", header="content-disposition")
        found[name] = (content.removesuffix(b"\r\n"), message["content-type"])
    return found
