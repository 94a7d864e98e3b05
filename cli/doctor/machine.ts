// What the doctor can ask of a machine. Tests hand it an invented one.
import { spawn } from "node:child_process";
import { accessSync, constants, existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { ProbeMessage } from "./probe.js";

export interface Machine {
  readonly platform: string;
  readonly arch: string;
  readonly nodeVersion: string;
  /** Undefined where Node runs on another C library. */
  readonly glibcVersion: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  /** The text of a file, or undefined when it cannot be read. */
  readFile(path: string): string | undefined;
  /** The names in a folder, sorted; none when it cannot be read. */
  list(folder: string): string[];
  exists(path: string): boolean;
  canReadAndWrite(path: string): boolean;
  /** Runs the probe in a process of its own: loads one library, or else finds an adapter and runs a kernel on it. */
  probe(library?: string): Promise<ProbeRun>;
}

export interface ProbeRun {
  readonly messages: readonly ProbeMessage[];
  /** How the process ended, where it was not in good order: a signal, a time-out. */
  readonly crash: string | undefined;
  /** What the drivers and Dawn wrote to stderr. */
  readonly log: string;
}

const PROBE_TIMEOUT_MS = 30_000;

export function thisMachine(env: Readonly<Record<string, string | undefined>> = process.env): Machine {
  return {
    platform: process.platform,
    arch: process.arch,
    nodeVersion: process.version,
    glibcVersion: readGlibcVersion(),
    env,
    home: homedir(),
    readFile: (path) => orElse(() => readFileSync(path, "utf8"), undefined),
    list: (folder) => orElse(() => readdirSync(folder).sort(), []),
    exists: existsSync,
    canReadAndWrite: (path) =>
      orElse(() => {
        accessSync(path, constants.R_OK | constants.W_OK);
        return true;
      }, false),
    probe: (library) => runProbe(env, library),
  };
}

function readGlibcVersion(): string | undefined {
  if (process.platform !== "linux") return undefined;
  Object.assign(process.report, { excludeNetwork: true }); // else it may look up the names of open connections
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return header?.glibcVersionRuntime;
}

/** The limits of time are ours: a driver may hang as well as crash. */
function runProbe(env: Readonly<Record<string, string | undefined>>, library?: string): Promise<ProbeRun> {
  const isSource = import.meta.url.endsWith(".ts");
  const script = fileURLToPath(new URL(isSource ? "./probe.ts" : "./probe.js", import.meta.url));
  const loader = isSource ? ["--import", pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href] : [];
  const args = [...loader, script, ...(library === undefined ? [] : [library])];
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    let out = "";
    let log = "";
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill("SIGKILL");
    }, PROBE_TIMEOUT_MS);
    const end = (crash: string | undefined): void => {
      clearTimeout(timer);
      resolve({ messages: parseMessages(out), crash, log });
    };
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      out += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      log += text;
    });
    child.on("error", (error) => end(error.message));
    child.on("close", (code, signal) => {
      if (timedOut) end(`gave no answer for ${PROBE_TIMEOUT_MS / 1000} s`);
      else if (signal !== null) end(`crashed (${signal})`);
      else end(code === 0 ? undefined : `ended with exit code ${code}`);
    });
  });
}

/** Drivers may print to stdout too: only whole lines of ours count. */
function parseMessages(out: string): ProbeMessage[] {
  return out.split("\n").flatMap((line) => (line.startsWith('{"kind":') ? orElse(() => [JSON.parse(line)], []) : []));
}

function orElse<T, U>(read: () => T, otherwise: U): T | U {
  try {
    return read();
  } catch {
    return otherwise;
  }
}
