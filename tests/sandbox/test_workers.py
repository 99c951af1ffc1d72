"""The Worker really runs: its page comes from the database, and deployments switch it without a failed request."""

import asyncio
import json
import os
import signal
import statistics
import time
from pathlib import Path

import httpx
import psycopg
import pytest

from reconciler.sandbox.cloudflare.api import EXAMPLE_CONFIG_ID, EXAMPLE_SCRIPT_NAME
from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.wire.messages import Message
from reconciler.sandbox.workers import binary, runtime
from reconciler.sandbox.workers.query_cache import is_cacheable
from tests.sandbox.test_processes import begin, place, processes_of, run, variables  # noqa: F401  a fixture
from tests.support.memory import memory

OVERRIDES = "Cloudflare-Workers-Version-Overrides"
MODULE = "application/javascript+module"
HYPERDRIVE = {"type": "hyperdrive", "name": "HYPERDRIVE", "id": EXAMPLE_CONFIG_ID}
VERSION = {"type": "version_metadata", "name": "VERSION"}
ECHO = b"""
export default { async fetch(request, env) {
  const { pathname, search } = new URL(request.url);
  if (pathname === "/gzip") {
    return new Response("small", { headers: { "Content-Encoding": "gzip" } });
  }
  if (pathname === "/slow") { await scheduler.wait(400); }
  if (pathname === "/stream") {
    const { readable, writable } = new TransformStream();
    const writer = writable.getWriter();
    const write = async () => {
      await writer.write(new TextEncoder().encode("first"));
      await scheduler.wait(300);
      await writer.write(new TextEncoder().encode("last"));
      await writer.close();
    };
    write();
    return new Response(readable);
  }
  const body = await request.text();
  const { method, headers } = request;
  const seen = { method, pathname, search, body, host: headers.get("host"), mine: headers.get("x-mine") };
  return Response.json({ ...seen, version: env.VERSION?.id, env }, { status: 418, headers: { "x-theirs": "yes" } });
} };
"""


@pytest.fixture(scope="session")
def workerd():
    """The program; in CI it must be there."""
    wrangler = os.environ.get("RECONCILER_TEST_WRANGLER")
    beside = Path(wrangler).parent / "workerd" if wrangler else None
    if "RECONCILER_WORKERD" not in os.environ and beside and beside.exists():
        os.environ["RECONCILER_WORKERD"] = str(beside)
    program = binary.locate()
    if program is None:
        complaint = "no Worker has been run, because there is no workerd: " + binary.HOW_TO_GET_IT
        if os.environ.get("CI") == "true":
            pytest.fail(complaint)
        pytest.skip(complaint)
    return program


class Shop:
    """The example, asked over HTTP: its Worker, and the API by which it is deployed."""

    def __init__(self, sandbox, worker, http):
        self.sandbox, self.worker, self.http = sandbox, worker, http
        environment = sandbox.environment
        self.api = f"{environment['CLOUDFLARE_API_BASE_URL']}/accounts/{environment['CLOUDFLARE_ACCOUNT_ID']}"
        self.authorization = {"Authorization": f"Bearer {environment['CLOUDFLARE_API_TOKEN']}"}
        self.script = f"/workers/scripts/{EXAMPLE_SCRIPT_NAME}"
        self.config = f"/hyperdrive/configs/{EXAMPLE_CONFIG_ID}"

    async def call(self, method, path, **arguments):
        answer = await self.http.request(method, self.api + path, headers=self.authorization, **arguments)
        assert answer.is_success, answer.text
        return answer.json()["result"]

    async def get(self, path="/", version=None, **headers):
        if version:
            headers[OVERRIDES] = f'other="x", {EXAMPLE_SCRIPT_NAME}="{version}"'
        return await self.http.get(self.worker + path, headers=headers)

    async def version(self, **headers):
        return (await self.get("/health", **headers)).json()["version"]

    async def live(self):
        return (await self.call("GET", self.script + "/deployments"))["deployments"][0]["versions"][0]["version_id"]

    async def upload(self, *bindings, modules=None, **metadata):
        usual = {"main_module": "index.js", "compatibility_date": "2025-09-01", "keep_bindings": ["secret_text"]}
        metadata = {**usual, "bindings": bindings, **metadata}
        files = {name: (name, content, kind) for name, (content, kind) in (modules or example()).items()}
        files["metadata"] = (None, json.dumps(metadata))
        return (await self.call("POST", self.script + "/versions", files=files))["id"]

    async def deploy(self, *split):
        versions = [{"version_id": version, "percentage": share} for version, share in split]
        body = {"strategy": "percentage", "versions": versions}
        await self.call("POST", self.script + "/deployments", json=body)

    async def switch(self, **settings):
        answer = await self.http.post(self.sandbox.url + "/sandbox/switches", json={"cloudflare": settings})
        assert answer.is_success, answer.text

    async def own(self, path):
        return (await self.http.get(f"{self.sandbox.url}/sandbox/{path}")).json()

    async def execute(self, statement):
        origin = self.sandbox._apis["/client/v4"].state.configs[EXAMPLE_CONFIG_ID].origin
        names = {"host": "host", "port": "port", "user": "user", "password": "password"}
        given = {name: origin[key] for name, key in names.items()}
        connection = await psycopg.AsyncConnection.connect(dbname=origin["database"], **given, autocommit=True)
        async with connection:
            await connection.execute(statement)

    async def branch(self):
        """Make a branch of the database as it is now, and give the host and port of its compute."""
        environment = self.sandbox.environment
        headers = {"Authorization": f"Bearer {environment['NEON_API_KEY']}"}
        path = environment["NEON_API_HOST"] + "/projects/aged-wildflower-123456/branches"
        body = {"endpoints": [{"type": "read_write"}]}
        answer = await self.http.post(path, json=body, headers=headers)
        assert answer.is_success, answer.text
        host, _, port = answer.json()["endpoints"][0]["host"].partition(":")
        return host, int(port)


def example():
    directory = Path(binary.__file__).parents[1] / "example"
    return {path.name: (path.read_bytes(), MODULE) for path in directory.glob("*.js")}


@pytest.fixture
async def shop(workerd):
    directory = Path(f"{memory() or '/tmp'}/reconciler-workers-{os.getpid()}-{time.monotonic_ns()}")
    sandbox = Sandbox(directory)
    await sandbox.start()
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=20) as http:
            yield Shop(sandbox, await sandbox.worker_url(EXAMPLE_SCRIPT_NAME), http)
    finally:
        await sandbox.stop()
    assert ([], [], []) == (processes_of(directory), left_of(directory), sandbox.failures)


pytestmark = [pytest.mark.anyio]


async def test_the_page_shows_the_rows_and_health_names_version_and_database(shop):
    assert {"id": 2, "title": "USB-C dock", "price": "189.00"} in (await shop.get()).json()
    page = await shop.get(Accept="text/html,*/*")
    assert "<td>USB-C dock</td><td>189.00</td>" in page.text
    health = await shop.get("/health")
    assert 200 == health.status_code
    assert (await shop.live(), "tech961", 5) == tuple(health.json()[k] for k in ("version", "database", "listings"))
    assert {EXAMPLE_SCRIPT_NAME: shop.worker} == await shop.own("workers")


async def test_health_is_503_with_the_reason_when_the_table_is_missing_or_the_config_deleted(shop):
    await shop.execute('drop table "Listing"')
    answer = await shop.get("/health")
    assert (503, 'relation "Listing" does not exist') == (answer.status_code, answer.json()["error"])
    await shop.call("DELETE", shop.config)
    answer = await shop.get("/health")
    assert (503, "Hyperdrive config not found") == (answer.status_code, answer.json()["error"])


async def test_a_version_at_0_percent_is_reached_only_by_name(shop):
    old, new = await shop.live(), await shop.upload(HYPERDRIVE, VERSION)
    assert old == await shop.version(version=new), "it is not in the deployment yet"
    await shop.deploy((old, 100), (new, 0))
    assert {old} == {await shop.version() for _ in range(20)}
    assert new == await shop.version(version=new)
    await shop.deploy((old, 50), (new, 50))
    assert {old, new} == {await shop.version() for _ in range(40)}


async def test_twenty_switches_back_and_forth_fail_no_request_at_fifty_a_second(shop, record_property):
    first, second = await shop.live(), await shop.upload(HYPERDRIVE, VERSION)
    answers, done = [], asyncio.Event()

    async def ask():
        begun = time.perf_counter()
        try:
            answer = await shop.get("/health")
            answers.append((answer.status_code, answer.json()["version"], time.perf_counter() - begun))
        except httpx.HTTPError as error:
            answers.append((0, repr(error), 0))

    async def visit():
        async with asyncio.TaskGroup() as visits:
            while not done.is_set():
                visits.create_task(ask())
                await asyncio.sleep(0.02)

    visiting = asyncio.create_task(visit())
    firsts = []
    for number in range(20):
        wanted = (second, first)[number % 2]
        begun = time.perf_counter()
        await shop.deploy((wanted, 100))
        assert wanted == await shop.version()
        firsts.append(1000 * (time.perf_counter() - begun))
        await asyncio.sleep(0.1)
    done.set()
    await visiting
    failed = [answer for answer in answers if answer[0] != 200]
    times = sorted(1000 * took for *_, took in answers)
    record_property("requests", len(answers))
    print(f"\n{len(answers)} requests, {len(failed)} failed, of which p50 {times[len(times) // 2]:.0f} ms, "
          f"max {times[-1]:.0f} ms; first response after a deployment: median {statistics.median(firsts):.0f} ms, "
          f"max {max(firsts):.0f} ms")  # fmt: skip
    assert [] == failed
    assert {first, second} == {version for _, version, _ in answers}


async def test_a_request_under_way_ends_on_the_version_where_it_began(shop, monkeypatch):
    monkeypatch.setattr(runtime, "_DRAIN_SECONDS", 0.05)  # only for what happens after the last request
    echo = await shop.upload(VERSION, modules={"index.js": (ECHO, MODULE)})
    old = await shop.live()
    await shop.deploy((echo, 100))
    slow = asyncio.create_task(shop.get("/slow"))
    await asyncio.sleep(0.2)
    assert not slow.done()
    await shop.deploy((old, 100))
    assert old == await shop.version()
    assert echo == (await slow).json()["version"]
    await asyncio.gather(*shop.sandbox._workers._draining)
    assert 1 == len(runtimes(shop))


async def test_method_path_query_headers_body_and_status_pass_through_and_answers_stream(shop):
    await shop.deploy((await shop.upload(modules={"index.js": (ECHO, MODULE)}), 100))
    url = f"{shop.worker}/a%2Fb/%C3%A9?q=1&q=%20"
    answer = await shop.http.patch(url, content=b"x" * 300_000, headers={"X-Mine": "here"})
    assert (418, "yes") == (answer.status_code, answer.headers["x-theirs"])
    seen = answer.json()
    assert ("PATCH", "/a%2Fb/%C3%A9", "?q=1&q=%20") == (seen["method"], seen["pathname"], seen["search"])
    assert (300_000, "here", shop.worker) == (len(seen["body"]), seen["mine"], f"http://{seen['host']}")
    begun = time.perf_counter()
    async with shop.http.stream("GET", shop.worker + "/stream") as answer:
        chunks = [(chunk, time.perf_counter() - begun) async for chunk in answer.aiter_raw()]
    assert [b"first", b"last"] == [chunk for chunk, _ in chunks]
    assert chunks[1][1] - chunks[0][1] > 0.2
    packed = await shop.get("/gzip")
    assert ("gzip", "small") == (packed.headers["content-encoding"], packed.text)
    head = await shop.http.head(shop.worker + "/")
    assert (418, b"") == (head.status_code, head.content)


async def test_bindings_are_there_or_imitated_or_left_out_with_a_note(shop):
    script = b"""
      import text from "./note.txt"; import data from "./data.bin";
      export default { async fetch(request, env) {
        env.SEARCHES.writeDataPoint({ indexes: ["x"] });
        await env.CACHE.put("a", "b");
        const stored = await env.PHOTOS.get("a"), cached = await env.CACHE.get("a");
        const { KEY, MODE, LIMITS, VERSION, BROWSER } = env;
        return Response.json({ KEY, MODE, LIMITS, VERSION, stored, cached, text, size: data.byteLength,
          browser: typeof BROWSER });
      } };"""
    modules = {
        "index.js": (script, MODULE),
        "./note.txt": ('caf\u00e9 \\ "'.encode(), "text/plain"),
        "./data.bin": (bytes(range(256)), "application/octet-stream"),
        "index.js.map": (b"{}", "application/source-map"),
    }
    bindings = [
        {"type": "secret_text", "name": "KEY", "text": 'caf\u00e9 "\\\n'},
        {"type": "plain_text", "name": "MODE", "text": "live"},
        {"type": "json", "name": "LIMITS", "json": {"most": 3}},
        {"type": "analytics_engine", "name": "SEARCHES", "dataset": "d"},
        {"type": "kv_namespace", "name": "CACHE", "namespace_id": "n"},
        {"type": "r2_bucket", "name": "PHOTOS", "bucket_name": "b"},
        {"type": "browser", "name": "BROWSER"},
        VERSION,
    ]
    version = await shop.upload(
        *bindings, modules=modules, compatibility_date="2099-01-01", annotations={"workers/tag": "abc"}
    )
    await shop.deploy((version, 100))
    seen = (await shop.get()).json()
    assert (version, "abc") == (seen["VERSION"]["id"], seen.pop("VERSION")["tag"])
    assert {
        "KEY": 'caf\u00e9 "\\\n', "MODE": "live", "LIMITS": {"most": 3}, "stored": None, "cached": None,
        "text": 'caf\u00e9 \\ "', "size": 256, "browser": "undefined",
    } == seen  # fmt: skip
    notes = [line["text"] for line in await shop.own("workers/log") if line["version"] == version]
    assert any("2099-01-01" in note for note in notes)
    assert any("BROWSER" in note for note in notes)


async def test_a_worker_of_the_older_form_runs(shop):
    script = b"addEventListener('fetch', event => event.respondWith(new Response('older ' + MODE)));"
    version = await shop.upload(
        {"type": "plain_text", "name": "MODE", "text": "form"},
        modules={"index.js": (script, "application/javascript")}, main_module=None, body_part="index.js",
    )  # fmt: skip
    await shop.deploy((version, 100))
    assert "older form" == (await shop.get()).text


async def test_a_version_that_cannot_start_is_502_with_the_reason_and_an_undo_is_enough(shop):
    good = await shop.live()
    broken = await shop.upload(modules={"index.js": (b"export default {", MODULE)})
    await shop.deploy((broken, 100))
    answer = await shop.get()
    assert 502 == answer.status_code
    assert "SyntaxError" in answer.text
    assert any("SyntaxError" in line["text"] and broken == line["version"] for line in await shop.own("workers/log"))
    await shop.deploy((good, 100))
    assert 200 == (await shop.get()).status_code


async def test_a_process_that_was_killed_is_replaced_for_the_next_request(shop):
    assert 200 == (await shop.get()).status_code
    (former,) = runtimes(shop)
    os.kill(former, signal.SIGKILL)
    assert 200 == (await shop.get()).status_code
    assert [former] != runtimes(shop)


async def test_a_changed_origin_is_used_at_once_unless_the_pool_survives_until_the_restart(shop):
    host, port = await shop.branch()
    await shop.execute('delete from "Listing" where id > 1')
    assert 1 == await listings(shop)
    origin = shop.sandbox._apis["/client/v4"].state.configs[EXAMPLE_CONFIG_ID].origin
    former, other = {"host": origin["host"], "port": origin["port"]}, {"host": host, "port": port}

    async def point_to(address):
        await shop.call("PATCH", shop.config, json={"origin": address})

    await point_to(other)
    assert 5 == await listings(shop)
    await shop.switch(hyperdrive_pool_survives_change=True)
    await point_to(former)
    assert 5 == await listings(shop)
    await shop.call("POST", shop.config + "/restart")
    assert 1 == await listings(shop)


async def test_the_query_cache_gives_old_rows_but_not_to_a_query_that_asks_the_time(shop):
    await shop.switch(hyperdrive_query_cache=True)
    assert 5 == len((await shop.get()).json())
    await shop.execute('delete from "Listing" where id > 1')
    assert (5, 1) == (len((await shop.get()).json()), await listings(shop))
    await shop.call("PATCH", shop.config, json={"caching": {"max_age": 1, "stale_while_revalidate": 0}})
    await shop.call("POST", shop.config + "/restart")
    assert 5 == len((await shop.get()).json()), "neither a change nor a restart empties the cache"
    await shop.call("PATCH", shop.config, json={"caching": {"disabled": True}})
    assert 1 == len((await shop.get()).json())


async def test_whole_queries_are_cached_and_nothing_in_a_transaction_or_after_an_error(shop):
    await shop.switch(hyperdrive_query_cache=True)
    port = (await shop.sandbox._workers._relays[EXAMPLE_CONFIG_ID].open()).port
    origin = shop.sandbox._apis["/client/v4"].state.configs[EXAMPLE_CONFIG_ID].origin
    names = {"dbname": "database", "user": "user", "password": "password"}
    given = {name: origin[key] for name, key in names.items()}
    connection = await psycopg.AsyncConnection.connect(host="127.0.0.1", port=port, autocommit=True, **given)
    connection.prepare_threshold = None  # named statements are not cached

    async def count(above, what='count(*) from "Listing"'):
        cursor = await connection.execute(f"select {what} where id > %s", [above])
        return (await cursor.fetchone())[0]

    async with connection:
        assert (5, 4) == (await count(0), await count(1))
        await connection.execute('delete from "Listing" where id > 2')
        assert (5, 4, 0) == (await count(0), await count(1), await count(2))
        with pytest.raises(psycopg.errors.UndefinedTable):
            await count(0, 'count(*) from "Absent"')
        await shop.execute('create table "Absent" (id int)')
        assert 0 == await count(0, 'count(*) from "Absent"')
        async with connection.transaction():
            assert 2 == await count(0)
        assert 5 == await count(0)


@pytest.mark.parametrize(
    ("statement", "cached"),
    [
        ('select id, "now" from "User" where title in (\'now()\') order by max(price)', True),
        ("with found as (select 1) select count(*) from found;", True),
        ("select now()", False),
        ("select CURRENT_TIMESTAMP", False),
        ("select own(1)", False),
        ('select "own"(1)', False),
        ("select 1; select 2", False),
        ("select * from item for update", False),
        ("with gone as (delete from item returning *) select * from gone", False),
        ("insert into item values (1)", False),
        ("begin", False),
    ],
)
async def test_only_reads_without_a_function_that_may_change_its_answer_are_cached(statement, cached):
    assert cached == is_cacheable([Message(b"Q", statement.encode() + b"\0")])


async def test_without_workerd_everything_else_works_and_the_page_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("RECONCILER_WORKERD", str(tmp_path / "absent"))
    sandbox = Sandbox()
    await sandbox.start()
    try:
        url = await sandbox.worker_url(EXAMPLE_SCRIPT_NAME)
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.get(url)
    finally:
        await sandbox.stop()
    assert 503 == answer.status_code
    assert "npm install workerd" in answer.text
    assert "RECONCILER_WORKERD" in answer.text


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("given", [False, True], ids=["temporary", "given"])
def test_a_sandbox_that_is_ended_leaves_no_workerd(workerd, place, number, given):  # noqa: F811  the fixture
    directory = place / "given"
    if given:
        directory.mkdir(mode=0o755)
    arguments = ["--dir", str(directory)] if given else []
    process = begin(place, "up", *arguments)
    found = variables(process.stdout.readline().strip() for _ in range(5))
    url = found["NEON_API_HOST"].replace("/api/v2", "/sandbox/workers")
    with httpx.Client(trust_env=False) as http:
        assert 200 == http.get(http.get(url).json()[EXAMPLE_SCRIPT_NAME]).status_code
    (pid,) = [int(file.read_text()) for file in place.glob("**/workerd.pid")]
    assert b"workerd" in Path(f"/proc/{pid}/cmdline").read_bytes()
    process.send_signal(number)
    process.communicate(timeout=20)
    if number is signal.SIGKILL:
        assert "no sandbox is running" in run(place, "down", *arguments).stderr
    # that no process is left, `place` asserts
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not Path(f"/proc/{pid}").exists()
    while given and any(directory.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.02)
    if given:
        directory.rmdir()


def left_of(directory):
    return [directory] if directory.exists() else []


async def listings(shop):
    return (await shop.get("/health")).json()["listings"]


def runtimes(shop):
    """Give the process ids of the workerds that run."""
    return [int(file.read_text()) for file in shop.sandbox._directory.glob("workers/*/workerd.pid")]
