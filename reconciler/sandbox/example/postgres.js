// As much of PostgreSQL's protocol as one query needs: log in (SCRAM-SHA-256), ask, read the rows.
// A real Worker uses the package `pg`; here it would be the only dependency.

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const PROTOCOL = 196608; // 3.0
const INTEGERS = new Set([20, 21, 23]);
const BOOLEAN = 16;

export async function query(socket, { user, password, database }, sql) {
  const writer = socket.writable.getWriter();
  const send = (...parts) => writer.write(joined(parts));
  try {
    const messages = read(socket.readable);
    const settings = [["user", user], ["database", database]].flat().map(terminated);
    const startup = joined([number(PROTOCOL), ...settings, Uint8Array.of(0)]);
    await send(number(startup.length + 4), startup);
    await logIn(messages, send, password);
    await send(message("Q", terminated(sql)));
    const rows = await readRows(messages);
    await send(message("X"));
    return rows;
  } finally {
    await socket.close().catch(() => {});
  }
}

async function logIn(messages, send, password) {
  const scram = new Scram(password);
  for await (const { kind, view, bytes } of messages) {
    if (kind === "Z") {
      return;
    }
    if (kind !== "R") {
      continue;
    }
    const rest = decoder.decode(bytes.subarray(4));
    switch (view.getInt32(0)) {
      case 0: // it is done
      case 12: // the server's proof, which a Worker behind Hyperdrive need not check
        break;
      case 3:
        await send(message("p", terminated(password)));
        break;
      case 10:
        await send(message("p", terminated("SCRAM-SHA-256"), number(scram.first.length), encoder.encode(scram.first)));
        break;
      case 11:
        await send(message("p", encoder.encode(await scram.final(rest))));
        break;
      default:
        throw new Error(`the server asks for a login of type ${view.getInt32(0)}`);
    }
  }
}

async function readRows(messages) {
  const rows = [];
  let columns = [];
  let failure = null;
  for await (const { kind, view, bytes } of messages) {
    if (kind === "T") {
      columns = readColumns(view, bytes);
    } else if (kind === "D") {
      rows.push(readRow(view, bytes, columns));
    } else if (kind === "E") {
      failure = readError(bytes);
    } else if (kind === "Z") {
      break;
    }
  }
  if (failure) {
    throw failure;
  }
  return rows;
}

function readColumns(view, bytes) {
  let at = 2;
  return Array.from({ length: view.getInt16(0) }, () => {
    const end = bytes.indexOf(0, at);
    const column = { name: decoder.decode(bytes.subarray(at, end)), type: view.getInt32(end + 7) };
    at = end + 19;
    return column;
  });
}

function readRow(view, bytes, columns) {
  let at = 2;
  const row = {};
  for (const { name, type } of columns) {
    const length = view.getInt32(at);
    at += 4;
    row[name] = length < 0 ? null : value(decoder.decode(bytes.subarray(at, at + length)), type);
    at += Math.max(length, 0);
  }
  return row;
}

function value(text, type) {
  if (INTEGERS.has(type)) {
    return Number(text);
  }
  return type === BOOLEAN ? text === "t" : text;
}

function readError(bytes) {
  const fields = decoder.decode(bytes).split("\0").map((field) => [field[0], field.slice(1)]);
  const { M: text, C: code } = Object.fromEntries(fields);
  return Object.assign(new Error(text), { code });
}

// Give the server's messages one by one.
async function* split(readable) {
  let buffer = new Uint8Array(0);
  for await (const chunk of readable) {
    buffer = joined([buffer, chunk]);
    while (buffer.length >= 5) {
      const length = new DataView(buffer.buffer, buffer.byteOffset).getInt32(1);
      if (buffer.length < length + 1) {
        break;
      }
      const bytes = buffer.slice(5, length + 1);
      yield { kind: String.fromCharCode(buffer[0]), bytes, view: new DataView(bytes.buffer) };
      buffer = buffer.slice(length + 1);
    }
  }
}

// One iterator that `for await` may leave and enter again; at the end it throws what the server said last.
function read(readable) {
  const inner = split(readable);
  let last = null;
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      const { value: found, done } = await inner.next();
      if (done) {
        throw last ?? new Error("the database closed the connection");
      }
      last = found.kind === "E" ? readError(found.bytes) : last;
      return { value: found, done: false };
    },
  };
}

// SCRAM-SHA-256 (RFC 5802, RFC 7677), without channel binding.
class Scram {
  constructor(password) {
    this.password = password;
    this.bare = `n=,r=${base64(crypto.getRandomValues(new Uint8Array(18)))}`;
    this.first = `n,,${this.bare}`;
  }

  async final(challenge) {
    const { r: nonce, s: salt, i: rounds } = Object.fromEntries(
      challenge.split(",").map((part) => [part[0], part.slice(2)]),
    );
    const salted = await derive(this.password, Uint8Array.from(atob(salt), (c) => c.charCodeAt(0)), Number(rounds));
    const clientKey = await hmac(salted, "Client Key");
    const storedKey = new Uint8Array(await crypto.subtle.digest("SHA-256", clientKey));
    const unproved = `c=biws,r=${nonce}`;
    const signature = await hmac(storedKey, `${this.bare},${challenge},${unproved}`);
    return `${unproved},p=${base64(clientKey.map((byte, index) => byte ^ signature[index]))}`;
  }
}

async function derive(password, salt, iterations) {
  const key = await crypto.subtle.importKey("raw", encoder.encode(password), "PBKDF2", false, ["deriveBits"]);
  return new Uint8Array(
    await crypto.subtle.deriveBits({ name: "PBKDF2", hash: "SHA-256", salt, iterations }, key, 256),
  );
}

async function hmac(secret, text) {
  const key = await crypto.subtle.importKey("raw", secret, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", key, encoder.encode(text)));
}

const base64 = (bytes) => btoa(String.fromCharCode(...bytes));

const terminated = (text) => encoder.encode(`${text}\0`);

function message(kind, ...parts) {
  const content = joined(parts);
  return joined([encoder.encode(kind), number(content.length + 4), content]);
}

function number(value) {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value);
  return bytes;
}

function joined(parts) {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  parts.reduce((at, part) => (whole.set(part, at), at + part.length), 0);
  return whole;
}
