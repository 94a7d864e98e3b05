// Vitest for `npm run mutants`: the tests that run op records on the CPU, with one rule broken in each.
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const root = fileURLToPath(new URL("../..", import.meta.url));

export default defineConfig({
  root,
  resolve: { alias: [{ find: /^lanewise$/, replacement: `${root}index.ts` }] },
  test: {
    include: ["tests/{suite,ops,library,transforms,scalar,passes}/**/*.test.ts"],
    setupFiles: ["tests/mutants/setup.ts"],
    provide: { gpu: { reason: "mutants run on the CPU" } },
    reporters: ["./tests/mutants/quiet.ts"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
  },
});
