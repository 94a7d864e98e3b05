// Tests that need a GPU adapter, software ones included: run where there is one, else counted and skipped.
import { describe, inject, type TestContext, test } from "vitest";

const gpu = inject("gpu");

/** Whether GPU tests run here. */
export const hasGpu = "adapter" in gpu;

const options = "reason" in gpu ? { skip: true, meta: { withoutGpu: gpu.reason } } : {};

declare module "vitest" {
  interface TaskMeta {
    /** Why this GPU test was skipped. */
    withoutGpu?: string;
  }
}

/** `test` for a body that needs a GPU. */
export function gpuTest(name: string, body: (context: TestContext) => unknown, timeoutMs?: number): void {
  test(name, { ...options, ...(timeoutMs !== undefined && { timeout: timeoutMs }) }, body as () => void);
}

/** `describe` for tests that all need a GPU. */
export function describeGpu(name: string, body: () => void): void {
  describe(name, options, body);
}
