// What the suites of TCP and unix sockets share: a connected pair of links, and what a test leaves behind.
import { readFileSync } from "node:fs";
import type { ConduitError } from "../../src/errors.js";
import type { Link, LinkServer } from "../../src/link/link.js";
import type { LinkSource } from "../../src/link/source.js";

const fixture = (name: string) => readFileSync(new URL(`../fixtures/tls/${name}`, import.meta.url));
export const cert = fixture("cert.pem");
export const key = fixture("key.pem");

export type Address = { host: string; port: number };

/** A server whose links wait in line for accept(). */
export class Listener {
  readonly server: LinkServer;
  readonly errors: Error[] = [];
  readonly links: Link[] = [];
  #waiting: (() => void) | undefined;

  constructor(server: LinkServer) {
    this.server = server;
  }

  listen(): Promise<Address | string> {
    return this.server.listen(
      (link) => {
        this.links.push(link);
        this.#waiting?.();
      },
      (error) => this.errors.push(error),
    );
  }

  async accept(): Promise<Link> {
    while (this.links.length === 0) {
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
    return this.links.shift()!;
  }
}

/** One attempt of a source. */
export async function dial(source: LinkSource, signal = new AbortController().signal): Promise<Link> {
  return (await source.nextLink({ number: 0, error: null, signal })).link;
}

/** The error that a promise rejects with. */
export async function failure(
  promise: Promise<unknown>,
): Promise<ConduitError & { cause?: NodeJS.ErrnoException }> {
  try {
    await promise;
  } catch (error) {
    return error as ConduitError & { cause?: NodeJS.ErrnoException };
  }
  throw new Error("it was expected to fail");
}

/** What keeps the process alive and could be left by a link. */
export function handles(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) {
    if (/^(TCP|TLS|Pipe)/.test(kind)) counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
}
