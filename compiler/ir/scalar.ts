// Scalar IR: the body of a kernel, one instruction per value, in SSA form with structured branches and loops.
import { castNumber, type DType } from "../core/dtype.js";
import {
  type Block,
  checkScalarTypes,
  type ForeignFunction,
  foldInteger,
  type Scalar,
  type ScalarOpName,
  wrap,
} from "./instruction.js";

export type { Block, ForeignFunction, Scalar, ScalarOpName } from "./instruction.js";

/** What a kernel knows of a value while it is built: `known` facts are looked up, then forgotten with their block. */
interface Scope {
  readonly block: Block;
  /** Runs several times: what does not depend on the turn is computed in front of it. */
  readonly isLoop: boolean;
  readonly known: Map<string, unknown>;
}

const commutative = new Set<ScalarOpName>(["add", "mul", "and", "or", "xor", "eq", "min", "max"]);

/** Builds a block; equal instructions in reach are built once, and integer arithmetic on constants is done at once. */
export class ScalarBuilder {
  readonly #scopes: Scope[] = [{ block: { instrs: [], results: [], params: [] }, isLoop: false, known: new Map() }];
  /** Index of the scope that a value belongs to. */
  readonly #level = new Map<Scalar, number>();
  #next = 0;

  /** With `flat`, `rarely` computes both sides: for code that is run array by array, where nothing can branch. */
  constructor(readonly flat = false) {}

  /** The outermost block. */
  get body(): Block {
    return this.#scopes[0]!.block;
  }

  /** Number of instructions so far, over all blocks. */
  get count(): number {
    return this.#next;
  }

  /** A fact found earlier in this block or in one around it. */
  recall<T>(key: string): T | undefined {
    for (let i = this.#scopes.length - 1; i >= 0; i--) {
      const found = this.#scopes[i]!.known.get(key);
      if (found !== undefined) return found as T;
    }
    return undefined;
  }

  /** Remembers a fact until the present block ends. */
  remember<T>(key: string, fact: T): T {
    this.#scopes[this.#scopes.length - 1]!.known.set(key, fact);
    return fact;
  }

  const(value: number, type: DType): Scalar {
    const stored = castNumber(value, type);
    // in the outermost block, so that every block can use it
    const key = `const ${type} ${Object.is(stored, -0) ? "-0" : stored}`;
    const found = this.#scopes[0]!.known.get(key) as Scalar | undefined;
    if (found) return found;
    const made: Scalar = { id: this.#next++, op: "const", type, args: [], value: stored };
    this.#scopes[0]!.block.instrs.push(made);
    this.#scopes[0]!.known.set(key, made);
    this.#level.set(made, 0);
    return made;
  }

  f32 = (value: number): Scalar => this.const(value, "f32");
  u32 = (value: number): Scalar => this.const(value, "u32");
  i32 = (value: number): Scalar => this.const(value, "i32");
  bool = (value: boolean): Scalar => this.const(value ? 1 : 0, "bool");

  /** A value from outside the block: operand `slot` of an elementwise op, or a name the template around it declares. */
  input(slot: number | string, type: DType): Scalar {
    return this.#emit("input", type, [], { slot });
  }

  add(x: Scalar, y: Scalar): Scalar {
    if (x.type !== "f32") {
      if (isConst(x) && !isConst(y)) return this.add(y, x);
      if (isZero(y)) return x;
      // (a + c1) + c2 = a + (c1 + c2), exact for wrapping integers
      if (isConst(y) && x.op === "add" && isConst(x.args[1]!)) return this.add(x.args[0]!, this.add(x.args[1]!, y));
    }
    return this.#emit("add", x.type, [x, y]);
  }

  sub(x: Scalar, y: Scalar): Scalar {
    if (x.type !== "f32") {
      if (isZero(y)) return x;
      if (isConst(y)) return this.add(x, this.const(wrap(-y.value!, y.type), y.type));
    }
    return this.#emit("sub", x.type, [x, y]);
  }

  mul(x: Scalar, y: Scalar): Scalar {
    if (x.type !== "f32") {
      if (isConst(x) && !isConst(y)) return this.mul(y, x);
      if (isZero(y)) return y;
      if (isOne(y)) return x;
    }
    return this.#emit("mul", x.type, [x, y]);
  }

  div(x: Scalar, y: Scalar): Scalar {
    if (x.type !== "f32") {
      if (isOne(y) || (isZero(x) && isConst(y))) return x;
    }
    return this.#emit("div", x.type, [x, y]);
  }

  /** What is left of x after whole multiples of y, with the sign of x. */
  rem(x: Scalar, y: Scalar): Scalar {
    if (x.type !== "f32") {
      if (isOne(y)) return this.const(0, x.type);
      if (isZero(x) && isConst(y)) return x;
    }
    return this.#emit("rem", x.type, [x, y]);
  }

  neg = (x: Scalar): Scalar => this.#emit("neg", x.type, [x]);
  abs = (x: Scalar): Scalar => (x.type === "u32" ? x : this.#emit("abs", x.type, [x]));
  min = (x: Scalar, y: Scalar): Scalar => (x === y ? x : this.#emit("min", x.type, [x, y]));
  max = (x: Scalar, y: Scalar): Scalar => (x === y ? x : this.#emit("max", x.type, [x, y]));
  floor = (x: Scalar): Scalar => this.#emit("floor", "f32", [x]);
  ceil = (x: Scalar): Scalar => this.#emit("ceil", "f32", [x]);
  trunc = (x: Scalar): Scalar => this.#emit("trunc", "f32", [x]);
  /** To the nearest integer, ties to even. */
  nearest = (x: Scalar): Scalar => this.#emit("nearest", "f32", [x]);
  sqrt = (x: Scalar): Scalar => this.#emit("sqrt", "f32", [x]);

  /** x y + z rounded once, f32 only. */
  fma = (x: Scalar, y: Scalar, z: Scalar): Scalar => this.#emit("fma", "f32", [x, y, z]);

  and(x: Scalar, y: Scalar): Scalar {
    if (x.type === "bool") {
      if (isConst(x)) return x.value ? y : x;
      if (isConst(y)) return y.value ? x : y;
    }
    return this.#emit("and", x.type, [x, y]);
  }

  or(x: Scalar, y: Scalar): Scalar {
    if (x.type === "bool") {
      if (isConst(x)) return x.value ? x : y;
      if (isConst(y)) return y.value ? y : x;
    }
    return this.#emit("or", x.type, [x, y]);
  }

  xor = (x: Scalar, y: Scalar): Scalar => this.#emit("xor", x.type, [x, y]);
  /** Logical for bool, of all bits for integers. */
  not = (x: Scalar): Scalar => (x.op === "not" ? x.args[0]! : this.#emit("not", x.type, [x]));
  /** `y` is u32. */
  shl = (x: Scalar, y: Scalar): Scalar => this.#emit("shl", x.type, [x, y]);
  /** Arithmetic for i32, logical for u32; `y` is u32. */
  shr = (x: Scalar, y: Scalar): Scalar => this.#emit("shr", x.type, [x, y]);

  /** Ones among the bits of an integer. */
  popcount = (x: Scalar): Scalar => this.#emit("popcount", x.type, [x]);
  /** Zeros above the first one among the bits of an integer: 32 for 0. */
  clz = (x: Scalar): Scalar => this.#emit("clz", x.type, [x]);

  eq = (x: Scalar, y: Scalar): Scalar => this.#emit("eq", "bool", [x, y]);
  ne = (x: Scalar, y: Scalar): Scalar => this.not(this.eq(x, y));
  lt = (x: Scalar, y: Scalar): Scalar => this.#emit("lt", "bool", [x, y]);
  le = (x: Scalar, y: Scalar): Scalar => this.#emit("le", "bool", [x, y]);
  gt = (x: Scalar, y: Scalar): Scalar => this.lt(y, x);
  ge = (x: Scalar, y: Scalar): Scalar => this.le(y, x);

  /** `yes` where `condition` holds, else `no`; both are computed. */
  select(condition: Scalar, yes: Scalar, no: Scalar): Scalar {
    if (isConst(condition)) return condition.value ? yes : no;
    if (yes === no) return yes;
    return this.#emit("select", yes.type, [condition, yes, no]);
  }

  cast(x: Scalar, type: DType): Scalar {
    if (x.type === type) return x;
    // between integers the bits stay
    if (isConst(x)) return this.const(isIntegral(x.type) && isIntegral(type) ? wrap(x.value!, type) : x.value!, type);
    return this.#emit("cast", type, [x]);
  }

  bitcast = (x: Scalar, type: DType): Scalar => (x.type === type ? x : this.#emit("bitcast", type, [x]));

  /** The identity, opaque to every compiler behind us. */
  keep = (x: Scalar): Scalar => (x.op === "keep" ? x : this.#emit("keep", x.type, [x]));

  /** Tests the bits: compilers may take it that a float comparison never meets NaN. */
  isNaN(x: Scalar): Scalar {
    const magnitude = this.and(this.bitcast(x, "u32"), this.u32(0x7fffffff));
    return this.gt(magnitude, this.u32(0x7f800000));
  }

  /** The function must give the same for the same operands. */
  call = (callee: ForeignFunction, args: readonly Scalar[], type: DType): Scalar =>
    this.#emit("call", type, args, { slot: callee.name, callee });

  /**
   * x, but 0 for -0, told by its bits. A sum that starts from 0 is never -0; compilers leave out the addition of 0 all the
   * same.
   */
  unsignedZero(x: Scalar): Scalar {
    if (x.type !== "f32") return x;
    const magnitude = this.and(this.bitcast(x, "u32"), this.u32(0x7fffffff));
    return this.select(this.eq(magnitude, this.u32(0)), this.f32(0), x);
  }

  load = (slot: number | string, index: Scalar, type: DType): Scalar => this.#emit("load", type, [index], { slot });

  store(slot: number | string, index: Scalar, value: Scalar): void {
    this.#push({ id: this.#next++, op: "store", type: value.type, args: [index, value], slot });
  }

  /** An array of so many elements that only this kernel's invocation sees; in the outermost block. */
  array(size: number, type: DType): Scalar {
    const made: Scalar = { id: this.#next++, op: "array", type, args: [], value: size };
    this.#scopes[0]!.block.instrs.push(made);
    return made;
  }

  /** The element as it is now: never taken for one that was read earlier. */
  get(array: Scalar, index: Scalar): Scalar {
    const made: Scalar = { id: this.#next++, op: "get", type: array.type, args: [array, index] };
    this.#push(made);
    return made;
  }

  set(array: Scalar, index: Scalar, value: Scalar): void {
    const made: Scalar = { id: this.#next++, op: "set", type: array.type, args: [array, index, value] };
    checkScalarTypes(made);
    this.#push(made);
  }

  /** Values of `yes` where `condition` holds, else those of `no`; only one of the two is computed. */
  branch(condition: Scalar, yes: () => readonly Scalar[], no: () => readonly Scalar[]): Scalar[] {
    if (isConst(condition)) return [...(condition.value ? yes() : no())];
    const blocks = [this.#block([], false, yes), this.#block([], false, no)];
    return this.#region("branch", [condition], blocks);
  }

  /** Like `branch`, for a side that hardly any element takes and that has no effects. */
  rarely(condition: Scalar, rare: () => readonly Scalar[], usual: () => readonly Scalar[]): Scalar[] {
    if (!this.flat) return this.branch(condition, rare, usual);
    const no = usual();
    return rare().map((x, i) => this.select(condition, x, no[i]!));
  }

  /** Runs `body(i, carried)` for i = 0 … count - 1 and gives the last carried values; `exact` as in `Scalar`. */
  loop(
    count: Scalar,
    init: readonly Scalar[],
    body: (i: Scalar, carried: readonly Scalar[]) => readonly Scalar[],
    exact = false,
  ): Scalar[] {
    if (isConst(count) && count.value === 0) return [...init];
    const params = this.#params(["u32", ...init.map((x) => x.type)], exact);
    const block = this.#block(params, true, () => body(params[0]!, params.slice(1)));
    return this.#region("loop", [count, ...init], [block]);
  }

  /** Runs `body` as long as `test` holds for what is carried, and gives the last carried values. */
  while(
    init: readonly Scalar[],
    test: (carried: readonly Scalar[]) => Scalar,
    body: (carried: readonly Scalar[]) => readonly Scalar[],
  ): Scalar[] {
    const params = this.#params(
      init.map((x) => x.type),
      true,
    );
    const blocks = [this.#block(params, true, () => [test(params)]), this.#block(params, true, () => body(params))];
    return this.#region("while", init, blocks, blocks[1]!);
  }

  #params(types: readonly DType[], exact: boolean): Scalar[] {
    return types.map((type, slot): Scalar => {
      const made: Scalar = { id: this.#next++, op: "param", type, args: [], slot, exact };
      this.#level.set(made, this.#scopes.length); // of the block to come
      return made;
    });
  }

  #region(op: "branch" | "loop" | "while", args: readonly Scalar[], blocks: Block[], giver = blocks[0]!): Scalar[] {
    const types = giver.results.map((x) => x.type);
    const region: Scalar = { id: this.#next++, op, type: "bool", args, blocks, types };
    this.#push(region);
    return types.map((type, slot) => {
      const result: Scalar = { id: this.#next++, op: "result", type, args: [region], slot };
      this.#push(result);
      return result;
    });
  }

  #block(params: readonly Scalar[], isLoop: boolean, build: () => readonly Scalar[]): Block {
    const block: Block = { instrs: [], results: [], params };
    this.#scopes.push({ block, isLoop, known: new Map() });
    try {
      block.results.push(...build());
    } finally {
      this.#scopes.pop();
    }
    return block;
  }

  #push(instr: Scalar, level = this.#scopes.length - 1): void {
    this.#scopes[level]!.block.instrs.push(instr);
    this.#level.set(instr, level);
  }

  /** The outermost scope where `instr` is computed no oftener than here and all it needs is known. */
  #home({ op, args, slot }: Scalar): number {
    let level = this.#scopes.length - 1;
    // what the kernel writes itself has to be read where it stands
    if (op === "load" && typeof slot !== "number") return level;
    const least = Math.max(0, ...args.map((x) => this.#level.get(x)!));
    while (level > least && this.#scopes[level]!.isLoop) level--;
    return level;
  }

  #emit(
    op: ScalarOpName,
    type: DType,
    args: readonly Scalar[],
    more: { slot?: number | string; callee?: ForeignFunction } = {},
  ): Scalar {
    if (type !== "f32" && args.length > 0 && args.every(isConst) && args.every((x) => x.type !== "f32")) {
      const folded = foldInteger(op, type, args);
      if (folded !== undefined) return this.const(folded, type);
    }
    const ids = args.map((x) => x.id);
    if (commutative.has(op) && ids[0]! > ids[1]!) ids.reverse();
    const key = `${op} ${type} ${more.slot ?? ""} ${ids.join(" ")}`;
    const found = this.recall<Scalar>(key);
    if (found) return found;
    const made: Scalar = { id: this.#next++, op, type, args, ...more };
    checkScalarTypes(made);
    const level = this.#home(made);
    this.#push(made, level);
    this.#scopes[level]!.known.set(key, made);
    return made;
  }
}

const isConst = (x: Scalar): boolean => x.op === "const";
const isZero = (x: Scalar): boolean => isConst(x) && x.value === 0;
const isOne = (x: Scalar): boolean => isConst(x) && x.value === 1;

const isIntegral = (type: DType): boolean => type === "i32" || type === "u32";
