// Reads the two notations of file headers, JSON and Python's dicts and tuples, by hand: no code of a file is ever run.
import type { Fail } from "./source.js";

/** What a header may hold. Objects are maps, so that no name in a file can reach a prototype. */
export type Literal = string | number | boolean | null | readonly Literal[] | ReadonlyMap<string, Literal>;

interface Notation {
  readonly name: string;
  readonly words: readonly (readonly [string, boolean | null])[];
  readonly quotes: string;
  /** Closing bracket of a list, by the opening one. */
  readonly lists: Readonly<Record<string, string>>;
  readonly trailingComma: boolean;
}

export const json: Notation = {
  name: "JSON",
  words: [
    ["true", true],
    ["false", false],
    ["null", null],
  ],
  quotes: '"',
  lists: { "[": "]" },
  trailingComma: false,
};

export const python: Notation = {
  name: "a Python literal",
  words: [
    ["True", true],
    ["False", false],
    ["None", null],
  ],
  quotes: "'\"",
  lists: { "(": ")", "[": "]" },
  trailingComma: true,
};

const MAX_DEPTH = 4; // an object, an object, a list, a number
const MAX_VALUES = 2_000_000; // 100,000 tensors; a header of 100 MB could hold more than memory does
const NUMBER_LENGTH = 24; // more digits than 2^64 has

/**
 * The value that is the whole of `text`. Numbers are integers: no header of a file of tensors has others. Calls `fail`
 * for any other text, for a name that is given twice, and for what is nested or long beyond any header of use.
 */
export function parseLiteral(text: string, notation: Notation, fail: Fail): Literal {
  let at = 0;
  let values = 0;

  const unexpected = (wanted: string): never => {
    const seen = at < text.length ? JSON.stringify(text.slice(at, at + 12)) : "the end";
    return fail(`the header is not ${notation.name}: ${seen} at character ${at}`, wanted);
  };

  const space = (): void => {
    for (let c = text.charCodeAt(at); c === 32 || c === 10 || c === 13 || c === 9; c = text.charCodeAt(at)) at++;
  };

  /** Whether `char` comes next, after spaces; it is passed over. */
  const accept = (char: string): boolean => {
    space();
    if (text[at] !== char) return false;
    at++;
    return true;
  };

  const string = (): string => {
    const start = at;
    const quote = text[at++];
    while (text[at] !== quote) {
      if (at >= text.length) unexpected(`a closing ${quote}`);
      if (text[at] === "\\") {
        if (notation !== json) unexpected("a string without escapes");
        at++;
      }
      at++;
    }
    at++;
    if (notation !== json) return text.slice(start + 1, at - 1);
    try {
      return JSON.parse(text.slice(start, at)) as string; // for its escapes
    } catch {
      at = start;
      return unexpected("a string with JSON's escapes");
    }
  };

  const number = (): number => {
    const found = /^-?(?:0|[1-9]\d*)(?![\d.eE])/.exec(text.slice(at, at + NUMBER_LENGTH));
    if (!found) return unexpected("a value, numbers being integers");
    at += found[0].length;
    return Number(found[0]) + 0; // not -0
  };

  /** Items up to `close`; how many there were, and whether a comma stood after the last. */
  const items = (close: string, item: () => void): { count: number; comma: boolean } => {
    at++;
    for (let count = 0, comma = false; ; count++) {
      if ((count === 0 || !comma || notation.trailingComma) && accept(close)) return { count, comma };
      if (count > 0 && !comma) unexpected(`"," or "${close}"`);
      item();
      comma = accept(",");
    }
  };

  const value = (depth: number): Literal => {
    space();
    if (depth >= MAX_DEPTH) fail(`the header is nested more than ${MAX_DEPTH} levels deep`, "a flat list of tensors");
    if (++values > MAX_VALUES) fail(`the header has more than ${MAX_VALUES} values`, "at most 100,000 tensors");
    const first = text[at] ?? "";
    if (first === "{") {
      const map = new Map<string, Literal>();
      items("}", () => {
        space();
        if (!notation.quotes.includes(text[at] ?? "?")) unexpected("a name in quotes");
        const name = string();
        if (map.has(name))
          fail(`the header has the name ${JSON.stringify(name.slice(0, 100))} twice`, "each name once");
        if (!accept(":")) unexpected('":"');
        map.set(name, value(depth + 1));
      });
      return map;
    }
    const close = notation.lists[first];
    if (close) {
      const list: Literal[] = [];
      const { count, comma } = items(close, () => list.push(value(depth + 1)));
      if (first === "(" && count === 1 && !comma) unexpected("a comma in a tuple of one");
      return list;
    }
    if (first !== "" && notation.quotes.includes(first)) return string();
    for (const [word, meaning] of notation.words) {
      if (text.startsWith(word, at)) {
        at += word.length;
        return meaning;
      }
    }
    return number();
  };

  const parsed = value(0);
  space();
  if (at < text.length) unexpected("nothing after the value");
  return parsed;
}
