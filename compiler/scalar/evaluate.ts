// Runs straight-line scalar code on the CPU, an array at a time: each instruction is one loop over a chunk of elements.
import type { DType, TypedArray } from "../core/dtype.js";
import { InternalError } from "../core/errors.js";
import { type Block, type Scalar, ScalarBuilder } from "../ir/scalar.js";
import { copy, type Loop, loopOf } from "./loops.js";

/**
 * Computes elements 0 … length - 1 of every output. `argSteps[k] = 0` takes the first element of argument k for all.
 * Outputs must not overlap arguments or each other.
 */
export type CompiledScalar = (
  outs: readonly TypedArray[],
  args: readonly TypedArray[],
  length: number,
  argSteps?: readonly (0 | 1)[],
) => void;

export interface EvaluateOptions {
  /** f32 is computed and stored in 64 bits: the oracle's mode. Code that looks at the bits of an f32 is refused. */
  readonly wide?: boolean;
}

/** Compiles what `build` makes of its arguments. */
export function compileScalar(
  build: (b: ScalarBuilder, args: Scalar[]) => Scalar | Scalar[],
  argTypes: readonly DType[],
  options: EvaluateOptions = {},
): CompiledScalar {
  const b = new ScalarBuilder(true);
  const built = build(
    b,
    argTypes.map((type, slot) => b.input(slot, type)),
  );
  return compileBlock({ ...b.body, results: Array.isArray(built) ? built : [built] }, argTypes, options);
}

/** Elements per chunk: the registers of a program of usual size stay in the second-level cache. */
const CHUNK = 1024;

/** An arm of a `select` with fewer instructions than this is computed without asking whether any element wants it. */
const MIN_GUARDED = 4;

/**
 * Register k of each width in bytes. All programs share them: one runs at a time, and none leaves anything behind.
 * The same few stay in the cache.
 */
const registers: Record<number, ArrayBuffer[]> = { 1: [], 4: [], 8: [] };

/** A place for one value at a time, seen as any type of its element's width: its views start at `views[4 * home]`. */
type Home = number;

type ArrayKind = new (buffer: ArrayBufferLike, offsetBytes: number, length: number) => TypedArray;

const kinds: Record<DType, ArrayKind> = { f32: Float32Array, i32: Int32Array, u32: Uint32Array, bool: Uint8Array };
const kindOf = (type: DType, wide: boolean): ArrayKind => (wide && type === "f32" ? Float64Array : kinds[type]);

const typeIndex: Record<DType, number> = { f32: 0, i32: 1, u32: 2, bool: 3 };

interface Step {
  readonly loop: Loop;
  /** Homes and views of the result and of three operands; absent operands repeat the first. */
  readonly homes: readonly [Home, Home, Home, Home];
  readonly views: readonly [number, number, number, number];
  /** The result is an output: all elements are wanted even if they are equal. */
  readonly isOutput: boolean;
  /** Runs only if this guard holds for some element; -1 is always. */
  readonly guard: number;
}

/** What lies below one arm of a `select`, reached from nowhere else: wanted if some element takes that arm. */
interface Guard {
  readonly parent: number;
  readonly condition: Scalar;
  readonly taken: boolean;
  size: number;
}

/** Of a guard, in the present chunk. */
const [UNKNOWN, WANTED, UNWANTED] = [0, 1, 2];

/** Views of an argument or an output: moved along chunk by chunk. */
interface OuterView {
  readonly index: number;
  readonly home: Home;
  readonly view: number;
  readonly type: DType;
  /** Not the array's own type: made over its buffer. */
  readonly isBitcast: boolean;
}

/** Compiles a block of elementwise instructions; its `input` slots are argument numbers, its results the outputs. */
export function compileBlock(block: Block, argTypes: readonly DType[], options: EvaluateOptions = {}): CompiledScalar {
  const wide = options.wide ?? false;
  const order = schedule(block.results);
  for (const x of order) checkElementwise(x, argTypes, wide);
  const { guards, guardOf } = findGuards(order, block.results);
  const plan = assignHomes(order, block.results, argTypes, wide);
  const { homeOf, views, argViews, outViews, masks } = plan;

  const viewOf = (x: Scalar): number => homeOf.get(x)! * 4 + typeIndex[x.type];
  const steps = order.filter(isComputed).map((x): Step => {
    const [p, q = p, r = p] = x.args as [Scalar, Scalar?, Scalar?];
    return {
      loop: loopOf(x),
      homes: [homeOf.get(x)!, homeOf.get(p)!, homeOf.get(q!)!, homeOf.get(r!)!],
      views: [viewOf(x), viewOf(p), viewOf(q!), viewOf(r!)],
      isOutput: plan.direct.has(x),
      guard: guardOf.get(x)!,
    };
  });
  const copies = block.results.flatMap((x, out) =>
    plan.inPlace.has(out) ? [] : [{ out, view: viewOf(x), home: homeOf.get(x)! }],
  );
  const conditions = guards.map((guard) => ({ view: viewOf(guard.condition), home: homeOf.get(guard.condition)! }));

  const state = new Uint8Array(guards.length);
  const isWanted = (g: number, n: number): boolean => {
    if (g < 0) return true;
    if (state[g] !== UNKNOWN) return state[g] === WANTED;
    const { parent, taken } = guards[g]!;
    const { view, home } = conditions[g]!;
    const wanted = isWanted(parent, n) && hasAny(views[view]!, masks[home] === 0 ? 1 : n, taken);
    state[g] = wanted ? WANTED : UNWANTED;
    return wanted;
  };

  const outKinds = block.results.map((x) => kindOf(x.type, wide));
  const argKinds = argTypes.map((type) => kindOf(type, wide));
  return (outs, args, length, argSteps) => {
    checkArrays(outs, outKinds, "output");
    checkArrays(args, argKinds, "argument");
    for (const { index, home } of argViews) masks[home] = argSteps?.[index] === 0 ? 0 : -1;
    for (let start = 0; start < length; start += CHUNK) {
      const n = Math.min(CHUNK, length - start);
      for (const outer of argViews) {
        const isScalar = masks[outer.home] === 0;
        views[outer.view] = viewOuter(outer, args[outer.index]!, isScalar ? 0 : start, isScalar ? 1 : n);
      }
      for (const outer of outViews) views[outer.view] = viewOuter(outer, outs[outer.index]!, start, n);
      state.fill(UNKNOWN);
      for (const step of steps) {
        if (step.guard >= 0 && !isWanted(step.guard, n)) continue;
        const [home, homeX, homeY, homeZ] = step.homes;
        const [view, viewX, viewY, viewZ] = step.views;
        const [mx, my, mz] = [masks[homeX]!, masks[homeY]!, masks[homeZ]!];
        // of single numbers comes a single number
        const mask = step.isOutput ? -1 : mx | my | mz;
        masks[home] = mask;
        step.loop(mask === 0 ? 1 : n, views[view]!, views[viewX]!, mx, views[viewY]!, my, views[viewZ]!, mz);
      }
      for (const { out, view, home } of copies) {
        copy(n, outs[out]!.subarray(start, start + n), views[view]!, masks[home]!);
      }
    }
  };
}

/** `const`, `input`, and `keep` and `bitcast`, which are other views of their operand, need no loop. */
const isComputed = (x: Scalar): boolean => !["const", "input", "keep", "bitcast"].includes(x.op);
const isAlias = (x: Scalar): boolean => x.op === "keep" || x.op === "bitcast";

/** The value whose storage holds `x`. */
function rootOf(x: Scalar): Scalar {
  let root = x;
  while (isAlias(root)) root = root.args[0]!;
  return root;
}

/** What `results` need, operands before users. Below a `select`, its condition comes before both arms. */
function schedule(results: readonly Scalar[]): Scalar[] {
  const order: Scalar[] = [];
  const seen = new Set<Scalar>();
  const open: { x: Scalar; next: number }[] = [];
  const visit = (x: Scalar): void => {
    if (seen.has(x)) return;
    seen.add(x);
    open.push({ x, next: 0 });
  };
  for (const result of results) {
    visit(result);
    while (open.length > 0) {
      const top = open[open.length - 1]!;
      if (top.next < top.x.args.length) visit(top.x.args[top.next++]!);
      else order.push(open.pop()!.x);
    }
  }
  return order;
}

function checkElementwise(x: Scalar, argTypes: readonly DType[], wide: boolean): void {
  if (["load", "store", "array", "get", "set", "branch", "loop", "while", "result", "param", "call"].includes(x.op)) {
    throw new InternalError(`scalar ${x.op} in code that should be straight-line and elementwise`);
  }
  if (x.op === "input" && (typeof x.slot !== "number" || argTypes[x.slot] !== x.type)) {
    throw new InternalError(
      `scalar input ${x.slot} of type ${x.type} is none of the arguments: ${argTypes.join(", ")}`,
    );
  }
  if (wide && x.op === "bitcast" && (x.type === "f32" || x.args[0]!.type === "f32")) {
    throw new InternalError("scalar bitcast of f32 has no meaning in 64 bits: the op needs an f64 function of its own");
  }
  if (wide && x.op === "fma")
    throw new InternalError("scalar fma rounds to f32: the op needs an f64 function of its own");
}

/**
 * Finds for every instruction the innermost guard that all its uses lie under, so that a chunk without, say, a single
 * huge angle does not pay for the reduction of huge angles. An output lies under none.
 */
function findGuards(order: readonly Scalar[], results: readonly Scalar[]) {
  const guards: Guard[] = [];
  const byKey = new Map<string, number>();
  const depth = (g: number): number => (g < 0 ? 0 : 1 + depth(guards[g]!.parent));
  const common = (g: number, h: number): number => {
    let [x, y] = [g, h];
    while (x !== y) {
      if (depth(x) >= depth(y)) x = guards[x]!.parent;
      else y = guards[y]!.parent;
    }
    return x;
  };
  const under = (parent: number, condition: Scalar, taken: boolean): number => {
    const key = `${parent} ${condition.id} ${taken}`;
    const found = byKey.get(key);
    if (found !== undefined) return found;
    byKey.set(key, guards.length);
    return guards.push({ parent, condition, taken, size: 0 }) - 1;
  };

  const found = new Map<Scalar, number>();
  const use = (x: Scalar, guard: number): void => {
    const before = found.get(x);
    found.set(x, before === undefined ? guard : common(before, guard));
  };
  for (const x of results) use(x, -1);
  for (let i = order.length - 1; i >= 0; i--) {
    const x = order[i]!;
    const guard = found.get(x)!;
    x.args.forEach((arg, k) => void use(arg, x.op === "select" && k > 0 ? under(guard, x.args[0]!, k === 1) : guard));
  }
  for (const [x, guard] of found) {
    if (isComputed(x)) for (let g = guard; g >= 0; g = guards[g]!.parent) guards[g]!.size++;
  }
  const large = (guard: number): number => {
    let g = guard;
    while (g >= 0 && guards[g]!.size < MIN_GUARDED) g = guards[g]!.parent;
    return g;
  };
  return { guards, guardOf: new Map([...found].map(([x, guard]) => [x, large(guard)])) };
}

/** Gives every value a home: a constant, an argument, an output, or a register that is free again after its last use. */
function assignHomes(order: readonly Scalar[], results: readonly Scalar[], argTypes: readonly DType[], wide: boolean) {
  const views: TypedArray[] = [];
  /** -1 where a home has an element for each, 0 where it holds one number for all. */
  const masks: number[] = [];
  const homeOf = new Map<Scalar, Home>();
  const argViews: OuterView[] = [];
  const outViews: OuterView[] = [];
  const newHome = (mask: number): Home => masks.push(mask) - 1;

  const direct = new Set<Scalar>();
  const inPlace = new Set<number>();
  results.forEach((x, out) => {
    const root = rootOf(x);
    if (!isComputed(root) || direct.has(root)) return;
    direct.add(root);
    inPlace.add(out);
    homeOf.set(root, newHome(-1));
  });
  const argHomes = argTypes.map(() => newHome(-1));

  const lastUse = new Map<Scalar, number>();
  order.forEach((x, i) => {
    for (const arg of x.args) lastUse.set(rootOf(arg), i);
  });

  const bytesOf = (type: DType): number => (type === "bool" ? 1 : wide && type === "f32" ? 8 : 4);
  const free: Record<number, Home[]> = { 1: [], 4: [], 8: [] };
  const buffers: (ArrayBuffer | undefined)[] = [];
  const taken: Record<number, number> = { 1: 0, 4: 0, 8: 0 };
  const newRegister = (type: DType): Home => {
    const bytes = bytesOf(type);
    const home = newHome(-1);
    buffers[home] = registers[bytes]![taken[bytes]!++] ??= new ArrayBuffer(CHUNK * bytes);
    return home;
  };

  order.forEach((x, i) => {
    if (isAlias(x)) {
      homeOf.set(x, homeOf.get(rootOf(x))!);
    } else if (x.op === "const") {
      const home = newHome(0);
      buffers[home] = new ArrayBuffer(bytesOf(x.type));
      new (kindOf(x.type, wide))(buffers[home], 0, 1)[0] = x.value!;
      homeOf.set(x, home);
    } else if (x.op === "input") {
      homeOf.set(x, argHomes[x.slot as number]!);
    } else {
      // the result's register is taken before those of the operands are free: one that holds a single number would
      // be overwritten by the first element
      if (!direct.has(x)) homeOf.set(x, free[bytesOf(x.type)]!.pop() ?? newRegister(x.type));
      for (const root of new Set(x.args.map(rootOf))) {
        const isRegister = isComputed(root) && !direct.has(root);
        if (isRegister && lastUse.get(root) === i) free[bytesOf(root.type)]!.push(homeOf.get(root)!);
      }
    }
  });

  for (const x of order) {
    const home = homeOf.get(x)!;
    const buffer = buffers[home];
    const kind = kindOf(x.type, wide);
    if (buffer) views[home * 4 + typeIndex[x.type]] ??= new kind(buffer, 0, buffer.byteLength / bytesOf(x.type));
  }

  const outer = (list: OuterView[], index: number, home: Home, type: DType, own: DType): void => {
    const view = home * 4 + typeIndex[type];
    if (!list.some((v) => v.view === view)) list.push({ index, home, view, type, isBitcast: type !== own });
  };
  results.forEach((x, out) => {
    if (!inPlace.has(out)) return;
    for (const y of order) if (rootOf(y) === rootOf(x)) outer(outViews, out, homeOf.get(y)!, y.type, x.type);
  });
  for (const y of order) {
    const root = rootOf(y);
    if (root.op === "input") outer(argViews, root.slot as number, homeOf.get(y)!, y.type, root.type);
  }
  return { homeOf, views, masks, argViews, outViews, direct, inPlace };
}

/** Elements start … start + n - 1 of an argument or output, read in place. */
function viewOuter(outer: OuterView, array: TypedArray, start: number, n: number): TypedArray {
  if (outer.isBitcast) return new kinds[outer.type](array.buffer, array.byteOffset + start * 4, n);
  return start === 0 && array.length === n ? array : array.subarray(start, start + n);
}

function hasAny(condition: TypedArray, n: number, taken: boolean): boolean {
  const wanted = taken ? 1 : 0;
  for (let i = 0; i < n; i++) if (condition[i] === wanted) return true;
  return false;
}

function checkArrays(arrays: readonly TypedArray[], kinds: readonly ArrayKind[], what: string): void {
  if (arrays.length !== kinds.length)
    throw new InternalError(`${kinds.length} ${what}s wanted, ${arrays.length} given`);
  kinds.forEach((kind, k) => {
    const array = arrays[k]!;
    if (!(array instanceof kind)) {
      throw new InternalError(`${what} ${k}: ${kind.name} wanted, ${array.constructor.name} given`);
    }
  });
}
