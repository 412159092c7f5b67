// Which Chromium the tests and the benchmark use: Debian's, or the one that CHROMIUM names. Nothing is downloaded.
import { existsSync } from "node:fs";

export const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

/** What to do when it is not there; null = it is. */
export const missing = existsSync(CHROMIUM)
  ? null
  : `there is no Chromium at ${CHROMIUM}: "apt-get install chromium", or set CHROMIUM to one`;
