// Random programs over arrays of a lane's own, in loops and branches: one kernel, and what the interpreter gives.
import { expect } from "vitest";
import { compileGraph } from "../../compiler/compile.js";
import type { NDArray } from "../../compiler/core/ndarray.js";
import type { Graph } from "../../compiler/ir/graph.js";
import { baseLimits } from "../../compiler/ir/program.js";
import { cond, foriLoop, stack, type Tensor, vmap, where, whileLoop } from "../../index.js";
import { draw } from "../support/arrays.js";
import { gpuTest } from "../support/gpu.js";
import { expectGpuAgrees, f32, trace } from "../support/trace.js";
import { randomStream } from "../support/ulp.js";

const LANES = 33;
const SIZE = 4;
const PROGRAMS = 12;

/** What a program works on: three arrays, a number and a counter. All numbers stay whole and small, so that sums are exact. */
type State = readonly [a: Tensor, b: Tensor, c: Tensor, x: Tensor];

/** A block of random statements, the same ones each time it is traced. */
class Block {
  readonly #below: (n: number) => number;

  constructor(
    readonly seed: number,
    readonly depth: number,
    readonly statements: number,
  ) {
    const random = randomStream(seed);
    this.#below = (n) => Math.floor(random() * n);
  }

  run(i: Tensor, start: State): State {
    let state = start;
    for (let k = 0; k < this.statements; k++) state = this.#statement(i, state);
    return state;
  }

  #pick<T>(...makers: readonly (() => T)[]): T {
    return makers[this.#below(makers.length)]!();
  }

  #inner(): Block {
    return new Block(this.#below(1e9), this.depth - 1, 1 + this.#below(3));
  }

  #array = ([a, b, c]: State): Tensor => [a, b, c][this.#below(3)]!;

  #index(i: Tensor, s: State): Tensor {
    return this.#pick(
      () => i,
      () => s[3].astype("i32"),
      () => this.#array(s).at(s[3].astype("i32").clip(0, 3)).astype("i32"),
    );
  }

  #number(i: Tensor, s: State): Tensor {
    const place = (): Tensor => this.#index(i, s).clip(0, SIZE - 1);
    return this.#pick(
      () => s[3].add(1).clip(-9, 9),
      () => this.#array(s).at(place()),
      () => this.#array(s).sum().clip(-9, 9),
      () => this.#array(s).max(),
    );
  }

  #value(i: Tensor, s: State): Tensor {
    const [x, y] = [this.#array(s), this.#array(s)];
    return this.#pick(
      () => x.update(this.#index(i, s), { mode: "drop" }).set(this.#number(i, s)),
      () => x.update(this.#index(i, s).clip(0, 3)).add(this.#number(i, s)).clip(-20, 20),
      () => x.flip(0),
      () => x.add(y).clip(-20, 20),
      () => where(x.gt(this.#number(i, s)), x, y),
      () => stack([this.#number(i, s), this.#number(i, s), s[3], this.#number(i, s)]),
    );
  }

  #statement(i: Tensor, s: State): State {
    const [a, b, c, x] = s;
    const kind = this.#below(this.depth > 0 ? 9 : 6);
    if (kind < 4) {
      const [k, value] = [this.#below(3), this.#value(i, s)];
      return s.map((y, j) => (j === k ? value : y)) as unknown as State;
    }
    if (kind === 4) return [b, a, c, x];
    if (kind === 5) return [a, b, c, this.#number(i, s)];
    if (kind < 8) {
      const [yes, no, holds] = [this.#inner(), this.#inner(), this.#number(i, s).gt(this.#number(i, s))];
      const branch = (block: Block) => (a: Tensor, b: Tensor, c: Tensor, x: Tensor) => block.run(i, [a, b, c, x]);
      return cond(holds, branch(yes), branch(no), a, b, c, x) as unknown as State;
    }
    const [body, turns] = [this.#inner(), 1 + this.#below(4)];
    const start = [i.mul(0), a, b, c, x] as const;
    const [, ...last] = whileLoop(
      ([n, , , , x]) => n.lt(turns).and(x.lt(7)),
      ([n, ...state]) => [n.add(1), ...new Block(body.seed, body.depth, body.statements).run(n, state)] as const,
      start,
    );
    return last;
  }
}

const programOf = (seed: number): Graph =>
  trace([f32(LANES, SIZE), f32(LANES, SIZE), f32(LANES)], (a, b, x) => [
    ...(vmap((a: Tensor, b: Tensor, x: Tensor) =>
      foriLoop(0, 4, (i, s: State) => new Block(seed, 2, 3).run(i, s), [a, b, a.mul(0), x] as State),
    )(a!, b!, x!) as unknown as Tensor[]),
  ]);

gpuTest(`${PROGRAMS} random programs`, async () => {
  for (let seed = 1; seed <= PROGRAMS; seed++) {
    const graph = programOf(seed);
    expect(compileGraph(graph, baseLimits).dispatches, `program ${seed}`).toHaveLength(1);
    const random = randomStream(seed);
    const inputs = graph.inputs.map((v): NDArray => {
      const drawn = draw(random, v.aval, [-4, 7]);
      return { ...drawn, data: drawn.data.map(Math.round) as Float32Array };
    });
    await expectGpuAgrees(graph, inputs);
  }
});
