import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: [
      "test/interop/**", // needs cargo: npm run test:interop
      "test/browser/**", // needs Chromium: npm run test:browser
    ],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Two cores: more workers only make the suites with real sockets and child processes slower.
    maxWorkers: 2,
    dangerouslyIgnoreUnhandledErrors: false,
  },
});
