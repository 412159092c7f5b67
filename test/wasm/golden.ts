// Reads the vectors of test/golden, which the Rust crates wrote.
import { readdirSync, readFileSync } from "node:fs";

const GOLDEN = new URL(/* @vite-ignore */ "../golden/", import.meta.url); // a folder: in a page it must stay one

export interface GoldenFrame {
  seq: number;
  ack: number | null;
  item: Buffer;
  frame: Buffer;
}

export function goldenFrames(): GoldenFrame[] {
  const rows = readJson("wire/frames.json") as {
    seq: number;
    ack: number | null;
    item: string;
    frame: string;
  }[];
  return rows.map(({ seq, ack, item, frame }) => ({
    seq,
    ack,
    item: Buffer.from(item, "hex"),
    frame: Buffer.from(frame, "hex"),
  }));
}

export interface TranscriptStep {
  cut?: true;
  from?: "initiator" | "acceptor";
  what?: string;
  payload?: string;
}

export function goldenTranscript(): TranscriptStep[] {
  return (readJson("wire/transcript-rust-initiator.json") as { steps: TranscriptStep[] }).steps;
}

/** Varints by their value. */
export function goldenVarints(): { value: bigint; bytes: Buffer }[] {
  const folder = new URL("varint/", GOLDEN);
  return readdirSync(folder).map((name) => ({
    value: BigInt(/^u64_(\d+)\.bin$/.exec(name)![1]),
    bytes: readFileSync(new URL(name, folder)),
  }));
}

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(new URL(path, GOLDEN), "utf8"));
}
