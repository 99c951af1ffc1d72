// Lists what is for sale, and answers the gate that a restore must pass.
//
//   GET /          the newest listings, as JSON
//   GET /health    200 when the database answers and has listings, else 503

import { Client } from "pg";

// now() keeps Hyperdrive from answering out of its cache, and the start of the server tells one branch from another:
// a gate must ask the database itself, and know which one answered.
const HEALTH = `select current_database() as database, pg_postmaster_start_time()::text as server_started,
  now() as at, count(*)::int as listings from "Listing"`;
const NEWEST = `select id, title, price_cents from "Listing" order by id desc limit 50`;

export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    if (pathname === "/health") {
      return health(env);
    }
    if (pathname === "/") {
      const rows = await query(env, NEWEST);
      env.SEARCHES?.writeDataPoint({ indexes: ["newest"], doubles: [rows.length] });
      return Response.json(rows);
    }
    return Response.json({ error: "not found" }, { status: 404 });
  },
};

async function health(env) {
  const version = env.VERSION?.id ?? null;
  try {
    const [row] = await query(env, HEALTH);
    return Response.json({ version, ...row }, { status: row.listings > 0 ? 200 : 503 });
  } catch (error) {
    return Response.json({ version, error: error.message }, { status: 503 });
  }
}

async function query(env, sql) {
  const client = new Client({ connectionString: env.HYPERDRIVE.connectionString });
  await client.connect();
  try {
    const { rows } = await client.query(sql);
    return rows;
  } finally {
    await client.end();
  }
}
