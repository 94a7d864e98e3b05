// Runs the user's script in a process of its own, and gives what it compiled.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { constants, tmpdir } from "node:os";
import { extname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { DUMP_FILE, type DumpRecord } from "./record.js";

export interface ScriptRun {
  readonly records: readonly DumpRecord[];
  /** The script's exit code; 128 and the number of the signal where one ended it, as in a shell. */
  readonly exitCode: number;
  readonly signal: NodeJS.Signals | null;
}

/** A script that cannot be run as it stands; the message says what to do. */
export class ScriptError extends Error {}

/**
 * Runs `script` with `args`: JavaScript with Node, TypeScript through tsx. What it prints to stdout goes to stderr,
 * since stdout is the dump's. Throws `ScriptError` when there is no such script, or no tsx for it.
 */
export async function runScript(script: string, args: readonly string[]): Promise<ScriptRun> {
  const path = resolve(script);
  if (!existsSync(path)) throw new ScriptError(`there is no file ${script}`);
  if (!statSync(path).isFile()) throw new ScriptError(`${script} is not a file`);
  const folder = mkdtempSync(join(tmpdir(), "lanewise-dump-"));
  try {
    const file = join(folder, "records");
    const nodeArgs = [...imports(path).flatMap((url) => ["--import", url]), path, ...args];
    const { code, signal } = await runNode(nodeArgs, { ...process.env, [DUMP_FILE]: file });
    return { records: readRecords(file), exitCode: signal ? 128 + constants.signals[signal] : (code ?? 1), signal };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Modules to load before the script. */
function imports(script: string): string[] {
  const isSource = import.meta.url.endsWith(".ts"); // this package is run as it was written
  const preload = new URL(isSource ? "./preload.ts" : "./preload.js", import.meta.url).href;
  const isTypeScript = [".ts", ".mts", ".cts", ".tsx"].includes(extname(script));
  return isTypeScript || isSource ? [findTsx(script), preload] : [preload];
}

/** tsx as the script's project has it, else as we have it. Throws `ScriptError` when neither has. */
export function findTsx(script: string, own: readonly string[] = [fileURLToPath(import.meta.url)]): string {
  for (const from of [script, ...own]) {
    try {
      return pathToFileURL(createRequire(from).resolve("tsx")).href;
    } catch {
      // not there
    }
  }
  throw new ScriptError(`${script} is TypeScript, which is run through tsx, but tsx is not installed\n  npm i -D tsx`);
}

function runNode(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { env, stdio: ["inherit", 2, "inherit"] });
    // A terminal sends Ctrl-C to the script too; what it compiled until then is shown.
    const forward = (signal: NodeJS.Signals): void => void child.kill(signal);
    const ignore = (): void => {};
    process.on("SIGINT", ignore).on("SIGTERM", forward).on("SIGHUP", forward);
    child.on("error", reject);
    child.on("close", (code, signal) => {
      process.off("SIGINT", ignore).off("SIGTERM", forward).off("SIGHUP", forward);
      resolve({ code, signal });
    });
  });
}

/** The last line may be cut off where the process was killed. */
function readRecords(file: string): DumpRecord[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, "utf8")
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}
