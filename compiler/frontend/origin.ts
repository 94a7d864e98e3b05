// Where a piece of a function's text stands in the file its author wrote, through V8's inspector and source maps.
import { readFileSync } from "node:fs";
import type { Debugger, Runtime, Session } from "node:inspector";
import { createRequire, SourceMap } from "node:module";
import { dirname, isAbsolute } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";
import { positionAt, type TextPosition } from "../core/code-frame.js";
import type { AnyFunction } from "./source.js";

/** A position in a file, and the text of that file where it can be had. */
interface Origin extends TextPosition {
  readonly file: string;
  readonly text: string | undefined;
}

/**
 * The origin of `offset` in `text`, the own text of `fn`. Costs some 30 ms, so it is asked for only when an error is
 * made. `undefined` where the inspector is not to be had or does not know the function.
 */
export function originOf(fn: AnyFunction, text: string, offset: number): Origin | undefined {
  try {
    const script = scriptOf(fn);
    // V8 says where the parameters are; the text begins at or before them
    const start = script.source.lastIndexOf(text, script.offset);
    if (start < 0 || start + text.length <= script.offset) return undefined;
    const generated = positionAt(script.source, start + offset);
    const mapped = script.map ? originalOf(script, script.map, generated) : undefined;
    if (mapped) return mapped;
    return script.url === "" ? undefined : { ...generated, file: toPath(script.url), text: script.source };
  } catch {
    return undefined; // no inspector in this build, not permitted, or a source map that is none
  }
}

interface Script {
  readonly url: string;
  readonly source: string;
  /** Where the function is, in `source`. */
  readonly offset: number;
  readonly map: string | undefined;
}

// The only text we ever evaluate. The function to look at stands there for the moment; `process` is one object for all
// contexts of a thread, where `globalThis` is not.
const HANDLE = Symbol.for("lanewise.inspected");
const READ_HANDLE = 'process[Symbol.for("lanewise.inspected")]';

/** The script of `fn` by a session with the inspector of this same thread; nothing is paused. */
function scriptOf(fn: AnyFunction): Script {
  const inspector = createRequire(import.meta.url)("node:inspector") as typeof import("node:inspector");
  const session = new inspector.Session();
  session.connect();
  const holder = process as { [HANDLE]?: AnyFunction };
  try {
    holder[HANDLE] = fn;
    const { result } = ask<Runtime.EvaluateReturnType>(session, "Runtime.evaluate", { expression: READ_HANDLE });
    const properties = ask<Runtime.GetPropertiesReturnType>(session, "Runtime.getProperties", {
      objectId: result.objectId,
      ownProperties: true,
    });
    const place = properties.internalProperties?.find((each) => each.name === "[[FunctionLocation]]")?.value;
    const { scriptId, lineNumber, columnNumber = 0 } = place!.value as Debugger.Location;

    let parsed: Debugger.ScriptParsedEventDataType | undefined;
    session.on("Debugger.scriptParsed", ({ params }) => {
      if (params.scriptId === scriptId) parsed = params;
    });
    ask(session, "Debugger.enable", {}); // tells all scripts, before it returns
    const { scriptSource } = ask<Debugger.GetScriptSourceReturnType>(session, "Debugger.getScriptSource", { scriptId });
    const { url, sourceMapURL, startLine, startColumn } = parsed!;
    const column = lineNumber === startLine ? columnNumber - startColumn : columnNumber;
    const offset = lineStart(scriptSource, lineNumber - startLine) + column;
    return { url, source: scriptSource, offset, map: sourceMapURL || undefined };
  } finally {
    delete holder[HANDLE];
    session.disconnect();
  }
}

/** Sessions of the own thread answer before `post` returns. */
function ask<Result>(session: Session, method: string, params: object): Result {
  let answer: Result | undefined;
  let failure: Error | null = null;
  session.post(method, params, (error: Error | null, result?: object) => {
    failure = error;
    answer = result as Result;
  });
  if (failure) throw failure;
  return answer!;
}

/** Offset at which the line `line`, counted from 0, starts. */
function lineStart(text: string, line: number): number {
  const ends = /\r\n|[\n\r\u2028\u2029]/g;
  for (let i = 0; i < line; i++) ends.test(text);
  return ends.lastIndex;
}

/** Through the script's own source map, whether inline or a file. */
function originalOf(script: Script, mapUrl: string, generated: TextPosition): Origin | undefined {
  const inline = /^data:application\/json[^,]*?(;base64)?,(.*)$/s.exec(mapUrl);
  const base = inline ? script.url : new URL(mapUrl, script.url).href;
  const json = inline
    ? Buffer.from(decodeURIComponent(inline[2]!), inline[1] ? "base64" : "utf8").toString()
    : readFileSync(fileURLToPath(base), "utf8");
  const payload = JSON.parse(json) as ConstructorParameters<typeof SourceMap>[0];
  const entry = new SourceMap(payload).findEntry(generated.line - 1, generated.column - 1);
  if (!("originalSource" in entry) || entry.originalSource === undefined) return undefined;
  const file = resolveSource(`${payload.sourceRoot ?? ""}${entry.originalSource}`, base);
  const text = payload.sourcesContent?.[payload.sources.indexOf(entry.originalSource)] ?? readText(file);
  return { file, text, line: entry.originalLine + 1, column: entry.originalColumn + 1 };
}

function resolveSource(source: string, base: string): string {
  if (isAbsolute(source)) return source;
  const from = isAbsolute(base) ? pathToFileURL(`${dirname(base)}/`) : base;
  return toPath(new URL(source, from).href);
}

const toPath = (url: string): string => (url.startsWith("file:") ? fileURLToPath(url) : url);

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
