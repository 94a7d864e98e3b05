// `lanewise dump`: runs a script as it is, and shows every stage of every program that it compiles.
import { Command, Option } from "commander";
import { writePrograms } from "./dump/files.js";
import type { DumpRecord, ProgramRecord } from "./dump/record.js";
import { runScript, ScriptError } from "./dump/run.js";
import { isWanted } from "./dump/select.js";
import { type Stage, showProgram, way } from "./dump/show.js";

interface DumpOptions {
  readonly emit?: Stage | "all";
  readonly fn?: string;
  readonly out?: string;
}

export function dumpCommand(): Command {
  return new Command("dump")
    .description(
      "run a script (JavaScript, or TypeScript through tsx) and print what it compiles, jitted or not.\n" +
        "The dump goes to stdout, the script's own output to stderr; the exit code is the script's",
    )
    .argument("<script>", "the script, run as it is")
    .argument("[args...]", "its arguments; those that begin with - stand behind --")
    .addOption(
      new Option("--emit <stage>", "what to print (default: kernels, or all with --out)").choices([...way, "all"]),
    )
    .option("--fn <name>", "only programs of this function, or with a line of code: FILE:LINE")
    .option("--out <dir>", "write files instead: a folder for each program")
    .action(async (script: string, args: readonly string[], options: DumpOptions, command: Command) => {
      try {
        process.exitCode = await dump(script, args, options);
      } catch (error) {
        if (!(error instanceof ScriptError)) throw error;
        command.error(`lanewise dump: ${error.message}`);
      }
    });
}

/** Gives the script's exit code. */
async function dump(script: string, args: readonly string[], { emit, fn, out }: DumpOptions): Promise<number> {
  const { records, exitCode, signal } = await runScript(script, args);
  const all = records.filter((record) => record.kind === "program");
  const programs = fn === undefined ? all : all.filter((program) => isWanted(program, fn));
  const wanted = emit ?? (out === undefined ? "kernels" : "all");
  const stages = wanted === "all" ? way : [wanted];
  if (out !== undefined) {
    for (const path of writePrograms(programs, stages, out)) print(`${path}\n`);
  } else {
    print(programs.map((program, i) => `${showProgram(program, i + 1, stages)}\n`).join("\n"));
  }
  for (const line of closing(script, records, all, programs, fn)) note(line);
  if (signal !== null) note(`${script} was ended by ${signal}`);
  else if (exitCode !== 0) note(`${script} ended with exit code ${exitCode}`);
  return exitCode;
}

/** What there is to say beside the programs. */
function closing(
  script: string,
  records: readonly DumpRecord[],
  all: readonly ProgramRecord[],
  programs: readonly ProgramRecord[],
  fn: string | undefined,
): string[] {
  const failed = records.flatMap((record) => (record.kind === "failed" ? [record] : []));
  const lines = failed.map(({ name, message }) => `cannot show ${name}: ${message}`);
  if (all.length === 0 && failed.length === 0) {
    const loaded = records.some(({ kind }) => kind === "loaded");
    lines.push(`${script} compiled nothing${loaded ? "" : ": it did not load lanewise"}`);
  } else if (programs.length === 0 && fn !== undefined) {
    const names = [...new Set(all.map(({ name }) => name))].join(", ");
    lines.push(`no program of ${script} has ${JSON.stringify(fn)}; there are ${names}`);
  } else {
    const kernels = programs.reduce((sum, { kernelCount }) => sum + kernelCount, 0);
    lines.push(`${count(programs.length, "program")}, ${count(kernels, "kernel")}`);
  }
  return lines;
}

const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? "" : "s"}`;

function print(text: string): void {
  process.stdout.on("error", () => process.exit()); // whoever read it has read enough: `| head`
  process.stdout.write(text);
}

const note = (line: string): void => void process.stderr.write(`lanewise dump: ${line}\n`);
