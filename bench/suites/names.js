// The suites, in the order of the report. Each is a module beside this one.
export const SUITES = [
  "throughput",
  "websocket",
  "threads",
  "latency",
  "resume",
  "sessions",
  "core",
  "codec",
  "browser",
];
