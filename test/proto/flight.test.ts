// What is kept on its way: followed on paths of known rate and delay.
import { describe, expect, it } from "vitest";
import { Flight, LEAST_FLIGHT_BYTES } from "../../src/proto/flight.js";

const WRITE_BYTES = 65_536;

/** A path that takes `delayMs` there and back and delivers `bytesPerMs`; a sender that fills what it may. */
class Path {
  readonly flight = new Flight();
  now = 0;
  bytesPerMs: number;
  delayMs: number;
  readonly #writeBytes: number; // a record of more than the limit goes alone
  #inFlight = 0;
  #free = 0; // when the bottleneck has passed everything on
  readonly #acks: { at: number; bytes: number }[] = [];
  deepest = 0;
  delivered = 0;

  constructor(bytesPerMs: number, delayMs: number, writeBytes = WRITE_BYTES) {
    this.bytesPerMs = bytesPerMs;
    this.delayMs = delayMs;
    this.#writeBytes = writeBytes;
  }

  run(ms: number, offeredPerMs = Number.POSITIVE_INFINITY): void {
    const size = this.#writeBytes;
    const end = this.now + ms;
    let offered = 0;
    while (this.now < end) {
      offered = Math.min(offered + offeredPerMs, 1e9);
      while (offered >= size && (this.#inFlight === 0 || this.#inFlight + size <= this.flight.limit)) {
        this.#inFlight += size;
        offered -= size;
        this.#free = Math.max(this.#free, this.now) + size / this.bytesPerMs;
        this.#acks.push({ at: this.#free + this.delayMs, bytes: size });
        this.flight.written(size, this.#inFlight, this.now);
      }
      if (offered >= size) this.flight.limited = true;
      this.deepest = Math.max(this.deepest, this.#inFlight);
      this.now += 0.25;
      while (this.#acks.length > 0 && this.#acks[0].at <= this.now) {
        const { bytes } = this.#acks.shift()!;
        this.#inFlight -= bytes;
        this.delivered += bytes;
        this.flight.acked(this.#inFlight, this.now);
      }
    }
  }
}

describe("what is on its way [ext.flight]", () => {
  it("is the least on a path that needs no more, however much is offered", () => {
    const path = new Path(1_000_000, 0.1); // loopback: 1 GB/s
    path.run(500);
    expect(path.deepest).toBeLessThanOrEqual(2 * LEAST_FLIGHT_BYTES);
    expect(path.delivered / 500).toBeGreaterThan(0.9 * 1_000_000);
  });

  it("grows to what a long fast path holds, within a few round trips, and fills it", () => {
    const path = new Path(125_000, 100); // 1 Gbit/s, 100 ms: 12.5 MB are on their way
    path.run(1_000);
    expect(path.flight.limit).toBeGreaterThan(12_500_000);
    expect(path.flight.limit).toBeLessThan(3 * 12_500_000);
    const before = path.delivered;
    path.run(1_000);
    expect(path.delivered - before).toBeGreaterThan(0.9 * 125_000_000);
  });

  it("does not keep a bottleneck's queue for good: after a while the path is measured again, nearly empty", () => {
    const path = new Path(20_000, 5);
    path.run(30_000);
    expect(path.flight.limit).toBeLessThan(2.5 * LEAST_FLIGHT_BYTES);
    expect(path.delivered / 30_000).toBeGreaterThan(0.9 * 20_000);
  });

  it("follows a path that has become longer", () => {
    const path = new Path(125_000, 5);
    path.run(2_000);
    path.delayMs = 100;
    path.run(25_000); // longer than a shortest time is believed
    const before = path.delivered;
    path.run(2_000);
    expect(path.delivered - before).toBeGreaterThan(0.8 * 250_000_000);
  });

  it("goes on filling a path with records that are larger than the least, however long", () => {
    const path = new Path(125_000, 100, 4 * LEAST_FLIGHT_BYTES);
    path.run(40_000); // the path has been measured again, several times
    const before = path.delivered;
    path.run(10_000);
    expect(path.delivered - before).toBeGreaterThan(0.8 * 1_250_000_000);
  });

  it("keeps what it has learned of the path while the application offers little", () => {
    const path = new Path(125_000, 100);
    path.run(2_000);
    const { limit } = path.flight;
    path.run(5_000, 500);
    expect(path.flight.limit).toBeGreaterThan(0.8 * limit);
  });

  it("lets a peer's late acks be: more is allowed until they come in time", () => {
    const path = new Path(1_000_000, 20); // an ack only every 20 ms
    path.run(1_000);
    const before = path.delivered;
    path.run(1_000);
    expect(path.delivered - before).toBeGreaterThan(0.9 * 1_000_000_000);
  });
});
