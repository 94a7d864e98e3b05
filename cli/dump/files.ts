// Programs as files: a folder for each, with a file for each stage and each shader.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ProgramRecord } from "./record.js";
import { type Stage, showProgram } from "./show.js";

/** Writes `01-convolve/kernels.txt`, `01-convolve/k0.wgsl` and so on below `folder`; gives the paths written. */
export function writePrograms(
  programs: readonly ProgramRecord[],
  stages: readonly Stage[],
  folder: string,
): readonly string[] {
  const digits = Math.max(2, String(programs.length).length);
  return programs.flatMap((program, i) => {
    const home = join(folder, `${String(i + 1).padStart(digits, "0")}-${fileName(program)}`);
    mkdirSync(home, { recursive: true });
    const write = (name: string, text: string): string => {
      const path = join(home, name);
      writeFileSync(path, `${text.trimEnd()}\n`);
      return path;
    };
    return stages.flatMap((stage) => {
      if (stage === "wgsl") return program.wgsl.map(({ name, code }) => write(`${name}.wgsl`, code));
      return [write(`${stage}.txt`, showProgram(program, i + 1, [stage]))];
    });
  });
}

/** The name of the function that was transformed, as far as every file system takes it. */
function fileName({ functions, name }: ProgramRecord): string {
  const plain = (functions.at(-1) ?? name).replace(/[^\w-]+/g, "_").slice(0, 40);
  return plain || "program";
}
