import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/browser/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // A browser is several processes: on two cores one file at a time is as fast, and its timings are its own.
    fileParallelism: false,
  },
});
