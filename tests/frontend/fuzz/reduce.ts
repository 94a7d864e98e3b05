// Makes a failing program small: leaves parts out, and puts parts of an expression in its place, while it still fails.
import { type AnyNode, parse } from "acorn";
import { childrenOf } from "../../../compiler/frontend/scopes.js";

/** A piece of text and what may stand there instead. */
interface Cut {
  readonly start: number;
  readonly end: number;
  readonly texts: readonly string[];
}

/**
 * A shorter program of which `fails` still holds. `fails` is asked of texts that parse, and of nothing else may be
 * assumed: they may throw or never end.
 */
export function reduce(text: string, fails: (text: string) => boolean, mostTries = 3000): string {
  let best = text;
  let tries = 0;
  for (let progress = true; progress && tries < mostTries; ) {
    progress = false;
    let cuts = cutsOf(best);
    for (let at = 0; at < cuts.length && tries < mostTries; ) {
      const { start, end, texts } = cuts[at]!;
      const shorter = texts
        .map((each) => best.slice(0, start) + each + best.slice(end))
        .find((each) => each.length < best.length && parses(each) && tries++ < mostTries && fails(each));
      if (shorter === undefined) {
        at++;
        continue;
      }
      best = shorter;
      progress = true;
      cuts = cutsOf(best); // what stood before was tried
    }
  }
  return best;
}

function parsed(text: string): AnyNode | undefined {
  try {
    return parse(`(${text})`, { ecmaVersion: "latest" });
  } catch {
    return undefined;
  }
}

const parses = (text: string): boolean => parsed(text) !== undefined;

/** All cuts, the largest first. */
function cutsOf(text: string): Cut[] {
  const cuts: Cut[] = [];
  const visit = (node: AnyNode): void => {
    const texts = insteadOf(node, (part) => text.slice(part.start - 1, part.end - 1));
    if (texts.length > 0) cuts.push({ start: node.start - 1, end: node.end - 1, texts });
    for (const child of childrenOf(node)) visit(child);
  };
  visit(parsed(text)!);
  return cuts.sort((a, b) => b.end - b.start - (a.end - a.start));
}

function insteadOf(node: AnyNode, textOf: (part: AnyNode) => string): string[] {
  const parts = childrenOf(node).map(textOf);
  if (/Statement$|Declaration$/.test(node.type)) {
    const inner = node.type === "BlockStatement" ? node.body.map(textOf).join(" ") : undefined;
    const bodies = childrenOf(node)
      .filter((part) => /Statement$/.test(part.type))
      .map(textOf);
    return [
      "",
      ";",
      ...(inner === undefined ? [] : [inner]),
      ...bodies,
      ...(node.type === "ReturnStatement" ? [] : []),
    ];
  }
  if (node.type === "SwitchCase") return ["", ...node.consequent.map((part) => textOf(part))];
  if (node.type === "Literal")
    return typeof node.value === "number" && node.value !== 0 && node.raw !== "1" ? ["1", "0"] : [];
  if (/Expression$/.test(node.type) && node.type !== "ArrowFunctionExpression")
    return ["0", "1", "x", ...parts.map((part) => `(${part})`), ...parts];
  if (node.type === "ArrowFunctionExpression" || node.type === "VariableDeclarator") return [];
  return [];
}
