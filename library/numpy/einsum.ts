// einsum: any sum of products, written with an index letter per axis.
import { showAval } from "../../compiler/core/aval.js";
import { ShapeError, ValueError } from "../../compiler/core/errors.js";
import * as ops from "../../compiler/ops/index.js";
import type { TensorLike } from "../../compiler/trace/create.js";
import { hereText } from "../../compiler/trace/here.js";
import type { Tensor } from "../../compiler/trace/tensor.js";
import { cheapestOrder, type Order } from "./einsum-order.js";
import { promotedDType, toDType } from "./promote.js";
import { asTensor } from "./shape.js";

/** A tensor whose axes carry names. */
interface Term {
  readonly x: Tensor;
  readonly names: readonly string[];
}

/**
 * `einsum("ij,jk->ik", a, b)`: letters name axes, those missing behind `->` are summed over, `...` stands for axes that
 * broadcast. Without `->` the result has the letters that occur once, in alphabetical order; a letter twice in one
 * operand is its diagonal. Operands are contracted two at a time in the order with the fewest multiplications: the best
 * one for up to eight operands, the cheapest pair first beyond. Throws `ValueError` for a spec that cannot be read and `ShapeError` where it
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
  const result =
    terms.length === 1
      ? terms[0]!
      : follow(
          cheapestOrder(
            terms.map(({ names }) => names),
            output,
            sizes,
          ),
          terms,
          output,
        );
  return arrange(result, output, sizes);
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
  // with both axes behind all others and joined, the diagonal is every (n + 1)-th element
  const others = x.shape.map((_, axis) => axis).filter((axis) => axis !== first && axis !== second);
  const outer = others.map((axis) => x.shape[axis]!);
  const joined = ops.reshape(ops.transpose(x, [...others, first, second]), [...outer, n! * n!]);
  const line = ops.slice(joined, {
    start: joined.shape.map(() => 0),
    stop: joined.shape,
    step: [...outer.map(() => 1), n! + 1],
  });
  return diagonal({ x: line, names: [...others.map((axis) => names[axis]!), names[second]!] });
}

function dropStretched({ x, names }: Term, sizes: ReadonlyMap<string, number>): Term {
  const axes = names.flatMap((name, axis) => (x.shape[axis] === 1 && sizes.get(name) !== 1 ? [axis] : []));
  if (axes.length === 0) return { x, names };
  return { x: ops.squeeze(x, axes), names: names.filter((_, axis) => !axes.includes(axis)) };
}

/** Contracts in an order that was chosen before. */
function follow(order: Order, terms: readonly Term[], output: readonly string[]): Term {
  const within = (part: Order): number[] => (typeof part === "number" ? [part] : part.flatMap(within));
  const run = (part: Order): Term => {
    if (typeof part === "number") return terms[part]!;
    const inside = within(part);
    const outside = terms.flatMap(({ names }, i) => (inside.includes(i) ? [] : names));
    const [a, b] = [run(part[0]), run(part[1])];
    return contract(a, b, output, new Set([...output, ...outside]));
  };
  return run(order);
}

/** Product of two terms, summed over what nobody needs any more. */
function contract(a: Term, b: Term, output: readonly string[], needed: ReadonlySet<string>): Term {
  const lhs = sumOut(a, (name) => !needed.has(name) && !b.names.includes(name));
  const rhs = sumOut(b, (name) => !needed.has(name) && !a.names.includes(name));
  const shared = lhs.names.filter((name) => rhs.names.includes(name));
  const batch = [...shared.filter((name) => needed.has(name))].sort((i, j) => output.indexOf(i) - output.indexOf(j));
  const summed = shared.filter((name) => !needed.has(name));
  const free = (term: Term) => term.names.filter((name) => !shared.includes(name));
  // the side whose axes come first in the result is the left one: the last product then needs no transposing
  const place = (term: Term) => Math.min(...free(term).map((name) => output.indexOf(name)));
  const [left, right] = place(lhs) <= place(rhs) ? [lhs, rhs] : [rhs, lhs];
  const at = (term: Term, names: readonly string[]) => names.map((name) => term.names.indexOf(name));
  const x = ops.dotGeneral(left.x, right.x, {
    contract: [at(left, summed), at(right, summed)],
    batch: [at(left, batch), at(right, batch)],
  });
  return { x, names: [...batch, ...free(left), ...free(right)] };
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
