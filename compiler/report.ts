// Compilations as text: what `lanewise dump` and `lower().text()` show.

import type { Compilation } from "./compile.js";
import { showAval } from "./core/aval.js";
import type { Eqn, SourceLocation } from "./ir/graph.js";
import type { FusedKernel } from "./ir/kernel.js";
import { type Names, printGraph, showEqn } from "./ir/print.js";
import type { BufferRef, Dispatch, Step } from "./ir/program.js";
import type { NotLocal } from "./passes/local.js";

/** Stages that can be shown. */
export const stages = ["graph", "simplified", "kernels", "plan", "wgsl"] as const;

export type Stage = (typeof stages)[number];

/** One stage of a compilation as text. */
export function showStage(
  compilation: Compilation,
  stage: Stage,
  location?: (source: SourceLocation) => string,
): string {
  const { graphs, names } = compilation;
  switch (stage) {
    case "graph":
      return printGraph(graphs[0]!.graph, location ? { location } : {}, names);
    case "simplified":
      if (graphs.length === 1) return "(no pass changed the graph)";
      return graphs
        .slice(1)
        .map(({ name, graph }) => `after ${name}:\n${printGraph(graph, {}, names)}`)
        .join("\n\n");
    case "kernels":
      return showKernels(compilation);
    case "plan":
      return showPlan(compilation);
    case "wgsl":
      return compilation.program.dispatches.map((dispatch) => dispatch.wgsl).join("\n");
  }
}

const count = (n: number, what: string, many = `${what}s`): string => `${n} ${n === 1 ? what : many}`;

/** `b:f32[3] = while consts=1 lanes=1 a: because …`, on lines of their own. */
function showNotLocal({ eqn, fault }: NotLocal, names: Names): string {
  const lines = [`not in the lanes of a kernel: ${showHead(eqn, names)}`, `  because ${fault.why}`];
  if (fault.eqn && fault.eqn !== eqn) lines.push(`  at ${showHead(fault.eqn, names)}`);
  return lines.join("\n");
}

/** The equation without the Graphs it holds. */
const showHead = (eqn: Eqn, names: Names): string => showEqn(eqn, names).split("\n")[0]!.replace(/ \{$/, "");

function showKernels({ fused, program, notLocal, names }: Compilation): string {
  const running = fused.kernels.filter((kernel) => kernel.stores.length > 0 && kernel.size > 0);
  if (running.length === 0) return "no kernel: every result is an argument under another shape, or empty";
  const head = `${count(running.length, "kernel")}, ${count(program.dispatches.length, "dispatch", "dispatches")}`;
  return [
    head,
    ...running.map((kernel) => showKernel(kernel, names)),
    ...notLocal.map((region) => showNotLocal(region, names)),
  ].join("\n\n");
}

function showKernel(kernel: FusedKernel, names: Names): string {
  const kind = {
    map: "element by element",
    reduce: "reduction",
    contract: "contraction",
    lanes: "control flow in each lane",
    opaque: "a kernel of its own",
    region: "control flow",
  }[kernel.kind];
  const stored = kernel.part ? `${kernel.part.count} from ${kernel.part.from} on of ` : "";
  const lines = [`${kernel.name}: ${kind}, ${stored}${count(kernel.size, "element")}`];
  const variable = (v: (typeof kernel.loads)[0]): string => `${names.of(v)}:${showAval(v.aval)}`;
  lines.push(`  reads  ${kernel.loads.map(variable).join(", ") || "nothing"}`);
  for (const eqn of kernel.eqns) lines.push(`    ${showEqn(eqn, names)}`);
  kernel.stores.forEach((v, i) => void lines.push(`  stores ${variable(v)} because ${kernel.why[i]}`));
  return lines.join("\n");
}

function showPlan({ program }: Compilation): string {
  const { dispatches, schedule, outputBytes, scratchBytes, peakBytes, graph, results } = program;
  const ref = ({ kind, index }: BufferRef): string => `${kind}${index}`;
  const lines = [`peak ${peakBytes} bytes`];
  graph.inputs.forEach((v, i) => void lines.push(`  input${i}: ${showAval(v.aval)}`));
  outputBytes.forEach((bytes, i) => {
    const gift = program.donations?.find(({ output }) => output === i);
    const note = gift ? `, in the memory of input${gift.input}${gift.inPlace ? ", element by element" : ""}` : "";
    lines.push(`  output${i}: ${bytes} bytes${note}`);
  });
  scratchBytes.forEach((bytes, i) => void lines.push(`  scratch${i}: ${bytes} bytes`));
  const steps = (list: readonly Step[], indent: string): void => {
    for (const step of list) {
      if (typeof step === "number") lines.push(`${indent}${showDispatch(dispatches[step]!)}`);
      else if (step.kind === "while") {
        lines.push(`${indent}while ${ref(step.flag)} is 1:`);
        steps(step.body, `${indent}  `);
      } else {
        lines.push(`${indent}${count(step.count, "time")}, from one set of buffers to the other and back:`);
        steps(step.even, `${indent}  `);
        if (step.odd.length > 0) lines.push(`${indent}and then`);
        steps(step.odd, `${indent}  `);
      }
    }
  };
  steps(schedule, "  ");
  results.forEach(({ aval, from }, i) => void lines.push(`  result ${i}: ${showAval(aval)} is ${ref(from)}`));
  return lines.join("\n");

  function showDispatch({ name, reads, writes, guards, workgroups }: Dispatch): string {
    const conditions = guards.map(({ buffer, equals }) => `${ref(buffer)} is ${equals}`);
    const condition = conditions.length > 0 ? `, if ${conditions.join(" and ")}` : "";
    return `${name}: ${reads.map(ref).join(", ") || "nothing"} -> ${writes.map(ref).join(", ")}, workgroups ${workgroups.join(" x ")}${condition}`;
  }
}
