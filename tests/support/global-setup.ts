// Before all tests: finds the adapter that GPU tests run on, and hands the decision to the test workers.
import type { TestProject } from "vitest/node";
import { thisMachine } from "../../cli/doctor/machine.js";
import { showAdapter } from "../../runtime/dawn/adapter.js";
import { softwareVulkan } from "./software-vulkan.js";

/** The adapter's name, or why there is none. */
export type TestGpu = { readonly adapter: string } | { readonly reason: string };

declare module "vitest" {
  interface ProvidedContext {
    gpu: TestGpu;
  }
}

export default async function setup(project: TestProject): Promise<void> {
  const gpu = await findTestGpu();
  if ("reason" in gpu && process.env.LANEWISE_REQUIRE_GPU === "1") {
    throw new Error(
      `LANEWISE_REQUIRE_GPU=1, but there is no GPU adapter\n  ${gpu.reason}\n  \`npm run lanewise doctor\` says what is missing`,
    );
  }
  if ("adapter" in gpu) console.log(`GPU tests run on ${gpu.adapter}`);
  project.provide("gpu", gpu);
}

/** The machine's own adapter, else SwiftShader's, tried by a kernel in a process of its own: a driver may crash. */
async function findTestGpu(): Promise<TestGpu> {
  const own = await tryAdapter(process.env);
  if ("adapter" in own) return own;
  const software = softwareVulkan();
  if ("reason" in software) return { reason: `${own.reason}; ${software.reason}` };
  const swiftShader = await tryAdapter({ ...process.env, ...software.env });
  if ("reason" in swiftShader) return { reason: `${own.reason}; with SwiftShader: ${swiftShader.reason}` };
  Object.assign(process.env, software.env); // the workers start with a copy
  return { adapter: `${swiftShader.adapter}, since the machine has none of its own: ${own.reason}` };
}

async function tryAdapter(env: Readonly<Record<string, string | undefined>>): Promise<TestGpu> {
  const { messages, crash } = await thisMachine(env).probe();
  const kernel = messages.find((message) => message.kind === "kernel");
  const adapter = messages.find((message) => message.kind === "adapter");
  if (adapter && kernel?.wrong === 0) return { adapter: showAdapter(adapter.info) };
  const problem = messages.find((message) => message.kind === "failed");
  const what = kernel ? "its kernel computes wrong numbers" : (problem?.reason ?? `the process that looked ${crash}`);
  return { reason: adapter ? `${showAdapter(adapter.info)}: ${what}` : what };
}
