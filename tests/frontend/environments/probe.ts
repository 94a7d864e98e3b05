// Runs in an environment: what the front-end sees of the functions in user.ts, as complaints and counts.
import type * as Frontend from "./frontend.js";
import type { Case } from "./user.js";

export interface Report {
  readonly complaints: readonly string[];
  readonly cases: number;
  /** Functions whose place was found in a file called user.ts, at the right line and column. */
  readonly placed: number;
}

/** `author` is the text of user.ts. */
export function probe(frontend: typeof Frontend, cases: () => readonly Case[], author: string): Report {
  const complaints: string[] = [];
  let placed = 0;
  cases(); // values of the second time are asked for
  const all = cases();
  const marks = [...author.matchAll(/0\.8125/g)].map(({ index }) => {
    const before = author.slice(0, index).split("\n");
    return `${before.length}:${before.at(-1)!.length + 1}`;
  });
  for (const { name, fn, holds } of all) {
    const complain = (what: string): void => void complaints.push(`${name}: ${what}\n${fn}`);
    try {
      const scope = frontend.capturedScope(fn);
      frontend.checkVisible(fn, scope);
      const held = frontend.freeVariables(fn).map((variable) => scope.read(variable)?.value);
      const values = new Set([...held, ...held.flatMap(valuesIn)]);
      for (const value of holds) if (!values.has(value)) complain(`does not show ${String(value)}`);
      if (frontend.isOurs(fn) || frontend.isNative(fn)) complain("is the user's own");
      const place = placeOf(frontend, fn);
      if (place && /[\\/]user\.ts:/.test(place) && marks.some((mark) => place.endsWith(`:${mark}`))) placed++;
    } catch (error) {
      complain(String(error));
    }
  }
  if (!frontend.isNative(Math.sin)) complaints.push("Math.sin is native");
  return { complaints, cases: all.length, placed };
}

/** Of namespaces and imports, which some environments keep in objects. */
function valuesIn(value: unknown): unknown[] {
  return typeof value === "object" && value !== null ? Object.values(value) : [];
}

function placeOf(frontend: typeof Frontend, fn: Case["fn"]): string | undefined {
  const source = frontend.functionSource(fn)!;
  const nodes = [source.node, ...frontend.childrenOf(source.node)];
  for (let i = 0; i < nodes.length; i++) {
    const node = nodes[i]!;
    if (node.type === "Literal" && node.value === 0.8125) {
      const place = frontend.locationOf(fn, source, node.start).source;
      return place && `${place.file}:${place.line}:${place.column}`;
    }
    if (i > 0) nodes.push(...frontend.childrenOf(node));
  }
  return undefined;
}
