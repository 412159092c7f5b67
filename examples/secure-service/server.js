// @ts-check
// A service with TLS, tenants and a graceful end: tells how many words a text has.
//
//   TOKENS='{"a-long-secret":"acme","another-secret":"globex"}' \
//   node examples/secure-service/server.js --cert cert.pem --key key.pem --port 7443
//
// A certificate to try it with:
//   openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 365 \
//     -subj /CN=localhost -addext subjectAltName=DNS:localhost
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { listen, MemoryBudget, tcp } from "stable-conduit/node";

/** @typedef {{ tenant: string }} Account */
/** @typedef {import("stable-conduit/node").Bytes} Bytes */
/** @typedef {import("stable-conduit/node").StableConduit<Uint8Array, Bytes, Account>} Conduit */
/** @typedef {import("stable-conduit/node").AuthorizeRequest<Uint8Array, Bytes, Account>} Request */

const { values } = parseArgs({
  options: {
    cert: { type: "string", default: process.env.CERT ?? "cert.pem" },
    key: { type: "string", default: process.env.KEY ?? "key.pem" },
    host: { type: "string", default: "localhost" },
    port: { type: "string", default: "7443" },
  },
});

// Tokens are looked up by their hash, so that the time this takes tells nothing about them.
/** @param {string | Uint8Array} token */
const hash = (token) => createHash("sha256").update(token).digest("hex");
/** @type {Map<string, string>} */
const tenants = new Map();
for (const [token, tenant] of Object.entries(JSON.parse(process.env.TOKENS ?? "{}"))) {
  tenants.set(hash(token), tenant);
}

// What all sessions of a tenant may keep for replay together: one tenant cannot take the memory of the others.
const budgets = new Map([...tenants.values()].map((tenant) => [tenant, new MemoryBudget(64 << 20)]));

const acceptor = await listen(
  tcp.server({
    host: values.host,
    port: Number(values.port),
    tls: { cert: readFileSync(values.cert), key: readFileSync(values.key) },
  }),
  {
    replayBytes: 4 << 20, // of each session
    maxFrameBytes: 1 << 20,

    // Asked for each new session and again for each link that wants to go on with one.
    /** @param {Request} request */
    authorize({ kind, conduit, credentials, link }) {
      const tenant = credentials && tenants.get(hash(credentials));
      if (!tenant) {
        console.log(`refused: ${link.remoteAddress}`);
        return null;
      }
      // A session belongs to who began it.
      if (kind === "resume" && conduit?.data.tenant !== tenant) return null;
      return { data: { tenant }, budget: budgets.get(tenant) };
    },
  },
);
console.log("listening", acceptor.address);

// Requests that are under way are answered; clients are asked to stay away for two seconds; then the loop below ends,
// nothing keeps the process alive, and its exit code is 0.
process.once("SIGTERM", async () => {
  await acceptor.close({ timeoutMs: 5_000, retryAfterMs: 2_000 });
  console.log("closed");
});

for await (const conduit of acceptor) {
  serve(conduit).catch((error) => console.log(`${conduit.id}: ${error.message}`));
}

/** @param {Conduit} conduit */
async function serve(conduit) {
  console.log(`${conduit.id}: a session of ${conduit.data.tenant}`);
  const decoder = new TextDecoder();
  const encoder = new TextEncoder();
  for await (const request of conduit) {
    const words = decoder.decode(request).split(/\s+/).filter(Boolean).length;
    // Waits while the client does not read its answers: then we do not read its requests either.
    await conduit.write(encoder.encode(`${words} words`));
  }
}
