// The order in which the operands of a sum of products are multiplied, two at a time.

/** An operand by its number, or the product of two parts. */
export type Order = number | readonly [Order, Order];

type Names = readonly string[];

/** Operands up to which every order is looked at. */
const EXACT_OPERANDS = 8;

/**
 * The order with the fewest multiplications, and of equal ones that with the smaller products in between. Each operand
 * is the list of the names of its axes; a name that neither the output nor another operand has is summed over first.
 */
export function cheapestOrder(operands: readonly Names[], output: Names, sizes: ReadonlyMap<string, number>): Order {
  return operands.length <= EXACT_OPERANDS ? bestOrder(operands, output, sizes) : greedyOrder(operands, output, sizes);
}

const union = (a: Names, b: Names): Names => [...new Set([...a, ...b])];

const sizeOf = (names: Names, sizes: ReadonlyMap<string, number>): number =>
  names.reduce((product, name) => product * sizes.get(name)!, 1);

/** The best order of every subset of the operands, from those of its parts. Subsets are sets of bits. */
function bestOrder(operands: readonly Names[], output: Names, sizes: ReadonlyMap<string, number>): Order {
  const all = 2 ** operands.length - 1;
  const isIn = (i: number, subset: number): boolean => (subset & (1 << i)) !== 0;
  /** Names that are left once the subset is multiplied. */
  const left = (subset: number): Names => {
    const needed = new Set([...output, ...operands.flatMap((names, i) => (isIn(i, subset) ? [] : names))]);
    const inside = operands.flatMap((names, i) => (isIn(i, subset) ? names : []));
    return [...new Set(inside)].filter((name) => needed.has(name));
  };
  const names = Array.from({ length: all + 1 }, (_, subset) => left(subset));
  const best: { order: Order; price: number }[] = [];
  for (let subset = 1; subset <= all; subset++) {
    if ((subset & (subset - 1)) === 0) {
      best[subset] = { order: Math.log2(subset), price: 0 };
      continue;
    }
    let found: { order: Order; price: number } | undefined;
    for (let part = (subset - 1) & subset; part > 0; part = (part - 1) & subset) {
      const rest = subset - part;
      // each pair of parts once
      if (part > rest) continue;
      const [a, b] = [best[part]!, best[rest]!];
      const price = a.price + b.price + priceOf(names[part]!, names[rest]!, names[subset]!, sizes);
      if (!found || price < found.price) found = { order: [a.order, b.order], price };
    }
    best[subset] = found!;
  }
  return best[all]!.order;
}

/** Multiplications, and half of what is written: of equal work the smaller result is better. */
const priceOf = (a: Names, b: Names, result: Names, sizes: ReadonlyMap<string, number>): number =>
  sizeOf(union(a, b), sizes) + sizeOf(result, sizes) / 2;

/** The cheapest pair first, again and again. */
function greedyOrder(operands: readonly Names[], output: Names, sizes: ReadonlyMap<string, number>): Order {
  let parts = operands.map((own, i): { order: Order; names: Names } => {
    const needed = new Set([...output, ...operands.flatMap((names, k) => (k === i ? [] : names))]);
    return { order: i, names: own.filter((name) => needed.has(name)) };
  });
  while (parts.length > 1) {
    let best: { i: number; j: number; names: Names; price: number } | undefined;
    for (let i = 0; i < parts.length; i++) {
      for (let j = i + 1; j < parts.length; j++) {
        const rest = parts.filter((_, k) => k !== i && k !== j);
        const needed = new Set([...output, ...rest.flatMap(({ names }) => names)]);
        const names = union(parts[i]!.names, parts[j]!.names);
        const kept = names.filter((name) => needed.has(name));
        const price = priceOf(parts[i]!.names, parts[j]!.names, kept, sizes);
        if (!best || price < best.price) best = { i, j, names: kept, price };
      }
    }
    const { i, j, names } = best!;
    const product = { order: [parts[i]!.order, parts[j]!.order] as const, names };
    parts = [...parts.filter((_, k) => k !== i && k !== j), product];
  }
  return parts[0]!.order;
}
