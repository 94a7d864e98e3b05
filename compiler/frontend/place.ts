// Places in the source of functions, for people: code frames in errors, and the locations of equations.
import { setImmediate } from "node:timers";
import { codeFrame, indentLines, positionAt } from "../core/code-frame.js";
import type { Location, SourceLocation } from "../ir/graph.js";
import { captureLocation, showFile, showLocation } from "../trace/location.js";
import { type Anchor, anchorOf, type Origin } from "./origin.js";
import type { AnyFunction, FunctionSource } from "./source.js";

/**
 * The place of the node from `start` to `end` in the source of `fn` (`node.start`, `node.end` as they were parsed): file,
 * line and column, a code frame of the author's own text, and carets below the node. Where that text cannot be found,
 * the function's text as Node has it, and the place from which the trace was asked for: `traced`, or the user's current
 * one. Lines are indented by two; some 30 ms.
 * ```
 *   at relu (src/net.ts:14:10)
 *     12 | const relu = (x: number) => {
 *   …
 * ```
 */
export function showPlace(
  fn: AnyFunction,
  source: FunctionSource,
  start: number,
  end = start,
  traced?: Location,
): string {
  const offset = start - source.shift;
  const node = source.text.slice(offset, end - source.shift);
  const anchor = anchorOf(fn, source.text);
  const origin = anchor.originOf(offset);
  const name = nameOf(fn);
  if (origin) {
    const at = `${showFile(origin.file)}:${origin.line}:${origin.column}`;
    const length =
      origin.text === undefined ? 0 : lengthAt(origin, origin.text, node, anchor.originOf(end - source.shift));
    const frame = origin.text === undefined ? "" : codeFrame(origin.text, origin, length);
    return [`  at ${name ? `${name} (${at})` : at}`, ...(frame ? [indentLines(frame, "  ")] : [])].join("\n");
  }
  const position = positionAt(source.text, offset);
  const asked = (traced ?? captureLocation())?.source;
  return [
    `  in ${name ? `function ${name}` : "an anonymous function"}, line ${position.line} of its text`,
    indentLines(codeFrame(source.text, position, firstLine(node).length), "  "),
    ...(asked ? [`  traced at ${showLocation(asked)}`] : []),
  ].join("\n");
}

/**
 * The location of the node that starts at `start` (`node.start` as it was parsed) in the source of `fn`. Nothing is
 * worked out until its `source` is read; equal places give the same object.
 */
export function locationOf(fn: AnyFunction, source: FunctionSource, start: number): Location {
  let places = located.get(fn);
  if (!places) {
    const anchor = anchorOf(fn, source.text);
    settleSoon(anchor);
    places = { anchor, functionName: nameOf(fn), at: new Map() };
    located.set(fn, places);
  }
  const offset = start - source.shift;
  let place = places.at.get(offset);
  if (!place) {
    place = new Place(places, offset);
    places.at.set(offset, place);
  }
  return place;
}

// ---------------------------------------------------------------------------------------------------------------------

interface Places {
  readonly anchor: Anchor;
  readonly functionName: string | undefined;
  readonly at: Map<number, Place>;
}

const located = new WeakMap<AnyFunction, Places>();

class Place implements Location {
  #of: Places | undefined;
  readonly #offset: number;
  #source: SourceLocation | undefined;

  constructor(of: Places, offset: number) {
    this.#of = of;
    this.#offset = offset;
  }

  get source(): SourceLocation | undefined {
    if (!this.#of) return this.#source;
    const { anchor, functionName } = this.#of;
    this.#of = undefined;
    const origin = anchor.originOf(this.#offset);
    if (origin) this.#source = { file: origin.file, line: origin.line, column: origin.column, functionName };
    return this.#source;
  }
}

let unsettled: Anchor[] = [];

/** Equations live long, and a function keeps alive all that it closes over: it is let go when the event loop turns. */
function settleSoon(anchor: Anchor): void {
  if (unsettled.push(anchor) > 1) return;
  setImmediate(() => {
    const anchors = unsettled;
    unsettled = [];
    for (const each of anchors) each.settle();
  }).unref();
}

/** How much of the author's line the node takes, which Node may have otherwise: without types, or minified. */
function lengthAt(origin: Origin, text: string, node: string, end: Origin | undefined): number {
  const line = text.split(/\r\n|[\n\r\u2028\u2029]/)[origin.line - 1] ?? "";
  const rest = line.slice(origin.column - 1);
  if (rest.startsWith(firstLine(node))) return firstLine(node).length;
  if (end && end.file === origin.file && end.line === origin.line && end.column > origin.column) {
    return end.column - origin.column;
  }
  return /^[\w$]*/.exec(rest)![0].length;
}

const firstLine = (text: string): string => /^[^\n\r\u2028\u2029]*/.exec(text)![0];

/** Its name, if that is one: the property may hold anything. */
function nameOf(fn: AnyFunction): string | undefined {
  const { name } = fn as { name: unknown };
  return typeof name === "string" && name !== "" ? name : undefined;
}
