"""The Worker really runs: its page comes from the database, and deployments switch it without a failed request."""

import asyncio
import os
import signal
import time
from pathlib import Path

import httpx
import psycopg
import pytest

from reconciler.sandbox.cloudflare.api import EXAMPLE_CONFIG_ID, EXAMPLE_SCRIPT_NAME
from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.wire.messages import Message
from reconciler.sandbox.workers import runtime
from reconciler.sandbox.workers.query_cache import is_cacheable
from tests.sandbox import example_shop
from tests.sandbox.example_shop import MODULE
from tests.sandbox.processes import begin, printed_variables, run, temporary_place, wait_until

pytestmark = pytest.mark.anyio

workerd, shop = example_shop.workerd, example_shop.shop

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


async def test_the_page_shows_the_rows_of_the_database(shop):
    assert {"id": 2, "title": "USB-C dock", "price": "189.00"} in (await shop.get()).json()
    page = await shop.get(Accept="text/html,*/*")
    assert "<td>USB-C dock</td><td>189.00</td>" in page.text
    health = await shop.get("/health")
    assert 200 == health.status_code
    assert (await shop.live(), "tech961", 5) == tuple(health.json()[k] for k in ("version", "database", "listings"))
    assert {EXAMPLE_SCRIPT_NAME: shop.worker} == await shop.control("workers")


async def test_health_is_503_with_the_reason(shop):
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


async def test_twenty_switches_fail_no_request(shop):
    first, second = await shop.live(), await shop.upload(HYPERDRIVE, VERSION)
    answers, done = [], asyncio.Event()

    async def visit():
        try:
            answer = await shop.get("/health")
            answers.append((answer.status_code, answer.json()["version"]))
        except httpx.HTTPError as error:
            answers.append((0, repr(error)))

    async def visit_fifty_times_a_second():
        async with asyncio.TaskGroup() as visits:
            while not done.is_set():
                visits.create_task(visit())
                await asyncio.sleep(0.02)

    visiting = asyncio.create_task(visit_fifty_times_a_second())
    for number in range(20):
        wanted = (second, first)[number % 2]
        await shop.deploy((wanted, 100))
        assert wanted == await shop.version()
        await asyncio.sleep(0.05)
    done.set()
    await visiting
    assert [] == [answer for answer in answers if answer[0] != 200]
    assert {first, second} == {version for _, version in answers}


async def test_a_request_ends_on_the_version_where_it_began(shop, monkeypatch):
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
    assert 1 == len(shop.runtimes())


async def test_requests_and_answers_pass_through_unchanged(shop):
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


async def test_bindings_work_or_are_left_out_with_a_note(shop):
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
    notes = [line["text"] for line in await shop.control("workers/log") if line["version"] == version]
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


async def test_a_version_that_cannot_start_is_502(shop):
    good = await shop.live()
    broken = await shop.upload(modules={"index.js": (b"export default {", MODULE)})
    await shop.deploy((broken, 100))
    answer = await shop.get()
    assert 502 == answer.status_code
    assert "SyntaxError" in answer.text
    assert any(
        "SyntaxError" in line["text"] and broken == line["version"] for line in await shop.control("workers/log")
    )
    await shop.deploy((good, 100))
    assert 200 == (await shop.get()).status_code


async def test_a_killed_process_is_replaced(shop):
    assert 200 == (await shop.get()).status_code
    (former,) = shop.runtimes()
    os.kill(former, signal.SIGKILL)
    assert 200 == (await shop.get()).status_code
    assert [former] != shop.runtimes()


async def test_a_changed_origin_counts_at_once_or_after_restart(shop):
    host, port = await shop.branch()
    await shop.execute('delete from "Listing" where id > 1')
    assert 1 == await shop.listings()
    former, other = {"host": shop.origin["host"], "port": shop.origin["port"]}, {"host": host, "port": port}

    async def point_to(address):
        await shop.call("PATCH", shop.config, json={"origin": address})

    await point_to(other)
    assert 5 == await shop.listings()
    await shop.switch(hyperdrive_pool_survives_change=True)
    await point_to(former)
    assert 5 == await shop.listings()
    await shop.call("POST", shop.config + "/restart")
    assert 1 == await shop.listings()


async def test_the_query_cache_answers_with_old_rows(shop):
    await shop.switch(hyperdrive_query_cache=True)
    assert 5 == len((await shop.get()).json())
    await shop.execute('delete from "Listing" where id > 1')
    assert (5, 1) == (len((await shop.get()).json()), await shop.listings())
    await shop.call("PATCH", shop.config, json={"caching": {"max_age": 1, "stale_while_revalidate": 0}})
    await shop.call("POST", shop.config + "/restart")
    assert 5 == len((await shop.get()).json()), "neither a change nor a restart empties the cache"
    await shop.call("PATCH", shop.config, json={"caching": {"disabled": True}})
    assert 1 == len((await shop.get()).json())


async def test_queries_in_transactions_or_after_errors_are_not_cached(shop):
    await shop.switch(hyperdrive_query_cache=True)
    connection = await shop.connect((await shop.sandbox._workers._relays[EXAMPLE_CONFIG_ID].open()).port)
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
async def test_only_reads_with_immutable_functions_are_cached(statement, cached):
    assert cached == is_cacheable([Message(b"Q", statement.encode() + b"\0")])


async def test_without_workerd_the_page_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("RECONCILER_WORKERD", str(tmp_path / "absent"))
    sandbox = Sandbox(postgres=False)
    await sandbox.start()
    try:
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.get(await sandbox.worker_url(EXAMPLE_SCRIPT_NAME))
    finally:
        await sandbox.stop()
    assert 503 == answer.status_code
    assert "npm install workerd" in answer.text
    assert "RECONCILER_WORKERD" in answer.text


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("given", [False, True], ids=["temporary", "given"])
def test_an_ended_sandbox_leaves_no_workerd(workerd, number, given):
    with temporary_place() as place:
        directory = place / "given"
        if given:
            directory.mkdir(mode=0o755)
        arguments = ["--dir", str(directory)] if given else []
        process = begin(place, "up", "--without-postgres", *arguments)
        url = printed_variables(process)["NEON_API_HOST"].replace("/api/v2", "/sandbox/workers")
        with httpx.Client(trust_env=False) as http:
            http.get(http.get(url).json()[EXAMPLE_SCRIPT_NAME])
        (pid,) = [int(file.read_text()) for file in place.glob("**/workerd.pid")]
        assert b"workerd" in Path(f"/proc/{pid}/cmdline").read_bytes()
        process.send_signal(number)
        process.communicate(timeout=20)
        if number is signal.SIGKILL:
            assert "no sandbox is running" in run(place, "down", *arguments).stderr
        wait_until(lambda: not Path(f"/proc/{pid}").exists())
        assert not Path(f"/proc/{pid}").exists()
        if given:
            wait_until(lambda: not any(directory.iterdir()))
            directory.rmdir()
