// Code frames: the lines of a source around one position, with a caret below it.

/** A position in a text: line from 1, column from 1 (in UTF-16 units, as V8 counts). */
export interface TextPosition {
  readonly line: number;
  readonly column: number;
}

const CONTEXT_LINES = 2;
const WIDTH = 100; // columns of code shown; minified code has lines of thousands

/**
 * The line of `position` between up to two lines before and one after, and a caret, or a run of `length` of them as far
 * as the line goes:
 * ```
 *   2 |   const y = x.mul(2);
 * > 3 |   return y ? x : zero;
 *     |          ^
 * ```
 * Lines that are too long are cut to a window around the caret. Empty where the text has no such line.
 */
export function codeFrame(text: string, position: TextPosition, length = 1): string {
  const lines = text.split(/\r\n|[\n\r\u2028\u2029]/);
  const at = position.line - 1;
  if (lines[at] === undefined) return "";
  const first = Math.max(0, at - CONTEXT_LINES);
  const last = Math.min(lines.length - 1, at + 1);
  const shown = lines.slice(first, last + 1);
  const left = windowStart(lines[at], position.column - 1);
  const gutter = String(last + 1).length;
  const rows: string[] = [];
  shown.forEach((line, i) => {
    const n = first + i;
    const code = clip(line, n === at ? left : 0);
    rows.push(`${n === at ? ">" : " "} ${String(n + 1).padStart(gutter)} | ${code}`.trimEnd());
    if (n !== at) return;
    const rest = Math.min(line.trimEnd().length, left + WIDTH) - (position.column - 1);
    const carets = "^".repeat(Math.max(1, Math.min(length, rest)));
    rows.push(`  ${" ".repeat(gutter)} | ${caretPadding(line, left, position.column - 1)}${carets}`);
  });
  return rows.join("\n");
}

/** The position of `offset` in `text`. */
export function positionAt(text: string, offset: number): TextPosition {
  const before = text.slice(0, offset).split(/\r\n|[\n\r\u2028\u2029]/);
  return { line: before.length, column: before.at(-1)!.length + 1 };
}

/** Puts `indent` before every line. */
export const indentLines = (text: string, indent: string): string => text.replace(/^/gm, indent);

/** The column at which the shown part of a long line starts: 0 where all of it fits. */
function windowStart(line: string, caret: number): number {
  if (line.length <= WIDTH) return 0;
  return Math.max(0, Math.min(caret - WIDTH / 2, line.length - WIDTH));
}

function clip(line: string, left: number): string {
  const part = line.slice(left, left + WIDTH);
  return `${left > 0 ? "…" : ""}${part}${line.length > left + WIDTH ? "…" : ""}`;
}

/** Blanks up to the caret; tabs stay tabs, so that the caret stands below its character however wide they are. */
function caretPadding(line: string, left: number, caret: number): string {
  return `${left > 0 ? " " : ""}${line.slice(left, caret).replace(/[^\t]/g, " ")}`;
}
