// The Worker that the sandbox begins with, as it would be after an upload: three modules, no dependencies.
//
//   GET /          the newest listings, as HTML to a browser and as JSON to everybody else
//   GET /health    which version answers, and which database it reaches: 200, or 503 where that has no listings
//   GET /ping      the same, whatever the database holds

import { page } from "./page.js";
import { query } from "./postgres.js";

// Nothing of this may come out of Hyperdrive's cache: now() keeps it from being kept.
const PING = `select current_database() as database, pg_postmaster_start_time()::text as server_started,
  now()::text as at`;
const HEALTH = `${PING}, count(*)::int as listings from "Listing"`;
const NEWEST = `select id, title, price_cents from "Listing" order by id desc limit 50`;

export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    const version = env.VERSION?.id ?? null;
    try {
      if (pathname === "/health") {
        const [row] = await ask(env, HEALTH);
        return Response.json({ version, ...row }, { status: row.listings > 0 ? 200 : 503 });
      }
      if (pathname === "/ping") {
        const [row] = await ask(env, PING);
        return Response.json({ version, ...row });
      }
      if (pathname === "/") {
        return show(request, await ask(env, NEWEST));
      }
    } catch (error) {
      return Response.json({ version, error: error.message }, { status: 503 });
    }
    return Response.json({ error: "not found" }, { status: 404 });
  },
};

async function ask({ HYPERDRIVE: hyperdrive }, sql) {
  if (!hyperdrive) {
    throw new Error("this version is bound to no Hyperdrive config");
  }
  return query(hyperdrive.connect(), hyperdrive, sql);
}

function show(request, rows) {
  const listings = rows.map(({ id, title, price_cents }) => ({ id, title, price: (price_cents / 100).toFixed(2) }));
  if ((request.headers.get("Accept") ?? "").includes("text/html")) {
    return new Response(page(listings), { headers: { "Content-Type": "text/html; charset=utf-8" } });
  }
  return Response.json(listings);
}
