// Seeded randomness for the fuzz suites. The title of a random test names its seed; SEED=<seed> repeats it.

export class Random {
  #state: number;

  constructor(seed: number) {
    // Seeds that lie close together must not begin alike.
    this.#state = Math.imul(seed ^ 0x9e3779b9, 0x2c1b3c6d) || 1;
  }

  u32(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return x >>> 0;
  }

  /** 0 <= value < bound. */
  below(bound: number): number {
    return this.u32() % bound;
  }

  /** min <= value <= max. */
  between(min: number, max: number): number {
    return min + this.below(max - min + 1);
  }

  /** True once in `times`. */
  oneIn(times: number): boolean {
    return this.below(times) === 0;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)];
  }

  bytes(length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++) bytes[i] = this.u32();
    return bytes;
  }
}

/** `count` seeds of this run, or the one that SEED= asks for. */
export function seeds(count: number): number[] {
  const asked = process.env.SEED;
  if (asked) return [Number(asked)];
  return Array.from({ length: count }, () => Math.floor(Math.random() * 2 ** 32));
}
