// Where in the user's code an equation was traced: taken cheaply, turned into file and line when somebody asks.
import { isAbsolute, relative } from "node:path";
import { setImmediate } from "node:timers";
import { fileURLToPath } from "node:url";
import type { Location, SourceLocation } from "../ir/graph.js";

/** What we read of V8's call sites. */
interface Site {
  getFileName(): string | null | undefined;
  getPosition(): number;
  getScriptHash(): string;
  getLineNumber(): number | null;
  getColumnNumber(): number | null;
  getFunctionName(): string | null;
  getEvalOrigin(): string | undefined;
  isEval(): boolean;
}

/** One script, and the places in it that have been seen. */
interface Script {
  readonly isUser: boolean;
  hash: string;
  readonly places: Map<number, Place>;
}

// A frame costs some 0.2 µs. The number that sufficed last is tried first; between an op and the user stand few of ours.
const FAR_FRAMES = 200;
let nearFrames = 8;

const scripts = new Map<string, Script>();

let interpreted: Location | undefined;

/** Runs `work` for a piece of code that is interpreted: its place is the user's. Without a place, that of the stack is. */
export function atPlace<T>(place: Location | undefined, work: () => T): T {
  const outer = interpreted;
  interpreted = place;
  try {
    return work();
  } finally {
    interpreted = outer;
  }
}

/**
 * The user's place that is being executed: that of the code that is interpreted, else the innermost frame outside this
 * package and outside Node. Equal places give the same object. `undefined` where the stack shows no such frame.
 */
export function captureLocation(): Location | undefined {
  if (interpreted) return interpreted;
  const { stackTraceLimit, prepareStackTrace } = Error;
  try {
    return findPlace(nearFrames, prepareStackTrace) ?? findPlace(FAR_FRAMES, prepareStackTrace);
  } catch {
    return undefined; // a frozen Error, or call sites of another make
  } finally {
    restore(stackTraceLimit, prepareStackTrace);
  }
}

/** `predict (examples/mlp.ts:14)`, relative to the working directory where the file lies in it. */
export function showLocation(place: SourceLocation | Location | undefined): string {
  const source = place && "source" in place ? place.source : place;
  if (!source) return "an unknown place";
  const position = `${showFile(source.file)}:${source.line}`;
  return source.functionName ? `${source.functionName} (${position})` : position;
}

/** A path relative to the working directory, or as it is where it lies outside. */
export function showFile(file: string): string {
  if (!isAbsolute(file)) return file;
  const path = relative(process.cwd(), file);
  return path === "" || path.startsWith("..") || isAbsolute(path) ? file : path;
}

/**
 * Reads one line of a stack as V8 and source-map handlers write them: `at fn (file:1:2)`, `at async file:///x.ts:1:2`,
 * `at new X (C:\x.ts:1:2)`, `at eval (eval at fn (file:1:2), <anonymous>:1:1)`. `undefined` where it names no file.
 */
export function parseFrame(line: string): SourceLocation | undefined {
  const frame = /^\s*at (?:async )?(.+)$/.exec(line)?.[1];
  if (frame === undefined) return undefined;
  const open = frame.endsWith(")") ? frame.indexOf(" (") : -1;
  const name = open < 0 ? undefined : frame.slice(0, open);
  const place = open < 0 ? frame : frame.slice(open + 2, -1);
  if (place.startsWith("eval at ")) {
    const end = place.lastIndexOf("), "); // the position in the evaluated text follows; an inner origin has none
    return parseFrame(`at ${place.slice("eval at ".length, end < 0 ? undefined : end + 1)}`);
  }
  const found = /^(.+):(\d+):(\d+)$/.exec(place);
  if (!found || found[1] === "<anonymous>" || found[1] === "native") return undefined;
  const [, file = "", row = "", column = ""] = found;
  return { file: toPath(file), line: Number(row), column: Number(column), functionName: toFunctionName(name) };
}

// ---------------------------------------------------------------------------------------------------------------------

/** A place in a script. Holds V8's frames until they are read; frames keep receivers, hence tensors, alive. */
class Place implements Location {
  #trace: { stack?: string } | undefined;
  #source: SourceLocation | undefined;

  constructor(trace: { stack?: string }, raw: SourceLocation | undefined) {
    this.#trace = trace;
    this.#source = raw;
  }

  /** Through whatever source-map support is installed: V8 calls it when `.stack` is read. */
  get source(): SourceLocation | undefined {
    const trace = this.#trace;
    if (!trace) return this.#source;
    this.#trace = undefined;
    try {
      // the trace was taken so that the user's frame is its last
      const frames = String(trace.stack)
        .split("\n")
        .filter((line) => /^\s*at /.test(line));
      this.#source = parseFrame(frames.at(-1) ?? "") ?? this.#source;
    } catch {
      // a source-map handler that throws: the position in the generated script is what we have
    }
    return this.#source;
  }
}

let unread: Place[] = [];

/** Reads `place` when the event loop turns, off the path of the trace, so that its frames are held no longer. */
function readSoon(place: Place): void {
  if (unread.push(place) > 1) return;
  setImmediate(() => {
    const places = unread;
    unread = [];
    for (const each of places) void each.source;
  }).unref();
}

function findPlace(limit: number, prepareStackTrace: typeof Error.prepareStackTrace): Place | undefined {
  const sites = takeSites(limit);
  for (let depth = 0; depth < sites.length; depth++) {
    const site = sites[depth]!;
    const script = scriptOf(site);
    if (!script?.isUser) continue;
    nearFrames = Math.max(depth + 2, nearFrames - 1);
    const hash = site.getScriptHash();
    if (script.hash !== hash) {
      script.hash = hash; // loaded anew with other text, by a watcher
      script.places.clear();
    }
    const position = site.getPosition();
    let place = script.places.get(position);
    if (!place) {
      restore(depth + 1, prepareStackTrace);
      const trace: { stack?: string } = {};
      Error.captureStackTrace(trace, captureLocation);
      place = new Place(trace, rawSource(site));
      script.places.set(position, place);
      readSoon(place);
    }
    return place;
  }
  return undefined;
}

function takeSites(limit: number): readonly Site[] {
  const holder: { stack?: unknown } = {};
  Error.stackTraceLimit = limit;
  Error.prepareStackTrace = keepSites;
  Error.captureStackTrace(holder, captureLocation);
  return holder.stack as readonly Site[];
}

const keepSites = (_error: Error, sites: unknown): unknown => sites;

function restore(limit: number, prepareStackTrace: typeof Error.prepareStackTrace): void {
  try {
    Error.stackTraceLimit = limit;
    Error.prepareStackTrace = prepareStackTrace;
  } catch {
    // frozen: nothing was changed either
  }
}

function scriptOf(site: Site): Script | undefined {
  const file = site.getFileName() ?? (site.isEval() ? site.getEvalOrigin() : undefined);
  if (!file) return undefined; // built into V8
  let script = scripts.get(file);
  if (!script) {
    script = { isUser: isUserFile(file), hash: "", places: new Map() };
    scripts.set(file, script);
  }
  return script;
}

function rawSource(site: Site): SourceLocation | undefined {
  const file = site.getFileName();
  const line = site.getLineNumber();
  if (!file || line === null) return undefined;
  const functionName = toFunctionName(site.getFunctionName() ?? undefined);
  return { file: toPath(file), line, column: site.getColumnNumber() ?? 1, functionName };
}

function toPath(file: string): string {
  if (!file.startsWith("file:")) return file;
  try {
    return fileURLToPath(file);
  } catch {
    return file;
  }
}

/** `Object.predict [as call]` is `predict`; `Object.<anonymous>` has no name. */
function toFunctionName(name: string | undefined): string | undefined {
  const plain = name
    ?.replace(/ \[as .*\]$/, "")
    .replace(/^(?:Object|Module|Function|global|globalThis|undefined)\./, "");
  return plain === undefined || plain === "" || plain.includes("<anonymous>") ? undefined : plain;
}

// ---------------------------------------------------------------------------------------------------------------------

const OWN = /^(?:compiler|library|runtime|cli|kernels|dist)\/|^index\.[cm]?[jt]s$/;

/** The folder of this package with a slash at its end: two above this file's folder, and above `dist/` when built. */
const packageRoot = slashes(toPath(import.meta.url)).replace(/(?:dist\/)?compiler\/trace\/location\.[cm]?[jt]s$/, "");

/** Whether code of this file belongs to the user: neither Node's nor this package's. */
export const isUserFile = (file: string): boolean => !isNodeFile(file) && !isOwnFile(file);

/** Whether code of this file is Node's own. */
export const isNodeFile = (file: string): boolean => file.startsWith("node:");

/** Whether code of this file is this package's own. */
export function isOwnFile(file: string): boolean {
  const path = slashes(toPath(file.replace(/[?#].*$/, ""))); // loaders add queries
  if (path.includes("/node_modules/lanewise/")) return true; // also where a bundle carries us
  return path.startsWith(packageRoot) && OWN.test(path.slice(packageRoot.length));
}

/** Forward slashes and a small drive letter, so that paths of one file are equal however they were written. */
function slashes(path: string): string {
  return path.replaceAll("\\", "/").replace(/^[A-Z]:/, (drive) => drive.toLowerCase());
}
