// Scalar IR to WGSL: statements in order, short names, no needless parentheses.
import type { DType } from "../core/dtype.js";
import { InternalError } from "../core/errors.js";
import type { Block, ForeignFunction, Scalar } from "../ir/scalar.js";
import { floatBits, floatLiteral, floatOfBits } from "./literals.js";

/** WGSL's type of an element in memory. */
export const memoryType = (type: DType): string => (type === "bool" ? "u32" : type);

/** Expression text with how tightly it binds. */
interface Text {
  readonly code: string;
  readonly binds: number;
  readonly depth: number;
}

const ATOM = 10;
const UNARY = 9;
const PRODUCT = 8;
const SUM = 7;
const BITS = 2;
const LOOSE = 1;

/** Nesting of one expression at most, and its length: past that it gets a name. */
const MAX_DEPTH = 4;
const MAX_LENGTH = 60;

/** Turns of a short `while` in a round of its loop, and instructions in a round, at most. */
const MAX_TURNS = 4;
const MAX_ROUND = 48;

const arithmetic = new Set(["call", "add", "sub", "mul", "div", "neg", "fma"]);

/** Prints blocks of one kernel: names and helpers are shared between them. */
export class WgslPrinter {
  readonly helpers = new Set<string>();
  /** Functions of the user's that are called, by name. */
  readonly foreign = new Map<string, ForeignFunction>();
  readonly #read = new Set<number | string>();
  /** Buffers read elsewhere than at the element that is stored afterwards. */
  readonly #readElsewhere = new Set<number | string>();
  /** Names of buffers that the block being printed writes. */
  readonly #written = new Set<string>();
  /** Where it writes, if not at `i`. */
  #partAt: Scalar | undefined;
  readonly #text = new Map<Scalar, Text>();
  readonly #uses = new Map<Scalar, number>();
  /** Block of the one reader of a value, null when there are several. */
  readonly #reader = new Map<Scalar, Block | null>();
  #names = 0;

  /**
   * `buffer(slot)` is the name of a buffer, `input(slot)` the expression of a value from outside. Code that `storesPart`
   * of its results does so at one offset, which need not be `i`.
   */
  constructor(
    readonly buffer: (slot: number | string) => string,
    readonly input: (slot: number | string) => string = String,
    readonly storesPart = false,
  ) {}

  /**
   * Statements of `block`, indented by `indent`; only what stores and `results` need. The results' expressions can be
   * asked for with `expression` afterwards, inside the same braces.
   */
  print(block: Block, results: readonly Scalar[], indent: string): string[] {
    this.#count(block, results);
    this.#written.clear();
    const stores = block.instrs.filter((x) => x.op === "store");
    for (const x of stores) this.#written.add(this.buffer(x.slot!));
    this.#partAt = this.storesPart ? stores[0]?.args[0] : undefined;
    return this.#statements(block, indent);
  }

  /** Text of a value that was printed. */
  expression(x: Scalar): string {
    return this.#of(x).code;
  }

  /** The code printed so far reads this buffer. */
  reads(slot: number | string): boolean {
    return this.#read.has(slot);
  }

  /** It is read only at the offset `i`, or where a part is stored, in code that stores there. */
  readsOwnElement(slot: number | string): boolean {
    return this.#read.has(slot) && !this.#readElsewhere.has(slot);
  }

  #count(block: Block, results: readonly Scalar[]): void {
    const blockOf = new Map<Scalar, Block>();
    const index = (b: Block): void => {
      for (const x of b.instrs) {
        blockOf.set(x, b);
        x.blocks?.forEach(index);
      }
    };
    index(block);
    const use = (x: Scalar, from: Block): void => {
      const count = this.#uses.get(x) ?? 0;
      this.#uses.set(x, count + 1);
      this.#reader.set(x, count === 0 ? from : null);
      if (count > 0) return;
      for (const y of x.args) use(y, blockOf.get(x) ?? from);
      for (const b of x.blocks ?? []) for (const y of b.results) use(y, b);
    };
    const effects = (b: Block): boolean => {
      let found = false;
      for (const x of b.instrs) {
        const inside = x.blocks?.map(effects).includes(true);
        if (x.op !== "store" && x.op !== "set" && !inside) continue;
        use(x, b);
        found = true;
      }
      return found;
    };
    effects(block);
    for (const x of results) use(x, block);
  }

  #statements(block: Block, indent: string): string[] {
    const lines: string[] = [];
    for (const x of block.instrs) {
      if (!this.#uses.has(x)) continue;
      switch (x.op) {
        case "store":
          lines.push(`${indent}${this.buffer(x.slot!)}[${this.#of(x.args[0]!).code}] = ${this.#stored(x.args[1]!)};`);
          break;
        case "array": {
          const name = `a${this.#names++}`;
          this.#text.set(x, { code: name, binds: ATOM, depth: 0 });
          lines.push(`${indent}var ${name}: array<${x.type}, ${x.value}>;`);
          break;
        }
        case "get": {
          // read where it stands: the element may be another one when it is used
          const code = `${this.#of(x.args[0]!).code}[${this.#of(x.args[1]!).code}]`;
          this.#text.set(x, this.#named({ code, binds: ATOM, depth: 1 }, lines, indent));
          break;
        }
        case "set": {
          const [array, index, value] = x.args.map((y) => this.#of(y).code);
          lines.push(`${indent}${array}[${index}] = ${value};`);
          break;
        }
        case "branch":
          lines.push(...this.#branch(x, indent));
          break;
        case "loop":
          lines.push(...this.#loop(x, indent));
          break;
        case "while":
          lines.push(...this.#while(x, indent));
          break;
        case "const":
        case "input":
        case "result":
        case "param":
          break;
        default: {
          const text = this.#expression(x);
          const once = this.#uses.get(x) === 1 && this.#reader.get(x) === block;
          const short = text.depth < MAX_DEPTH && text.code.length < MAX_LENGTH;
          // read where it stands: the element may be overwritten before it is used
          const inPlace = x.op === "load" && this.#written.has(this.buffer(x.slot!));
          this.#text.set(x, once && short && !inPlace ? text : this.#named(text, lines, indent));
        }
      }
    }
    return lines;
  }

  #named(text: Text, lines: string[], indent: string): Text {
    if (text.binds === ATOM && text.depth === 0) return text;
    const name = `t${this.#names++}`;
    lines.push(`${indent}let ${name} = ${text.code};`);
    return { code: name, binds: ATOM, depth: 0 };
  }

  /** The text's value under a name of its own if it may be one of `variables`, which are about to change. */
  #fixed(text: Text, variables: readonly string[], lines: string[], indent: string): Text {
    return this.#named(variables.includes(text.code) ? { ...text, depth: 1 } : text, lines, indent);
  }

  #branch(x: Scalar, indent: string): string[] {
    const names = x.types!.map(() => `r${this.#names++}`);
    const lines = x.types!.map((type, k) => `${indent}var ${names[k]}: ${type};`);
    lines.push(`${indent}if (${this.#of(x.args[0]!).code}) {`, ...this.#assigning(x.blocks![0]!, names, indent));
    lines.push(`${indent}} else {`, ...this.#assigning(x.blocks![1]!, names, indent), `${indent}}`);
    this.#results.set(x, names);
    return lines;
  }

  /** A block's statements, then `names` set to its results. */
  #assigning(block: Block, names: readonly string[], indent: string): string[] {
    const inner = `${indent}  `;
    const lines = this.#statements(block, inner);
    let values = block.results.map((y) => this.#of(y));
    // several variables change at once: no result may read one that was already set
    if (values.length > 1) values = values.map((text) => this.#fixed(text, names, lines, inner));
    values.forEach((text, k) => void lines.push(`${inner}${names[k]} = ${text.code};`));
    return lines;
  }

  readonly #results = new Map<Scalar, readonly string[]>();

  #loop(x: Scalar, indent: string): string[] {
    const [count, ...init] = x.args;
    const block = x.blocks![0]!;
    const names = x.types!.map(() => `r${this.#names++}`);
    const counter = `n${this.#names++}`;
    const lines = init.map((y, k) => `${indent}var ${names[k]} = ${this.#of(y).code};`);
    block.params.forEach((p, k) => {
      this.#text.set(p, { code: k === 0 ? counter : names[k - 1]!, binds: ATOM, depth: 0 });
    });
    lines.push(`${indent}for (var ${counter} = 0u; ${counter} < ${this.#of(count!).code}; ${counter}++) {`);
    lines.push(...this.#assigning(block, names, indent), `${indent}}`);
    this.#results.set(x, names);
    return lines;
  }

  #while(x: Scalar, indent: string): string[] {
    const [test, body] = x.blocks as [Block, Block];
    const names = x.types!.map(() => `r${this.#names++}`);
    const lines = x.args.map((y, k) => `${indent}var ${names[k]} = ${this.#of(y).code};`);
    body.params.forEach((p, k) => void this.#text.set(p, { code: names[k]!, binds: ATOM, depth: 0 }));
    const turns = this.#turnsARound(test, body);
    lines.push(`${indent}loop {${turns === 1 ? "" : ` // ${turns} turns a round`}`);
    for (let turn = 0; turn < turns; turn++) {
      lines.push(...this.#statements(test, `${indent}  `));
      lines.push(`${indent}  if (!(${this.#of(test.results[0]!).code})) { break; }`);
      lines.push(...this.#assigning(body, names, indent));
    }
    lines.push(`${indent}}`);
    this.#results.set(x, names);
    return lines;
  }

  /** How often a short loop's turn is written out: asking whether any lane goes on can cost as much as the turn. */
  #turnsARound(test: Block, body: Block): number {
    const sizeOf = (block: Block): number =>
      block.instrs.reduce((sum, x) => {
        if (!this.#uses.has(x) || x.op === "const" || x.op === "input" || x.op === "result") return sum;
        if (x.op === "loop" || x.op === "while") return Number.POSITIVE_INFINITY;
        return sum + 1 + (x.blocks ?? []).reduce((inner, b) => inner + sizeOf(b), 0);
      }, 0);
    return Math.max(1, Math.min(MAX_TURNS, Math.floor(MAX_ROUND / (sizeOf(test) + sizeOf(body)))));
  }

  #stored(x: Scalar): string {
    const { code } = this.#of(x);
    return x.type === "bool" ? `select(0u, 1u, ${code})` : code;
  }

  #of(x: Scalar): Text {
    const known = this.#text.get(x);
    if (known) return known;
    switch (x.op) {
      case "const":
        return this.#literal(x);
      case "input":
        return { code: this.input(x.slot!), binds: ATOM, depth: 0 };
      case "result":
        return { code: this.#results.get(x.args[0]!)![x.slot as number]!, binds: ATOM, depth: 0 };
      default:
        throw new InternalError(`wgsl: ${x.op} is read before it is printed`);
    }
  }

  #literal(x: Scalar): Text {
    const code = this.#constant(x.value!, x.type);
    return { code, binds: code.startsWith("-") ? UNARY : ATOM, depth: 0 };
  }

  #constant(value: number, type: DType): string {
    if (type === "bool") return value ? "true" : "false";
    if (type === "u32") return value < 65536 ? `${value}u` : `0x${value.toString(16)}u`;
    // the smallest i32 cannot be written as a negated literal
    if (type === "i32") return value === -2147483648 ? "i32(-2147483648)" : `${value}i`;
    if (!Number.isFinite(value) || Object.is(value, -0) || (value !== 0 && Math.abs(value) < 1.1754943508222875e-38)) {
      this.helpers.add("bits");
      return `bits(0x${floatBits(value).toString(16).padStart(8, "0")}u)`;
    }
    return floatLiteral(value);
  }

  /** A float whose bits are a constant: WGSL refuses to make infinity or NaN of them itself. */
  #floatOfBits(bits: Scalar): Text {
    return this.#literal({ ...bits, type: "f32", value: floatOfBits(bits.value! >>> 0) });
  }

  #call(name: string, args: readonly Scalar[]): Text {
    const texts = args.map((y) => this.#of(y));
    return { code: `${name}(${texts.map((t) => t.code).join(", ")})`, binds: ATOM, depth: 1 + deepest(texts) };
  }

  #helper(name: string, args: readonly Scalar[]): Text {
    this.helpers.add(name);
    return this.#call(name, args);
  }

  #infix(symbol: string, binds: number, x: Scalar, y: Scalar): Text {
    const exact = x.type === "f32" && binds > BITS;
    const left = exact ? this.#exactOperand(x, y) : this.#of(x);
    const right = exact ? this.#exactOperand(y, x, symbol) : this.#of(y);
    // WGSL wants parentheses around everything but calls and names beside a bit operation
    const least = binds === BITS ? UNARY : binds;
    const leftCode = left.binds < least || left.binds <= BITS ? `(${left.code})` : left.code;
    const rightCode = right.binds < least || right.binds <= Math.max(binds, BITS) ? `(${right.code})` : right.code;
    return { code: `${leftCode} ${symbol} ${rightCode}`, binds, depth: 1 + deepest([left, right]) };
  }

  /**
   * An operand of float arithmetic, the second one where `symbol` is given. Compilers may contract, reassociate and
   * cancel it against its partner, unless it comes from memory: then it is kept. A sum that is carried through a loop
   * may be contracted: it has no fixed rounding anyway.
   */
  #exactOperand(x: Scalar, partner: Scalar, symbol?: string): Text {
    // both kept alike, they would still cancel
    if (x === partner && (symbol === "-" || symbol === "/")) return this.#helper("again", [x]);
    const isZero = x.op === "const" && x.value === 0;
    const accumulates = [partner, x].some(({ op, exact }) => op === "param" && !exact);
    return isZero || (!accumulates && arithmetic.has(x.op)) ? this.#helper("keep", [x]) : this.#of(x);
  }

  #expression(x: Scalar): Text {
    const [a, b, c] = this.#runtimeArgs(x) as [Scalar, Scalar, Scalar];
    switch (x.op) {
      case "add":
        return this.#infix("+", SUM, a, b);
      case "sub":
        return this.#infix("-", SUM, a, b);
      case "mul":
        return this.#infix("*", PRODUCT, a, b);
      case "div":
        return this.#infix("/", PRODUCT, a, b);
      case "fma":
        return this.#helper("fma_f32", [a, b, c]);
      case "rem":
        return x.type === "f32" ? this.#helper("rem_f32", [a, b]) : this.#infix("%", PRODUCT, a, b);
      case "neg": {
        const text = this.#of(a);
        const code = text.binds < UNARY || text.code.startsWith("-") ? `-(${text.code})` : `-${text.code}`;
        return { code, binds: UNARY, depth: text.depth + 1 };
      }
      case "abs":
      case "floor":
      case "ceil":
      case "trunc":
      case "sqrt":
        return this.#call(x.op, [a]);
      case "nearest":
        return this.#call("round", [a]);
      case "min":
        return x.type === "f32" ? this.#helper("min_nan", [a, b]) : this.#call("min", [a, b]);
      case "max":
        return x.type === "f32" ? this.#helper("max_nan", [a, b]) : this.#call("max", [a, b]);
      case "and":
        return x.type === "bool" ? this.#infix("&&", LOOSE, a, b) : this.#infix("&", BITS, a, b);
      case "or":
        return x.type === "bool" ? this.#infix("||", LOOSE, a, b) : this.#infix("|", BITS, a, b);
      case "xor":
        // ^ takes no bool
        return x.type === "bool" ? this.#infix("!=", LOOSE, a, b) : this.#infix("^", BITS, a, b);
      case "not": {
        const text = this.#of(a);
        const code = text.binds === ATOM ? text.code : `(${text.code})`;
        return { code: `${x.type === "bool" ? "!" : "~"}${code}`, binds: UNARY, depth: text.depth + 1 };
      }
      case "shl":
        return this.#infix("<<", BITS, a, b);
      case "shr":
        return this.#infix(">>", BITS, a, b);
      case "popcount":
        return this.#call("countOneBits", [a]);
      case "clz":
        return this.#call("countLeadingZeros", [a]);
      case "eq":
        return this.#compare("==", a, b);
      case "lt":
        return this.#compare("<", a, b);
      case "le":
        return this.#compare("<=", a, b);
      case "select":
        return this.#call("select", [c, b, a]);
      case "cast":
        return this.#cast(a, x.type);
      case "bitcast":
        if (a.op === "const" && x.type === "f32") return this.#floatOfBits(a);
        return this.#call(`bitcast<${x.type}>`, [a]);
      case "keep":
        return this.#helper("keep", [a]);
      case "call":
        this.foreign.set(x.callee!.name, x.callee!);
        return this.#call(x.callee!.name, x.args);
      case "load": {
        const index = this.#of(a);
        this.#read.add(x.slot!);
        const isOwn = this.#partAt ? a === this.#partAt : a.op === "input" && a.slot === "i";
        if (this.#written.size === 0 || !isOwn) this.#readElsewhere.add(x.slot!);
        const code = `${this.buffer(x.slot!)}[${index.code}]`;
        if (x.type === "bool") return { code: `${code} != 0u`, binds: LOOSE, depth: index.depth + 1 };
        return { code, binds: ATOM, depth: index.depth + 1 };
      }
      default:
        throw new InternalError(`wgsl: ${x.op} is no expression`);
    }
  }

  /**
   * Operands, the first one kept if all are constants: WGSL computes with constants when it is compiled, refuses what
   * overflows, and loses the sign of -0.
   */
  #runtimeArgs({ op, args }: Scalar): readonly Scalar[] {
    const [first, ...rest] = args;
    if (op === "keep" || op === "bitcast" || first?.type !== "f32" || !args.every((x) => x.op === "const")) return args;
    const kept: Scalar = { ...first, op: "keep", args: [first] };
    this.#text.set(kept, this.#helper("keep", [first]));
    return [kept, ...rest];
  }

  #compare(symbol: string, a: Scalar, b: Scalar): Text {
    if (a === b && a.type === "f32") {
      // x == x is false for NaN; compilers take it for true
      this.helpers.add("keep");
      const text = this.#of(a);
      return {
        code: `${text.binds <= BITS ? `(${text.code})` : text.code} ${symbol} keep(${text.code})`,
        binds: LOOSE,
        depth: text.depth + 2,
      };
    }
    return this.#infix(symbol, LOOSE, a, b);
  }

  #cast(a: Scalar, type: DType): Text {
    if (type === "bool") {
      const text = this.#of(a);
      const zero = this.#constant(0, a.type);
      return {
        code: `!(${text.binds <= BITS ? `(${text.code})` : text.code} == ${zero})`,
        binds: UNARY,
        depth: text.depth + 1,
      };
    }
    if (a.type === "f32" && type !== "f32") return this.#helper(`to_${type}`, [a]);
    return this.#call(type, [a]);
  }
}

const deepest = (texts: readonly Text[]): number => Math.max(0, ...texts.map((t) => t.depth));
