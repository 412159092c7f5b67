// An example as a child process: what it prints, how it ends. None outlives its test.
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterEach } from "vitest";

const running = new Set<Program>();

afterEach(async () => {
  await Promise.all([...running].map((program) => program.kill()));
});

export class Program {
  stdout = "";
  stderr = "";
  /** The exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals | null>;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #name: string;
  #over = false;
  #look: () => void = () => undefined;

  /** @param script below examples/ */
  constructor(script: string, args: string[] = [], env: Record<string, string> = {}) {
    const path = fileURLToPath(new URL(`../../examples/${script}`, import.meta.url));
    this.#name = script;
    this.#child = spawn(process.execPath, [path, ...args], { env: { ...process.env, ...env } });
    running.add(this);
    for (const name of ["stdout", "stderr"] as const) {
      this.#child[name].setEncoding("utf8").on("data", (text: string) => {
        this[name] += text;
        this.#look();
      });
    }
    this.#child.stdin.on("error", () => undefined); // it may have ended
    this.ended = new Promise((resolve) => {
      this.#child.once("close", (code, signal) => {
        running.delete(this);
        this.#over = true;
        this.#look();
        resolve(code ?? signal);
      });
    });
  }

  /** Until its stdout, or stderr, matches; rejects when it ends without. */
  until(pattern: RegExp): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      this.#look = () => {
        const match = pattern.exec(this.stdout) ?? pattern.exec(this.stderr);
        if (match) resolve(match);
        else if (this.#over) reject(new Error(`${this.#name} ended without ${pattern}:\n${this.output}`));
      };
      this.#look();
    });
  }

  /** The port it says it listens on. */
  async port(): Promise<string> {
    return (await this.until(/port: (\d+)/))[1];
  }

  type(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  endInput(): void {
    this.#child.stdin.end();
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.ended;
  }

  get output(): string {
    return this.stdout + this.stderr;
  }
}
