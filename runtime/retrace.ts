// The warning for a jitted function that is traced again and again: what changed between its calls, and the way out.
import { type Aval, sameAval, showAval } from "../compiler/core/aval.js";
import { sameShape } from "../compiler/core/shape.js";
import { showTree, type TreeDef } from "../compiler/core/tree.js";
import { hereText } from "../compiler/trace/here.js";

/** Traces in a row without a call that used one of them, after which a function is warned of. */
export const RETRACES = 8;

/** With calls between that use a trace: so many times as many traces. */
const PATIENCE = 4;

/** A static argument as far as the warning needs it; the value itself is not kept. */
export interface StaticArgument {
  /** `argument 1 (rate)` */
  readonly name: string;
  /** Equal for equal values. */
  readonly key: string;
  /** For people. */
  readonly text: string;
  /** A plain value could as well be an ordinary argument. */
  readonly isPlain: boolean;
}

/** What a call was traced for. */
export interface Signature {
  readonly def: TreeDef;
  readonly names: readonly string[];
  readonly types: readonly Aval[];
  readonly statics: readonly StaticArgument[];
}

interface Change {
  readonly text: string;
  readonly wayOut: string;
}

/** Counts the traces of one function. */
export class RetraceWatch {
  readonly #name: string;
  readonly #limit: number;
  #inRow = 0;
  #traces = 0;
  #hits = 0;
  #last: Signature | undefined;
  #done = false;

  /** `limit` is the number of traces in a row that is too many; Infinity for never. */
  constructor(name: string, limit: number) {
    this.#name = name;
    this.#limit = limit;
    this.#done = limit === Number.POSITIVE_INFINITY;
  }

  /** A call found its trace. */
  hit(): void {
    this.#hits++;
    this.#inRow = 0;
  }

  /** A call was traced. Warns on stderr, once, when that was so too often. */
  traced(signature: () => Signature): void {
    if (this.#done) return;
    const before = this.#last;
    const now = signature();
    this.#last = now;
    this.#traces++;
    this.#inRow++;
    const isGrowing = this.#traces > PATIENCE * this.#limit && this.#hits < this.#traces;
    if (!before || (this.#inRow <= this.#limit && !isGrowing)) return;
    this.#done = true;
    this.#last = undefined;
    console.warn(this.#message(changesBetween(before, now)));
  }

  #message(changes: readonly Change[]): string {
    const shown = changes.slice(0, 4).map(({ text }) => `    ${text}`);
    if (changes.length > 4) shown.push(`    and ${changes.length - 4} more`);
    const ways = [...new Set(changes.map(({ wayOut }) => wayOut))].map((line) => `  ${line}`);
    const often = this.#hits === 0 ? "" : `, and used again only ${this.#hits} times`;
    return [
      `lanewise: ${this.#name} was traced ${this.#traces} times${often}: each trace is compiled anew`,
      "  between the last two:",
      ...shown,
      ...ways,
      `  meant so? ${this.#name.replace(/\)$/, "")}, { retraceWarning: false }) says nothing${hereText()}`,
    ].join("\n");
  }
}

/** What is not the same in two calls. */
export function changesBetween(before: Signature, now: Signature): Change[] {
  const changes: Change[] = [];
  now.statics.forEach((argument, i) => {
    const old = before.statics[i];
    if (!old || old.key === argument.key) return;
    const text = old.text === argument.text ? `another ${argument.text} each time` : `${old.text} → ${argument.text}`;
    changes.push({
      text: `static ${argument.name}: ${text}`,
      wayOut: argument.isPlain
        ? "a number that changes often should be an ordinary argument: leave it out of staticArgnums"
        : "make functions and objects that are static once, outside of the loop: they are told apart by identity",
    });
  });
  if (showTree(before.def) !== showTree(now.def)) changes.push(structureChange(before, now));
  else now.types.forEach((type, i) => void changes.push(...typeChange(now.names[i]!, before.types[i]!, type)));
  return changes;
}

function structureChange(before: Signature, now: Signature): Change {
  const fresh = now.names.filter((name) => !before.names.includes(name));
  const gone = before.names.filter((name) => !now.names.includes(name));
  const list = (names: readonly string[]): string =>
    names.slice(0, 3).join(", ") + (names.length > 3 ? `, … (${names.length})` : "");
  const parts = [
    ...(fresh.length > 0 ? [`new are ${list(fresh)}`] : []),
    ...(gone.length > 0 ? [`gone are ${list(gone)}`] : []),
  ];
  const text = parts.join("; ") || `${showTree(before.def)} → ${showTree(now.def)}`;
  return {
    text: `structure of the arguments: ${text}`,
    wayOut: "give every call the same keys and the same lengths of arrays",
  };
}

function typeChange(name: string, before: Aval, now: Aval): Change[] {
  if (!sameAval(before, now)) {
    const what = before.dtype === now.dtype ? "shape" : sameShape(before.shape, now.shape) ? "dtype" : "type";
    return [
      {
        text: `${what} of ${name}: ${showAval(before)} → ${showAval(now)}`,
        wayOut:
          what === "dtype"
            ? "give it in one dtype: x.astype(dtype)"
            : "call it with few different shapes: pad to fixed sizes, or split into parts of one size",
      },
    ];
  }
  if (Boolean(before.weak) === Boolean(now.weak)) return [];
  const [from, to] = before.weak ? ["a number", "a tensor"] : ["a tensor", "a number"];
  return [{ text: `${name}: ${from} → ${to}`, wayOut: "give it always as a number, or always as a tensor" }];
}
