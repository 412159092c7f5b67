// The patience of end(): one timer per ending link, which never keeps a process alive by itself.
import { LINGER_MS } from "./link.js";

export type Linger = ReturnType<typeof setTimeout>;

/** Calls `release` after LINGER_MS, unless clearTimeout comes first. */
export function linger(release: () => void): Linger {
  const timer = setTimeout(release, LINGER_MS);
  timer.unref?.(); // a browser's timer is a number
  return timer;
}
