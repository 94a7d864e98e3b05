// Guards: dispatches that do nothing unless a word on the device has a certain value.
import type { Guard, Launch, LaunchStep } from "../ir/program.js";

/** The launch, which looks at one more word first. It binds one buffer more. */
function guardLaunch(launch: Launch, guard: Guard<Launch["reads"][0]>): Launch {
  if (launch.always) return launch;
  const { wgsl, reads, writes, usesZero, guards = [] } = launch;
  const name = `guard${guards.length}`;
  const binding = reads.length + writes.length + Number(usesZero) + guards.length;
  const body = bodyOfMain(wgsl);
  // read-only memory: the condition is uniform, and barriers may follow
  const check = `\n  if (${name}[0] != ${guard.equals}u) { return; }`;
  const declaration = `\n@group(0) @binding(${binding}) var<storage, read> ${name}: array<u32>;\n`;
  return {
    ...launch,
    wgsl: wgsl.slice(0, body) + check + wgsl.slice(body) + declaration,
    guards: [...guards, guard],
  };
}

/** All launches among the steps guarded. */
export function guardSteps(steps: readonly LaunchStep[], guard: Guard<Launch["reads"][0]>): LaunchStep[] {
  return steps.map((step): LaunchStep => {
    if (!("kind" in step)) return guardLaunch(step, guard);
    if (step.kind === "while") return { ...step, body: guardSteps(step.body, guard) };
    return { ...step, even: guardSteps(step.even, guard), odd: guardSteps(step.odd, guard) };
  });
}

/** Offset behind the opening brace of the entry point. */
function bodyOfMain(wgsl: string): number {
  const start = wgsl.indexOf("fn main(");
  let depth = 0;
  for (let i = wgsl.indexOf("(", start); i < wgsl.length; i++) {
    if (wgsl[i] === "(") depth++;
    else if (wgsl[i] === ")") depth--;
    else if (wgsl[i] === "{" && depth === 0) return i + 1;
  }
  return wgsl.length;
}
