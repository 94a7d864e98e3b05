// einsum: any sum of products, written with an index letter per axis.
import { showAval } from "../../compiler/core/aval.js";
import { ShapeError, ValueError } from "../../compiler/core/errors.js";
import * as ops from "../../compiler/ops/index.js";
import type { TensorLike } from "../../compiler/trace/create.js";
import { hereText } from "../../compiler/trace/here.js";
import type { Tensor } from "../../compiler/trace/tensor.js";
import { zerosLike } from "./create.js";
import { promotedDType, toDType } from "./promote.js";
import { asTensor } from "./shape.js";

/** A tensor whose axes carry names. */
interface Term {
  readonly x: Tensor;
  readonly names: readonly string[];
}

/**
 * `einsum("ij,jk->ik", a, b)`: letters name axes, those missing behind `->` are summed over, `...` stands for axes that
 * broadcast. Without `->` the result has the letters that occur once, in alphabetical order. Operands are contracted
 * two at a time, the cheapest pair first. Throws `ValueError` for a spec that cannot be read and `ShapeError` where it
 * does not fit the operands.
 */
export function einsum(spec: string, ...operands: readonly TensorLike[]): Tensor {
  const tensors = operands.map((x) => asTensor(x, "einsum"));
  const { inputs, output } = parse(spec, tensors);
  const sizes = sizesOf(spec, inputs, tensors);
  const common = promotedDType(tensors);
  const dtype = common === "bool" ? "i32" : common;
  let terms = tensors.map((x, i) => diagonal({ x: toDType(x, dtype, "einsum") as Tensor, names: inputs[i]! }));
  // axes of size 1 that stretch are summed away where another operand carries the name
  terms = terms.map((term) => dropStretched(term, sizes));
  while (terms.length > 1) {
    const [i, j] = cheapestPair(terms, output, sizes);
    const rest = terms.filter((_, k) => k !== i && k !== j);
    const needed = new Set([...output, ...rest.flatMap((term) => term.names)]);
    terms = [...rest, contract(terms[i]!, terms[j]!, needed)];
  }
  return arrange(terms[0]!, output, sizes);
}

interface Spec {
  readonly inputs: readonly (readonly string[])[];
  readonly output: readonly string[];
}

function parse(spec: string, tensors: readonly Tensor[]): Spec {
  const fail = (why: string): never => {
    throw new ValueError(`einsum: "${spec}": ${why}${hereText()}`);
  };
  const [left, right, extra] = spec.replace(/\s/g, "").split("->") as [string, string | undefined, string | undefined];
  if (extra !== undefined) fail("'->' occurs twice");
  const parts = left.split(",");
  if (parts.length !== tensors.length) fail(`it names ${parts.length} operands, but ${tensors.length} are given`);
  for (const part of right === undefined ? parts : [...parts, right]) {
    if (!/^[A-Za-z]*(\.\.\.)?[A-Za-z]*$/.test(part)) fail(`'${part}' is not made of letters and one '...'`);
  }
  const letters = (part: string, dots: readonly string[]): string[] =>
    [...part.replace("...", "…")].flatMap((c) => (c === "…" ? dots : [c]));
  let most: readonly string[] = [];
  const inputs = parts.map((part, i) => {
    const rank = tensors[i]!.ndim;
    const own = part.replace("...", "").length;
    if (own > rank || (!part.includes("...") && own !== rank))
      fail(`'${part}' has ${own} letters, but operand ${i} is ${showAval(tensors[i]!.aval)}`);
    // counted from the end, so that they line up when they broadcast
    const dots = Array.from({ length: rank - own }, (_, k) => `.${rank - own - k}`);
    if (dots.length > most.length) most = dots;
    return letters(part, dots);
  });
  if (right !== undefined) {
    const output = letters(right, most);
    output.forEach((name, i) => {
      if (output.indexOf(name) !== i) fail(`'${name}' occurs twice in the result`);
      if (!inputs.some((names) => names.includes(name))) fail(`'${name}' of the result is in no operand`);
    });
    return { inputs, output };
  }
  const all = inputs.flat().filter((name) => !name.startsWith("."));
  const once = all.filter((name) => all.indexOf(name) === all.lastIndexOf(name)).sort();
  return { inputs, output: [...most, ...once] };
}

function sizesOf(
  spec: string,
  inputs: readonly (readonly string[])[],
  tensors: readonly Tensor[],
): Map<string, number> {
  const sizes = new Map<string, number>();
  inputs.forEach((names, i) => {
    names.forEach((name, axis) => {
      const n = tensors[i]!.shape[axis]!;
      const known = sizes.get(name);
      if (known === undefined || known === 1) sizes.set(name, n);
      else if (n !== 1 && n !== known) {
        throw new ShapeError(
          `einsum: "${spec}": '${name.startsWith(".") ? "..." : name}' has size ${known} and ${n}\n  operand ${i} is ${showAval(tensors[i]!.aval)} axis ${axis}${hereText()}`,
        );
      }
    });
  });
  return sizes;
}

/** A name that occurs twice in one operand: its diagonal. */
function diagonal({ x, names }: Term): Term {
  const second = names.findIndex((name, axis) => names.indexOf(name) !== axis);
  if (second < 0) return { x, names };
  const first = names.indexOf(names[second]!);
  const [n, m] = [x.shape[first]!, x.shape[second]!];
  if (n !== m)
    throw new ShapeError(
      `einsum: '${names[second]}' has sizes ${n} and ${m} in one operand, ${showAval(x.aval)}${hereText()}`,
    );
  const row = ops.broadcast(ops.iota("i32", [n], 0), x.shape, [first]);
  const column = ops.broadcast(ops.iota("i32", [n], 0), x.shape, [second]);
  const kept = ops.select(ops.eq(row, column), x, zerosLike(x));
  return diagonal({ x: ops.reduceSum(kept, [second]), names: names.filter((_, axis) => axis !== second) });
}

function dropStretched({ x, names }: Term, sizes: ReadonlyMap<string, number>): Term {
  const axes = names.flatMap((name, axis) => (x.shape[axis] === 1 && sizes.get(name) !== 1 ? [axis] : []));
  if (axes.length === 0) return { x, names };
  return { x: ops.squeeze(x, axes), names: names.filter((_, axis) => !axes.includes(axis)) };
}

/** The pair whose product has the fewest terms. */
function cheapestPair(
  terms: readonly Term[],
  output: readonly string[],
  sizes: ReadonlyMap<string, number>,
): [number, number] {
  let best: [number, number] = [0, 1];
  let least = Infinity;
  for (let i = 0; i < terms.length; i++) {
    for (let j = i + 1; j < terms.length; j++) {
      const names = new Set([...terms[i]!.names, ...terms[j]!.names]);
      const others = new Set([...output, ...terms.filter((_, k) => k !== i && k !== j).flatMap((term) => term.names)]);
      let work = 1;
      let result = 1;
      for (const name of names) {
        work *= sizes.get(name)!;
        if (others.has(name)) result *= sizes.get(name)!;
      }
      // of equal work the smaller result
      const price = work + result / 2;
      if (price < least) {
        least = price;
        best = [i, j];
      }
    }
  }
  return best;
}

/** Product of two terms, summed over what nobody needs any more. */
function contract(a: Term, b: Term, needed: ReadonlySet<string>): Term {
  const lhs = sumOut(a, (name) => !needed.has(name) && !b.names.includes(name));
  const rhs = sumOut(b, (name) => !needed.has(name) && !a.names.includes(name));
  const shared = lhs.names.filter((name) => rhs.names.includes(name));
  const batch = shared.filter((name) => needed.has(name));
  const summed = shared.filter((name) => !needed.has(name));
  const at = (term: Term, names: readonly string[]) => names.map((name) => term.names.indexOf(name));
  const x = ops.dotGeneral(lhs.x, rhs.x, {
    contract: [at(lhs, summed), at(rhs, summed)],
    batch: [at(lhs, batch), at(rhs, batch)],
  });
  const free = (term: Term) => term.names.filter((name) => !shared.includes(name));
  return { x, names: [...batch, ...free(lhs), ...free(rhs)] };
}

function sumOut({ x, names }: Term, drop: (name: string) => boolean): Term {
  const axes = names.flatMap((name, axis) => (drop(name) ? [axis] : []));
  if (axes.length === 0) return { x, names };
  return { x: ops.reduceSum(x, axes), names: names.filter((name) => !drop(name)) };
}

/** The last term in the order of the result. */
function arrange(term: Term, output: readonly string[], sizes: ReadonlyMap<string, number>): Tensor {
  const { x, names } = sumOut(term, (name) => !output.includes(name));
  const present = output.filter((name) => names.includes(name));
  const ordered = present.every((name, i) => names[i] === name)
    ? x
    : ops.transpose(
        x,
        present.map((name) => names.indexOf(name)),
      );
  if (present.length === output.length) return ordered;
  // a stretched axis that no operand carried at its full size
  return ops.broadcast(
    ordered,
    output.map((name) => sizes.get(name)!),
    present.map((name) => output.indexOf(name)),
  );
}
