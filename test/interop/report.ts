// Each cell of the matrix leaves a row; scripts/interop.js makes INTEROP.md of them.
import { appendFileSync } from "node:fs";

export interface Row {
  /** What the Rust side is. */
  rust: "initiator" | "acceptor" | "both";
  transport: string;
  what: string;
  toRust: number;
  fromRust: number;
  cuts: number;
  links: number;
  /** How often our receiver found items missing, and how often it took a new link to get them. */
  gaps: number;
  rescued: number;
  seconds: number;
  result: string;
}

/** Writes the row where a report is wanted, else nowhere. */
export function report(row: Row): void {
  const path = process.env.INTEROP_ROWS;
  if (path !== undefined) appendFileSync(path, `${JSON.stringify(row)}\n`);
}
