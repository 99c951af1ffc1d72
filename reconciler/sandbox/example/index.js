// The Worker that the sandbox begins with, as it would be after an upload: one module, no dependencies.
// /health says which version answers and whether the database behind Hyperdrive can be reached.

export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    if (pathname !== "/health") {
      return Response.json({ error: "not found" }, { status: 404 });
    }
    const database = await reach(env.HYPERDRIVE);
    const version = env.VERSION?.id ?? null;
    return Response.json({ version, database }, { status: database === "reachable" ? 200 : 503 });
  },
};

async function reach(hyperdrive) {
  try {
    const socket = hyperdrive.connect();
    await socket.opened;
    await socket.close();
    return "reachable";
  } catch (error) {
    return `unreachable: ${error.message}`;
  }
}
