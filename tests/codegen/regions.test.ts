// Regions on the device: loops and branches of dispatches give what the interpreter gives.
import { describe, expect, test } from "vitest";
import { compileGraph, compileStages } from "../../compiler/compile.js";
import { type Aval, aval } from "../../compiler/core/aval.js";
import type { NDArray } from "../../compiler/core/ndarray.js";
import type { Graph } from "../../compiler/ir/graph.js";
import { literal } from "../../compiler/ir/graph.js";
import type { RegionOp, ScanParams, SwitchParams, WhileParams } from "../../compiler/ir/op.js";
import { shaped } from "../../compiler/ir/op.js";
import { baseLimits } from "../../compiler/ir/program.js";
import * as ops from "../../compiler/ops/index.js";
import { interpret } from "../../compiler/scalar/interpret.js";
import { stage } from "../../compiler/trace/stage.js";
import type { Operand, Tensor } from "../../compiler/trace/tensor.js";
import { bind } from "../../compiler/trace/trace.js";
import { draw } from "../support/arrays.js";
import { faultsOfProgram } from "../support/check-program.js";
import { gpuTest } from "../support/gpu.js";
import { runOnGpu } from "../support/run-program.js";
import { randomStream } from "../support/ulp.js";

const base = {
  kind: "region",
  samples: [],
  ulp: 0,
  batch: () => [],
  jvp: () => ({ results: [], tangents: [] }),
  widen: () => ({ inputs: [], params: {} }),
} as const;

const scanOp: RegionOp = {
  ...base,
  name: "scanOfTest",
  form: "scan",
  typeOf(_inputs, params) {
    const { body, carry, length } = params as ScanParams;
    return body.outputs.map((x, i) => (i < carry ? x.aval : aval(x.aval.dtype, [length, ...x.aval.shape])));
  },
  cpu(inputs, params, _context, outputs, run) {
    const { body, length, reverse, consts, carry } = params as ScanParams;
    let state = inputs.slice(consts, consts + carry);
    const stacked = outputs
      .slice(carry)
      .map((x) => ({ ...x, data: new Float32Array(x.shape.reduce((a, b) => a * b, 1)) }));
    for (let k = 0; k < length; k++) {
      const t = reverse ? length - 1 - k : k;
      const entries = inputs.slice(consts + carry).map((x): NDArray => {
        const size = x.data.length / length;
        return { dtype: x.dtype, shape: x.shape.slice(1), data: x.data.slice(t * size, (t + 1) * size) };
      });
      const results = run(body, [...inputs.slice(0, consts), ...state, ...entries]);
      state = results.slice(0, carry);
      results.slice(carry).forEach((y, i) => void stacked[i]!.data.set(y.data as Float32Array, t * y.data.length));
    }
    return [...state, ...stacked];
  },
};

const whileOp: RegionOp = {
  ...base,
  name: "whileOfTest",
  form: "while",
  typeOf: (_inputs, params) => (params as WhileParams).body.outputs.map((x) => x.aval),
  cpu(inputs, params, _context, _outputs, run) {
    const { cond, body, consts } = params as WhileParams;
    const fixed = inputs.slice(0, consts);
    let state = inputs.slice(consts);
    for (;;) {
      const active = run(cond, [...fixed, ...state])[0]!.data;
      if (!active.some((x: number) => x === 1)) return state;
      const next = run(body, [...fixed, ...state]);
      state = state.map((x, k) => {
        const each = x.data.length / active.length;
        const data = x.data.slice();
        data.forEach((_: number, i: number) => {
          if (active[Math.floor(i / each)]) data[i] = next[k]!.data[i]!;
        });
        return { ...x, data } as NDArray;
      });
    }
  },
};

const switchOp: RegionOp = {
  ...base,
  name: "switchOfTest",
  form: "switch",
  typeOf: (_inputs, params) => (params as SwitchParams).branches[0]!.outputs.map((x) => x.aval),
  cpu([index, ...operands], params, _context, _outputs, run) {
    const { branches } = params as SwitchParams;
    const results = branches.map((branch) => run(branch, operands));
    return results[0]!.map((x, r) => {
      const each = x.data.length / index!.data.length;
      const data = x.data.slice();
      data.forEach((_: number, i: number) => {
        const which = Math.min(Math.max(index!.data[Math.floor(i / each)]!, 0), branches.length - 1);
        data[i] = results[which]![r]!.data[i]!;
      });
      return { ...x, data } as NDArray;
    });
  },
};

const graphOf = (types: readonly Aval[], f: (...args: Tensor[]) => readonly Operand[]): Graph =>
  stage("test", types, (args) => ({ outputs: f(...args), rest: undefined })).graph;

const f32 = (value: number) => literal(value, aval("f32", []));
const i32 = (value: number) => literal(value, aval("i32", []));
const vector = shaped("f32", 40);
const matrix = shaped("f32", 40, 40);
const product = (m: Operand, x: Operand): Tensor => ops.dotGeneral(m, x, { contract: [[1], [0]], batch: [[], []] });

/** Carry x ← M x / 2, a count, and what each turn adds; results of each turn. */
const recurrence = (length: number, reverse: boolean): Graph => {
  const body = graphOf([matrix, vector, shaped("i32"), vector, shaped("f32")], (m, x, n, entry, scale) => {
    const next = ops.add(ops.mul(product(m, x), ops.fill(scale, [40])), entry);
    return [next, ops.add(n, i32(1)), ops.sin(next), ops.reduceSum(next, [0])];
  });
  return graphOf([matrix, vector, shaped("f32", length, 40), shaped("f32", length)], (m, x, entries, scales) => {
    const params: ScanParams = { body, length, reverse, consts: 1, carry: 2 };
    const results = bind(scanOp, [m, ops.neg(x), i32(7), entries, ops.exp(scales)], params);
    return [...results.slice(0, 3), ops.add(results[3]!, results[3]!)];
  });
};

const inputsOf = (graph: Graph): NDArray[] => {
  const random = randomStream(3);
  return graph.inputs.map((v) => draw(random, v.aval, [-0.2, 0.2]));
};

async function check(graph: Graph, inputs = inputsOf(graph)): Promise<void> {
  expect(faultsOfProgram(compileGraph(graph, baseLimits), baseLimits)).toEqual([]);
  const got = await runOnGpu(graph, inputs);
  const want = interpret(graph, inputs);
  want.forEach((x, k) => {
    const far = [...x.data].findIndex((y, i) => Math.abs(y - got[k]!.data[i]!) > 1e-4 * Math.max(1, Math.abs(y)));
    expect(got[k]!.data.length).toBe(x.data.length);
    expect(far, `result ${k}`).toBe(-1);
  });
}

describe("a scan", () => {
  for (const length of [0, 1, 2, 3, 8]) {
    for (const reverse of [false, true]) {
      gpuTest(`of ${length} turns, ${reverse ? "in reverse" : "forwards"}`, () => check(recurrence(length, reverse)));
    }
  }

  gpuTest("whose carry is handed on as it is, swapped, or constant", () => {
    const body = graphOf([vector, vector, shaped("f32"), vector], (x, y, _s, entry) => [y, x, f32(3), entry, x]);
    const types = [vector, vector, shaped("f32"), shaped("f32", 5, 40)];
    const params: ScanParams = { body, length: 5, reverse: false, consts: 0, carry: 3 };
    return check(graphOf(types, (...args) => bind(scanOp, args, params)));
  });

  gpuTest("in a scan", () => {
    const inner = graphOf([matrix, vector], (m, x) => [product(m, x)]);
    const body = graphOf([matrix, vector, vector], (m, x, entry) => {
      const params: ScanParams = { body: inner, length: 3, reverse: false, consts: 1, carry: 1 };
      const [y] = bind(scanOp, [m, ops.add(x, entry)], params) as [Tensor];
      return [y, y];
    });
    const params: ScanParams = { body, length: 4, reverse: false, consts: 1, carry: 1 };
    return check(graphOf([matrix, vector, shaped("f32", 4, 40)], (...args) => bind(scanOp, args, params)));
  });
});

/** Halves a vector until its sum is below a bound; counts. */
const halving = (bound: number): Graph => {
  const types = [matrix, vector, shaped("i32")];
  const sum = (x: Tensor): Tensor => ops.reduceSum(ops.abs(x), [0]);
  const cond = graphOf(types, (_m, x) => [ops.gt(sum(x), f32(bound))]);
  const body = graphOf(types, (m, x, n) => [
    ops.mul(ops.add(product(m, x), x), ops.fill(f32(0.5), [40])),
    ops.add(n, i32(1)),
  ]);
  return graphOf([matrix, vector], (m, x) => bind(whileOp, [m, x, i32(0)], { cond, body, consts: 1, lanes: 0 }));
};

describe("a while", () => {
  for (const bound of [1e9, 3, 1e-3]) gpuTest(`down to ${bound}`, () => check(halving(bound)));
});

describe("a switch", () => {
  const types = [matrix, vector];
  const branches = [
    graphOf(types, (m, x) => [product(m, x), f32(1)]),
    graphOf(types, (_m, x) => [x, ops.reduceSum(x, [0])]),
    graphOf(types, (_m, x) => [ops.exp(x), f32(3)]),
  ];
  const graph = graphOf([shaped("i32"), ...types], (index, m, x) => {
    const [y, s] = bind(switchOp, [index, m, x], { branches, lanes: 0 }) as [Tensor, Tensor];
    return [ops.add(y, x), s];
  });
  for (const index of [-1, 0, 1, 2, 5]) {
    gpuTest(`with index ${index}`, () => {
      const [, ...others] = inputsOf(graph);
      return check(graph, [{ dtype: "i32", shape: [], data: Int32Array.of(index) }, ...others]);
    });
  }

  gpuTest("in a while, in a switch", () => {
    const cond = graphOf([vector, shaped("i32")], (_x, n) => [ops.lt(n, i32(5))]);
    const inner = [graphOf([vector], (x) => [ops.sin(x)]), graphOf([vector], (x) => [ops.neg(x)])];
    const body = graphOf([vector, shaped("i32")], (x, n) => {
      const [y] = bind(switchOp, [ops.and(n, i32(1)), x], { branches: inner, lanes: 0 }) as [Tensor];
      return [y, ops.add(n, i32(1))];
    });
    const outer = [
      graphOf([vector], (x) => bind(whileOp, [x, i32(0)], { cond, body, consts: 0, lanes: 0 }).slice(0, 1)),
      graphOf([vector], (x) => [x]),
    ];
    const whole = graphOf([shaped("i32"), vector], (index, x) =>
      bind(switchOp, [index, x], { branches: outer, lanes: 0 }),
    );
    const [, x] = inputsOf(whole) as [NDArray, NDArray];
    return Promise.all(
      [0, 1].map((i) => check(whole, [{ dtype: "i32", shape: [], data: Int32Array.of(i) }, x])),
    ).then();
  });
});

/** Kernels of a compiled Graph. */
const kernelsOf = (graph: Graph): string[] => compileStages(graph, baseLimits).fused.kernels.map(({ kind }) => kind);

describe("in one kernel runs", () => {
  const lanes = shaped("f32", 50);
  const count = shaped("i32", 50);
  const of = (x: number) => ops.fill(f32(x), [50]);

  /** Turns until |z|² is above 4 for z ← z² + c, at most 30. */
  const escapeTimes = (): Graph => {
    const types = [lanes, lanes, lanes, lanes, count];
    const cond = graphOf(types, (_a, _b, x, y, n) => [
      ops.and(ops.lt(ops.add(ops.mul(x, x), ops.mul(y, y)), of(4)), ops.lt(n, ops.fill(i32(30), [50]))),
    ]);
    const body = graphOf(types, (a, b, x, y, n) => [
      ops.add(ops.sub(ops.mul(x, x), ops.mul(y, y)), a),
      ops.add(ops.mul(ops.mul(of(2), x), y), b),
      ops.add(n, ops.fill(i32(1), [50])),
    ]);
    return graphOf([lanes, lanes], (a, b) => {
      const [c, d] = [ops.mul(a, of(10)), ops.mul(b, of(10))];
      const start = [of(0), of(0), ops.fill(i32(0), [50])];
      const [, , n] = bind(whileOp, [c, d, ...start], { cond, body, consts: 2, lanes: 1 }) as [Tensor, Tensor, Tensor];
      return [ops.add(ops.cast(n, "f32"), a)];
    });
  };

  gpuTest("a while with lanes, between what comes before and after", async () => {
    expect(kernelsOf(escapeTimes())).toEqual(["lanes"]);
    await check(escapeTimes());
  });

  gpuTest("a while that swaps what it carries", async () => {
    const types = [lanes, lanes, count];
    const cond = graphOf(types, (x, _y, n) => [ops.and(ops.lt(n, ops.fill(i32(7), [50])), ops.gt(x, of(-9)))]);
    const body = graphOf(types, (x, y, n) => [ops.add(y, of(0.25)), x, ops.add(n, ops.fill(i32(1), [50]))]);
    const graph = graphOf(types, (...args) => bind(whileOp, args, { cond, body, consts: 0, lanes: 1 }));
    expect(kernelsOf(graph)).toEqual(["lanes"]);
    await check(graph);
  });

  gpuTest("a while with one counter for all lanes, which is asked for too", async () => {
    const types = [shaped("i32"), lanes];
    const cond = graphOf(types, (n) => [ops.lt(n, i32(5))]);
    const body = graphOf(types, (n, x) => [ops.add(n, i32(1)), ops.mul(x, ops.cast(ops.fill(n, [50]), "f32"))]);
    const graph = graphOf([lanes], (x) => bind(whileOp, [i32(2), ops.exp(x)], { cond, body, consts: 0, lanes: 0 }));
    expect(kernelsOf(graph)).toEqual(["lanes"]);
    await check(graph);
  });

  for (const reverse of [false, true]) {
    gpuTest(`a scan with entries and stacked results, ${reverse ? "in reverse" : "forwards"}`, async () => {
      const table = shaped("f32", 9);
      const body = graphOf([table, lanes, shaped("i32"), lanes, shaped("f32")], (t, x, n, entry, scale) => {
        const known = ops.gather(t, [ops.add(n, i32(1))], { axes: [0], batch: 0, mode: "clip" });
        const next = ops.add(ops.mul(x, ops.fill(scale, [50])), ops.sub(entry, ops.fill(known, [50])));
        return [next, ops.add(n, i32(1)), ops.sin(next), ops.mul(known, scale)];
      });
      const types = [table, lanes, shaped("f32", 6, 50), shaped("f32", 6)];
      const graph = graphOf(types, (t, x, entries, scales) => {
        const params: ScanParams = { body, length: 6, reverse, consts: 1, carry: 2 };
        const results = bind(scanOp, [t, ops.neg(x), i32(0), ops.sin(entries), ops.exp(scales)], params);
        return [ops.exp(results[0]!), results[2]!, results[3]!];
      });
      // what all lanes read is computed once before; results without lanes have a kernel of their own
      expect(kernelsOf(graph)).toEqual(["map", "lanes", "lanes"]);
      await check(graph);
    });
  }

  gpuTest("a switch with lanes, each computing its own branch only", async () => {
    const branches = [
      graphOf([lanes, lanes], (x, y) => [ops.sqrt(x), ops.add(x, y)]),
      graphOf([lanes, lanes], (x) => [ops.sin(x), of(3)]),
      graphOf([lanes, lanes], (x, y) => [ops.mul(x, y), ops.flip(y, [0])]),
    ];
    const graph = graphOf([lanes, lanes], (x, y) => {
      const index = ops.cast(ops.mul(y, of(10)), "i32");
      const [r, s] = bind(switchOp, [index, ops.abs(x), y], { branches, lanes: 1 }) as [Tensor, Tensor];
      return [ops.add(r, s)];
    });
    expect(kernelsOf(graph)).toEqual(["lanes"]);
    await check(graph);
  });

  gpuTest("a scan in a while in a switch", async () => {
    const turn = graphOf([lanes, lanes], (y, x) => [ops.mul(ops.add(x, y), of(0.5))]);
    const types = [lanes, lanes];
    const cond = graphOf(types, (_y, x) => [ops.gt(x, of(0.01))]);
    const body = graphOf(types, (y, x) => {
      const params: ScanParams = { body: turn, length: 3, reverse: false, consts: 1, carry: 1 };
      return bind(scanOp, [ops.mul(y, of(-0.01)), x], params);
    });
    const branches = [
      graphOf(types, (y, x) => bind(whileOp, [ops.abs(y), ops.abs(x)], { cond, body, consts: 1, lanes: 1 })),
      graphOf(types, (y) => [y]),
    ];
    const graph = graphOf([shaped("i32", 50), lanes, lanes], (index, y, x) =>
      bind(switchOp, [index, y, x], { branches, lanes: 1 }),
    );
    expect(kernelsOf(graph)).toEqual(["lanes"]);
    await check(graph);
  });
});

describe("lanes that part, but are no numbers,", () => {
  const rows = shaped("f32", 6, 40);
  gpuTest("run in lockstep: a while", async () => {
    const types = [matrix, rows, shaped("i32", 6)];
    const cond = graphOf(types, (_m, x) => [ops.gt(ops.reduceSum(ops.abs(x), [1]), ops.fill(f32(0.5), [6]))]);
    const body = graphOf(types, (m, x, n) => [
      ops.mul(ops.add(ops.dotGeneral(x, m, { contract: [[1], [0]], batch: [[], []] }), x), ops.fill(f32(0.5), [6, 40])),
      ops.add(n, ops.fill(i32(1), [6])),
    ]);
    const graph = graphOf([matrix, rows], (m, x) => {
      const start = ops.fill(i32(0), [6]);
      return bind(whileOp, [m, x, start], { cond, body, consts: 1, lanes: 1 });
    });
    expect(kernelsOf(graph)).toContain("region");
    await check(graph);
  });

  gpuTest("run in lockstep: a switch", async () => {
    const types = [matrix, rows];
    const branches = [
      graphOf(types, (m, x) => [ops.dotGeneral(x, m, { contract: [[1], [0]], batch: [[], []] })]),
      graphOf(types, (_m, x) => [ops.neg(x)]),
    ];
    const graph = graphOf([shaped("i32", 6), ...types], (index, m, x) =>
      bind(switchOp, [index, m, x], { branches, lanes: 1 }),
    );
    await check(graph);
  });
});

test("regions bind no more buffers than a device has", () => {
  for (const graph of [recurrence(3, false), halving(1)]) {
    for (const { reads, writes, guards } of compileGraph(graph, baseLimits).dispatches)
      expect(reads.length + writes.length + guards.length).toBeLessThanOrEqual(baseLimits.maxStorageBuffers);
  }
});
