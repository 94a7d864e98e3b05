// The last line of a test run without a GPU: how many tests that cost, and why.
import type { Reporter, TestModule } from "vitest/node";

export default class GpuReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const reasons = modules
      .flatMap((module) => [...module.children.allTests()])
      .flatMap((test) => (test.meta().withoutGpu === undefined ? [] : [test.meta().withoutGpu]));
    if (reasons.length === 0) return;
    console.log(
      `\n!!! ${reasons.length} GPU TESTS SKIPPED, for there is no GPU adapter: ${reasons[0]} (see CONTRIBUTING.md, "Tests and the GPU")\n`,
    );
  }
}
