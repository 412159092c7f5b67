// @ts-check
// Asks the service about each argument, or about each line of stdin.
//
//   TOKEN=a-long-secret node examples/secure-service/client.js --ca cert.pem --port 7443 "a text" "another text"
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { ConduitError, connect, tcp } from "stable-conduit/node";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    ca: { type: "string", default: process.env.CA ?? "cert.pem" },
    host: { type: "string", default: "localhost" },
    port: { type: "string", default: "7443" },
  },
});

try {
  const conduit = await connect(
    tcp({ host: values.host, port: Number(values.port), tls: { ca: readFileSync(values.ca) } }),
    // Asked for each link, because tokens expire.
    { credentials: () => process.env.TOKEN ?? "" },
  );
  const encoder = new TextEncoder();
  const decoder = new TextDecoder();
  const texts = positionals.length > 0 ? positionals : createInterface({ input: process.stdin });
  for await (const text of texts) {
    await conduit.write(encoder.encode(text));
    const answer = await conduit.recv();
    if (!answer) throw new Error("the service has ended");
    console.log(decoder.decode(answer));
  }
  await conduit.close();
} catch (error) {
  console.error(error instanceof ConduitError ? `${error.code}: ${error.message}` : error);
  process.exitCode = 1;
}
