// Where a piece of a function's text stands in the file its author wrote, through V8's inspector and source maps.
import { readFileSync } from "node:fs";
import { SourceMap } from "node:module";
import { dirname, isAbsolute } from "node:path";
import { setImmediate } from "node:timers";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { TextPosition } from "../core/code-frame.js";
import { readScript, type Script, type ScriptPosition, scriptPositionOf } from "./inspector.js";
import type { AnyFunction } from "./source.js";

/** A position in a file, and the text of that file where it can be had. */
export interface Origin extends TextPosition {
  readonly file: string;
  readonly text: string | undefined;
}

/** Where the text of one function stands. Asks nobody until it is asked itself. */
export class Anchor {
  #fn: AnyFunction | undefined;
  readonly #text: string;
  #position: ScriptPosition | undefined;
  #start: number | undefined; // of the text in its script; -1 where it is not found there

  constructor(fn: AnyFunction, text: string) {
    this.#fn = fn;
    this.#text = text;
  }

  /** Lets go of the function, after a look of some 0.1 ms at where it stands. */
  settle(): void {
    if (this.#fn) this.#position = scriptPositionOf(this.#fn);
    this.#fn = undefined;
  }

  /**
   * The origin of `offset` in the text. The first in a script costs some 30 ms. `undefined` where the inspector is not
   * to be had or does not know the function.
   */
  originOf(offset: number): Origin | undefined {
    try {
      this.settle();
      const script = this.#position && openScript(this.#position.scriptId);
      if (!script) return undefined;
      this.#start ??= startIn(script, this.#position!, this.#text);
      return this.#start < 0 ? undefined : script.originOf(this.#start + offset);
    } catch {
      return undefined; // a source map that is none
    }
  }
}

const anchors = new WeakMap<AnyFunction, Anchor>();

/** The anchor of `fn`, whose own text is `text`. */
export function anchorOf(fn: AnyFunction, text: string): Anchor {
  let anchor = anchors.get(fn);
  if (!anchor) {
    anchor = new Anchor(fn, text);
    anchors.set(fn, anchor);
  }
  return anchor;
}

/** The whole text of a script. Costs as much as an origin. */
export const textOfScript = (scriptId: string): string | undefined => openScript(scriptId)?.source;

/** The script in which `fn` stands, and where in it the parameters of `fn` begin. Costs as much as an origin. */
export function scriptTextOf(fn: AnyFunction): { readonly text: string; readonly parameters: number } | undefined {
  const position = scriptPositionOf(fn);
  const script = position && openScript(position.scriptId);
  return script && { text: script.source, parameters: script.offsetOf(position) };
}

/** V8 says where the parameters are; the text begins at or before them. */
function startIn(script: OpenScript, position: ScriptPosition, text: string): number {
  const parameters = script.offsetOf(position);
  const start = script.source.lastIndexOf(text, parameters);
  return start + text.length > parameters ? start : -1;
}

// ---------------------------------------------------------------------------------------------------------------------

const open = new Map<string, OpenScript | undefined>();

/** Scripts are long, and errors come one at a time: they are kept until the event loop turns. */
function openScript(scriptId: string): OpenScript | undefined {
  if (!open.has(scriptId)) {
    if (open.size === 0) setImmediate(() => open.clear()).unref();
    const script = readScript(scriptId);
    open.set(scriptId, script && new OpenScript(script));
  }
  return open.get(scriptId);
}

/** A script with its lines counted and its source map read. */
class OpenScript {
  readonly #script: Script;
  readonly #starts: readonly number[]; // offsets of its lines
  #original: Original | null | undefined; // null: there is no map

  constructor(script: Script) {
    this.#script = script;
    this.#starts = lineStarts(script.source);
  }

  get source(): string {
    return this.#script.source;
  }

  offsetOf({ line, column }: ScriptPosition): number {
    const { startLine, startColumn } = this.#script;
    return this.#starts[line - startLine]! + column - (line === startLine ? startColumn : 0);
  }

  originOf(offset: number): Origin | undefined {
    const { url, source, mapUrl, startLine, startColumn } = this.#script;
    const index = this.#starts.findLastIndex((start) => start <= offset);
    const start = this.#starts[index]!;
    const shift = index === 0 ? startColumn : 0;
    const generated = { line: startLine + index + 1, column: offset - start + shift + 1 };
    if (this.#original === undefined) this.#original = mapUrl ? new Original(mapUrl, url) : null;
    const code = shifted(source.slice(start, this.#starts[index + 1]), 0, shift);
    const mapped = this.#original?.originOf(generated, code);
    if (mapped || url === "") return mapped;
    return { ...generated, file: toPath(url), text: shifted(source, startLine, startColumn) };
  }
}

/** The text in its file: behind `lines` and `columns` of other text, or without what a loader put before it. */
const shifted = (text: string, lines: number, columns: number): string =>
  columns < 0 ? text.slice(-columns) : "\n".repeat(lines) + " ".repeat(columns) + text;

function lineStarts(text: string): number[] {
  const starts = [0];
  for (const end of text.matchAll(/\r\n|[\n\r\u2028\u2029]/g)) starts.push(end.index + end[0].length);
  return starts;
}

/** What a source map says, whether it is inline or a file. */
class Original {
  readonly #payload: ConstructorParameters<typeof SourceMap>[0];
  readonly #map: SourceMap;
  readonly #base: string;

  constructor(mapUrl: string, scriptUrl: string) {
    const inline = /^data:application\/json[^,]*?(;base64)?,(.*)$/s.exec(mapUrl);
    this.#base = inline ? scriptUrl : new URL(mapUrl, scriptUrl).href;
    const json = inline
      ? Buffer.from(decodeURIComponent(inline[2]!), inline[1] ? "base64" : "utf8").toString()
      : readFileSync(fileURLToPath(this.#base), "utf8");
    this.#payload = JSON.parse(json) as ConstructorParameters<typeof SourceMap>[0];
    this.#map = new SourceMap(this.#payload);
  }

  /** The origin of a position, of which `code` is the line. */
  originOf(generated: TextPosition, code: string): Origin | undefined {
    const entry = this.#map.findEntry(generated.line - 1, generated.column - 1);
    if (!("originalSource" in entry) || entry.originalSource === undefined) return undefined;
    const { sourceRoot = "", sources, sourcesContent } = this.#payload;
    const file = resolveSource(`${sourceRoot}${entry.originalSource}`, this.#base);
    const text = sourcesContent?.[sources.indexOf(entry.originalSource)] ?? readText(file);
    const line = entry.originalLine + 1;
    let column = entry.originalColumn + 1;
    // the entry is the last one before the position; where the code between is the same, so is the way
    const between = code.slice(entry.generatedColumn, generated.column - 1);
    const original = text?.split(/\r\n|[\n\r\u2028\u2029]/)[line - 1];
    if (entry.generatedLine === generated.line - 1 && original?.startsWith(between, column - 1)) {
      column += between.length;
    }
    return { file, text, line, column };
  }
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
