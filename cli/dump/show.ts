// Programs as text, for a terminal and for files.
import type { ProgramRecord } from "./record.js";

export type Stage = "graph" | "transforms" | "simplified" | "kernels" | "plan" | "wgsl";

/** Stages on the way of a program, in their order. */
export const way: readonly Stage[] = ["transforms", "graph", "simplified", "kernels", "plan", "wgsl"];

/** A program under its heading. */
export function showProgram(program: ProgramRecord, number: number, stages: readonly Stage[]): string {
  const called = program.calledAt === undefined ? [] : [`called at ${program.calledAt}`];
  called.push(...program.laneByLane.map((run) => `lane by lane, for want of a batching rule: ${run}`));
  const title = `program ${number}: ${program.isOperation ? "the operation " : ""}${program.name}`;
  if (stages.length === 1 && stages[0] === "wgsl") {
    // shaders alone: all else stands in comments of WGSL
    const comments = [title, ...called].map((line) => `// ${line}`).join("\n");
    return `${comments}\n\n${showStage(program, "wgsl")}`;
  }
  const body =
    stages.length === 1
      ? [showStage(program, stages[0]!)]
      : stages
          .filter((stage) => !isRepeated(program, stage))
          .map((stage) => `-- ${stage} --\n${showStage(program, stage)}`);
  return [[`== ${title} ==`, ...called].join("\n"), ...body].join("\n\n");
}

/** The text of one stage. */
export function showStage(program: ProgramRecord, stage: Stage): string {
  switch (stage) {
    case "transforms":
      return showTransforms(program);
    case "wgsl":
      return program.wgsl.length === 0 ? "// no kernel runs" : program.wgsl.map(({ code }) => code.trim()).join("\n\n");
    default:
      return program[stage];
  }
}

function showTransforms({ transforms, graph }: ProgramRecord): string {
  if (transforms.length === 0) return "(no function was traced: it is a single operation)";
  return transforms
    .map((step) => `${step.name}${step.graph === graph ? ", which is compiled" : ""}:\n${step.graph}`)
    .join("\n\n");
}

/** Among all stages, a Graph is shown once: where nothing was transformed, as `graph`, else as the last transform. */
function isRepeated({ transforms, graph }: ProgramRecord, stage: Stage): boolean {
  if (stage === "transforms") return transforms.length <= 1;
  return stage === "graph" && transforms.length > 1 && transforms.at(-1)!.graph === graph;
}
