// Vitest: where the tests are, and the Vulkan that GPU tests run on.
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: {
    alias: [{ find: /^lanewise$/, replacement: fileURLToPath(new URL("./index.ts", import.meta.url)) }],
  },
  test: {
    include: ["tests/**/*.test.ts"],
    globalSetup: ["tests/support/global-setup.ts"],
    reporters: ["default", "./tests/support/gpu-reporter.ts"],
    pool: "forks", // a worker thread that ends with GPU work pending aborts the process
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
