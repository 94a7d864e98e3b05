// Ops without a batching rule under vmap: one lane after the other, with a warning, and the numbers of a loop.
import { grad, jit, jvp, setDevice, Tensor, tensor, tools, vmap } from "lanewise";
import { afterAll, beforeEach, describe, expect, type MockInstance, test, vi } from "vitest";
import { collectPrograms } from "../../cli/dump/collect.js";
import type { DumpRecord, ProgramRecord } from "../../cli/dump/record.js";
import { showProgram } from "../../cli/dump/show.js";
import { aval } from "../../compiler/core/aval.js";
import { allocate } from "../../compiler/core/dtype.js";
import type { OpaqueOp } from "../../compiler/ir/op.js";
import { add, fill, flip } from "../../compiler/ops/index.js";
import { constant } from "../../compiler/trace/create.js";
import { bind } from "../../compiler/trace/trace.js";
import type { TransformEvent } from "../../compiler/transforms/observe.js";
import { gpuTest, hasGpu } from "../support/gpu.js";

/** Running sums and the total of x: f32[n], from `start`: f32[]. It is in no registry. */
const makeOp = (): OpaqueOp => {
  const op: OpaqueOp = {
    name: "runningSum",
    kind: "opaque",
    samples: [],
    ulp: 0,
    typeOf: ([x]) => [x!, aval("f32", [])],
    cpu([x, start], _params, { wide }, outputs) {
      const [sums, total] = outputs.map(({ dtype, shape }) => ({
        dtype,
        shape,
        data: allocate(
          dtype,
          shape.reduce((a, b) => a * b, 1),
          wide,
        ),
      }));
      let sum = start!.data[0]!;
      x!.data.forEach((element, i) => {
        sum = wide ? sum + element : Math.fround(sum + element);
        sums!.data[i] = sum;
      });
      total!.data[0] = sum;
      return [sums!, total!];
    },
    kernels: ([x]) => ({
      scratch: [],
      dispatches: [
        {
          wgsl: `
            @compute @workgroup_size(1)
            fn main() {
              var sum = in1[0];
              for (var i = 0u; i < ${x!.shape[0]}u; i++) { sum += in0[i]; out0[i] = sum; }
              out1[0] = sum;
            }`,
          reads: ["in0", "in1"],
          writes: ["out0", "out1"],
          workgroups: [1, 1, 1],
        },
      ],
    }),
    jvp: ([dx, dstart], [x]) => bind(op, [dx ?? fill(constant(0), x!.aval.shape), dstart ?? constant(0)], {}),
    transpose([ctSums, ctTotal], _operands, [x]) {
      const zeros = fill(constant(0), x!.shape);
      const [sums, total] = bind(op, [flip(ctSums ?? zeros, [0]), ctTotal ?? constant(0)], {});
      return [flip(sums!, [0]), total];
    },
  };
  return op;
};

const op = makeOp();
const running = (x: Tensor, start: Tensor | number = 0): [Tensor, Tensor] =>
  bind(op, [x, start instanceof Tensor ? start : constant(start)], {}) as [Tensor, Tensor];

const warn: MockInstance<typeof console.warn> = vi.spyOn(console, "warn").mockImplementation(() => undefined);
beforeEach(() => void warn.mockClear());
afterAll(() => {
  warn.mockRestore();
  setDevice("auto");
});

const matrix = (rows: number, columns: number): number[][] =>
  Array.from({ length: rows }, (_, i) => Array.from({ length: columns }, (_, j) => (i * 5 + j * 3) % 7));

const sumsOf = (row: readonly number[], start = 0): number[] =>
  row.map((_, j) => row.slice(0, j + 1).reduce((a, b) => a + b, start));

test("the user is told once for each op, with the line", () => {
  setDevice("cpu");
  const own = makeOp();
  const f = (x: Tensor): Tensor => bind(own, [x, constant(0)], {})[0]!;
  vmap(f)(tensor(matrix(3, 4)));
  vmap(f)(tensor(matrix(2, 4)));
  expect(warn).toHaveBeenCalledTimes(1);
  expect(warn.mock.calls[0]![0]).toMatch(
    /^lanewise: vmap runs runningSum for one lane after the other, 3 times: it has no batching rule\n {2}give it one, which takes all lanes at once: the field batch of its record\n {2}at f \(.*lane-by-lane\.test\.ts:\d+\)$/,
  );
  warn.mockClear();
  vmap((x: Tensor) => x)(tensor(matrix(3, 4)));
  vmap((_x: Tensor) => running(tensor([1, 2]))[0])(tensor(matrix(3, 4))); // no lane differs
  expect(warn).not.toHaveBeenCalled();
});

describe.each(hasGpu ? (["cpu", "gpu"] as const) : (["cpu"] as const))("on the %s", (kind) => {
  beforeEach(() => setDevice(kind));

  test("lanes are what a loop gives, along any axes and however many", async () => {
    for (const size of kind === "cpu" ? [0, 1, 2, 10] : [0, 3]) {
      const rows = matrix(size, 4);
      const x = size === 0 ? tensor([], { dtype: "f32" }).reshape([0, 4]) : tensor(rows);
      const starts = tensor(Float32Array.from({ length: size }, (_, i) => i));
      const [sums, totals] = vmap(running)(x, starts);
      expect(await sums.toArray()).toEqual(rows.map((row, i) => sumsOf(row, i)));
      expect(await totals.toArray()).toEqual(rows.map((row, i) => sumsOf(row, i).at(-1)));
      const along = vmap(running, { inAxes: [1, null], outAxes: [1, 0] });
      const [columns] = along(x.transpose(), tensor(2));
      expect(await columns.transpose().toArray()).toEqual(rows.map((row) => sumsOf(row, 2)));
      const [same] = vmap(running, [null, 0])(tensor([1, 2]), starts);
      expect(await same.toArray()).toEqual(rows.map((_, i) => sumsOf([1, 2], i)));
    }
  });

  test("also nested, differentiated and compiled", async () => {
    const rows = matrix(3, 4);
    const cube = tensor([rows, matrix(3, 4)]);
    const nested = jit(vmap(vmap((x: Tensor) => running(x)[0])));
    expect(await nested(cube).toArray()).toEqual([0, 1].map(() => rows.map((row) => sumsOf(row))));

    const loss = (x: Tensor, w: Tensor): Tensor => {
      const [sums, total] = running(x.mul(w));
      return sums.mul(sums).sum().add(total);
    };
    const w = tensor([1, -1, 2, 0.5]);
    const each = await Promise.all(rows.map((row) => grad(loss)(tensor(row), w).toArray()));
    expect(await jit(vmap(grad(loss), [0, null]))(tensor(rows), w).toArray()).toEqual(each);
    expect(await grad(vmap(loss, [0, null]))(tensor(rows), w).toArray()).toEqual(each);
    const dw = await Promise.all(rows.map((row) => grad(loss, { argnums: 1 })(tensor(row), w).data()));
    const sum = [0, 1, 2, 3].map((j) => dw.reduce((total, d) => total + d[j]!, 0));
    expect(await grad(vmap(loss, [0, null]), { argnums: 1 })(tensor(rows), w).toArray()).toEqual(sum);
    const [, tangent] = jvp(vmap(loss, [0, null]), [tensor(rows), w], [tensor(rows), tensor([0, 0, 0, 0])]);
    const slopes = each.map((d, i) => (d as number[]).reduce((total, x, j) => total + x * rows[i]![j]!, 0));
    expect(await tangent.toArray()).toEqual(slopes);
  });
});

test("transform events and the dump list which equations were run so", async () => {
  setDevice("cpu");
  const events: TransformEvent[] = [];
  const stop = tools.observeTransforms((event) => void events.push(event));
  const records: DumpRecord[] = [];
  collectPrograms(tools, (record) => void records.push(record));
  function shift(x: Tensor): Tensor {
    return add(running(x)[0], running(x.mul(2))[1].reshape([1]).add(x));
  }
  await jit(vmap(shift))(tensor(matrix(3, 4))).data();
  stop();
  const runs = events.flatMap(({ transform, laneRuns = [] }) => laneRuns.map((run) => ({ transform, ...run })));
  expect(runs.map(({ transform, op: name, lanes }) => [transform, name, lanes])).toEqual([
    ["vmap", "runningSum", 3],
    ["vmap", "runningSum", 3],
  ]);
  const program = records.findLast((record): record is ProgramRecord => record.kind === "program")!;
  expect(program.laneByLane).toHaveLength(2);
  expect(program.laneByLane[0]).toMatch(/^runningSum, 3 lanes, at running \(.*lane-by-lane\.test\.ts:\d+\)$/);
  expect(showProgram(program, 1, ["kernels"])).toContain(
    "\nlane by lane, for want of a batching rule: runningSum, 3 lanes, at running (",
  );
  await jit(vmap((x: Tensor) => x.add(1)))(tensor(matrix(3, 4))).data();
  const other = records.findLast((record): record is ProgramRecord => record.kind === "program")!;
  expect(other.laneByLane).toEqual([]);
});

gpuTest("many lanes are one small program", async () => {
  setDevice("gpu");
  const f = jit(vmap((x: Tensor) => running(x)[1]));
  const x = tensor(matrix(300, 3));
  expect(f.lower(x).wgsl.length).toBeLessThan(20);
  expect(await f(x).toArray()).toEqual(matrix(300, 3).map((row) => sumsOf(row).at(-1)));
});
