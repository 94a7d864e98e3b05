// Ops of the user's: elementwise ones fuse, others bring dispatches; both under every transform, on both backends.
import {
  DTypeError,
  defineOp,
  grad,
  jit,
  jvp,
  ShapeError,
  setDevice,
  sum,
  type Tensor,
  TraceError,
  tensor,
  ValueError,
  vmap,
  WgslError,
  zeros,
} from "lanewise";
import { afterEach, describe, expect, test, vi } from "vitest";
import { allOps } from "../../compiler/ir/op.js";
import { parseGraph } from "../../compiler/ir/parse.js";
import { printGraph } from "../../compiler/ir/print.js";
import { gpuTest, hasGpu } from "../support/gpu.js";

setDevice("cpu");
afterEach(() => void setDevice("cpu"));

/** x · sigmoid(β x) */
const swish = defineOp({
  name: "swish",
  operands: { x: "f32", beta: "f32" },
  wgsl: "x / (1.0 + exp(-beta * x))",
  cpu: (x, beta) => x! / (1 + Math.exp(-beta! * x!)),
  jvp([dx], [x, beta], y) {
    // with σ = σ(βx): y' = σ + β y (1 − σ)
    const s = gate(x!.mul(beta!));
    return dx?.mul(s.add(beta!.mul(y).mul(s.neg().add(1))));
  },
});

const gate = defineOp({
  name: "gate",
  operands: { x: "f32" },
  wgsl: "let e = exp(-abs(x)); return select(e, 1.0, x >= 0.0) / (1.0 + e);",
  cpu: (x) => 1 / (1 + Math.exp(-x!)),
  jvp: ([dx], [_x], y) => dx?.mul(y).mul(y.neg().add(1)),
});

const isOdd = defineOp({
  name: "isOdd",
  operands: { x: "i32" },
  result: "bool",
  wgsl: "(x & 1) == 1",
  cpu: (x) => (x! & 1) === 1,
});

/** Rows of x[..., n] turned round by `shift` places, and their first elements before that. */
const turn = defineOp({
  name: "turn",
  typeOf([x], { shift }: { shift: number }) {
    if (!Number.isInteger(shift)) throw new ValueError("turn: shift is not whole");
    return [x!, { dtype: x!.dtype, shape: x!.shape.slice(0, -1) }];
  },
  cpu([x], [turned, first], { shift }) {
    const n = x!.shape.at(-1)!;
    for (let i = 0; i < x!.data.length; i++) {
      const row = i - (i % n);
      turned!.data[row + (((((i % n) + shift) % n) + n) % n)] = x!.data[i]!;
      if (i % n === 0) first!.data[i / n] = x!.data[i]!;
    }
  },
  kernel([x], _outputs, { shift }) {
    const n = x!.shape.at(-1)!;
    const size = x!.shape.reduce((a, b) => a * b, 1);
    return {
      wgsl: `@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
        let i = id.x;
        if (i >= ${size}u) { return; }
        out0[i - i % ${n}u + (i % ${n}u + ${((shift % n) + n) % n}u) % ${n}u] = in0[i];
        if (i % ${n}u == 0u) { out1[i / ${n}u] = in0[i]; }
      }`,
      workgroups: [Math.ceil(size / 64)],
    };
  },
  batch: "leading",
  jvp: ([dx], _operands, _results, params): readonly (Tensor | undefined)[] => turn(dx!, params),
  transpose([ct], _operands, [type], { shift }): readonly (Tensor | undefined)[] {
    return [ct ? turn(ct, { shift: -shift })[0] : zeros(type!.shape)];
  },
});

const x = tensor([
  [1, -2, 3],
  [0.5, 4, -1],
]);
const close = async (got: Tensor, want: Tensor): Promise<void> => {
  expect(got.shape).toEqual(want.shape);
  const [a, b] = [await got.data(), await want.data()];
  for (let i = 0; i < b.length; i++) expect(Math.abs(a[i]! - b[i]!)).toBeLessThan(1e-5);
};
/** The same of functions of ours. */
const plain = (v: Tensor, beta: number): Tensor => v.div(v.mul(-beta).exp().add(1));

for (const device of hasGpu ? (["cpu", "gpu"] as const) : (["cpu"] as const)) {
  describe(`on the ${device}`, () => {
    test("an elementwise op does what it says, at once, traced, mapped and differentiated", async () => {
      setDevice(device);
      await close(swish(x, 2), plain(x, 2));
      await close(jit((v: Tensor) => swish(v.add(1), 2).mul(3))(x), plain(x.add(1), 2).mul(3));
      await close(vmap((row: Tensor, b: Tensor) => swish(row, b))(x, tensor([1, 1])), plain(x, 1));
      await close(vmap((column: Tensor) => swish(column, 2), [1], 1)(x), plain(x, 2));
      const slope = (f: (v: Tensor) => Tensor) => grad((v: Tensor) => sum(f(v)));
      await close(slope((v) => swish(v, 2))(x), slope((v) => plain(v, 2))(x));
      await close(slope(slope((v) => swish(v, 2)))(x), slope(slope((v) => plain(v, 2)))(x));
      await close(jit(vmap(slope((v) => swish(v, 2))))(x), slope((v) => plain(v, 2))(x));
    });

    test("dtypes are those it names, and constants are scalars", async () => {
      setDevice(device);
      expect(await isOdd(tensor([1, 2, -3], { dtype: "i32" })).toArray()).toEqual([true, false, true]);
      expect(await isOdd(3).item()).toBe(1);
      expect(await isOdd(tensor([true, false])).toArray()).toEqual([true, false]);
      expect(swish(tensor([1], { dtype: "i32" }), 1).dtype).toBe("f32");
    });

    test("an op with a kernel gives several results, at once, traced, mapped and differentiated", async () => {
      setDevice(device);
      const [turned, first] = turn(x, { shift: 1 }) as [Tensor, Tensor];
      expect(await turned.toArray()).toEqual([
        [3, 1, -2],
        [-1, 0.5, 4],
      ]);
      expect(await first.toArray()).toEqual([1, 0.5]);
      const f = (v: Tensor): Tensor => turn(v.mul(2), { shift: -1 })[0]!.add(1);
      expect(await jit(f)(x).toArray()).toEqual([
        [-3, 7, 3],
        [9, -1, 2],
      ]);
      expect(await vmap((column: Tensor) => turn(column, { shift: 1 })[0]!, [1], 1)(x).toArray()).toEqual([
        [0.5, 4, -1],
        [1, -2, 3],
      ]);
      const weights = tensor([1, 10, 100]);
      const slope = grad((v: Tensor) => sum(turn(v.square(), { shift: 1 })[0]!.mul(weights)));
      expect(await slope(x).toArray()).toEqual([
        [20, -400, 6],
        [10, 800, -2],
      ]);
      expect(await jit(vmap(slope))(x).toArray()).toEqual(await slope(x).toArray());
      const [, tangent] = jvp((v: Tensor) => turn(v, { shift: 1 })[1]!, [x], [x.mul(2)]);
      expect(await (tangent as Tensor).toArray()).toEqual([2, 1]);
    });
  });
}

test("an op without a batching rule runs lane by lane", async () => {
  const last = defineOp({
    name: "last",
    typeOf: ([v]) => ({ dtype: v!.dtype, shape: [] }),
    cpu([v], [y]) {
      y!.data[0] = v!.data.at(-1)!;
    },
    kernel: ([v]) => ({
      wgsl: `@compute @workgroup_size(1) fn main() { out0[0] = in0[${v!.shape[0]! - 1}]; }`,
      workgroups: [1],
    }),
  });
  const warned = vi.spyOn(console, "warn").mockImplementation(() => undefined);
  for (const device of hasGpu ? (["cpu", "gpu"] as const) : (["cpu"] as const)) {
    setDevice(device);
    expect(await vmap((row: Tensor) => last(row.mul(2)))(x).toArray()).toEqual([6, -2]);
  }
  warned.mockRestore();
});

test("it is fused, and shown by its name", () => {
  const lowered = jit((v: Tensor) => swish(v.add(1), 2).mul(swish(v, 0.5))).lower(x);
  expect(lowered.kernels.length).toBe(1);
  expect(lowered.text("kernels")).toContain("= swish a 0.5:f32");
  expect(lowered.wgsl[0]!.match(/fn op_swish/g)).toHaveLength(1);
  const kernels = jit((v: Tensor) => turn(v.add(1), { shift: 1 })).lower(x);
  expect(kernels.text("kernels")).toContain("= turn shift=1 ");
  expect(kernels.text("kernels")).toContain("a kernel of its own");
});

test("Graphs with it are read back; the suites do not walk it", () => {
  const { graph } = jit((v: Tensor) => turn(swish(v, 2), { shift: 1 })).lower(x);
  expect(printGraph(parseGraph(printGraph(graph)))).toBe(printGraph(graph));
  expect(allOps().map((op) => op.name)).not.toContain("swish");
});

const one = { operands: { x: "f32" as const }, wgsl: "x", cpu: (v: number) => v };

test("definitions that make no sense are refused", () => {
  expect(() => defineOp({ ...one, name: "two words" })).toThrow("defineOp: 'two words' is no name for an op");
  expect(() => defineOp({ ...one, name: "sin" })).toThrow("defineOp: there is an op 'sin' already");
  expect(() => defineOp({ ...one, name: "swish" })).toThrow("there is an op 'swish' already");
  expect(() => defineOp({ name: "nothing", operands: { x: "f32" }, cpu: (v: number) => v } as never)).toThrow(
    "defineOp 'nothing': neither wgsl nor kernel is given",
  );
  expect(() => defineOp({ ...one, name: "both", kernel: () => undefined } as never)).toThrow("are both given");
  expect(() => defineOp({ ...one, name: "lame", cpu: undefined } as never)).toThrow("no cpu function given");
  expect(() => defineOp({ ...one, name: "bare", operands: {} })).toThrow("no operand given");
  expect(() => defineOp({ ...one, name: "odd", operands: { "x y": "f32" } })).toThrow(
    "'x y' is no name for an operand",
  );
  expect(() => defineOp({ ...one, name: "half", operands: { x: "f64" as never } })).toThrow(DTypeError);
});

test("calls that make no sense are refused", () => {
  expect(() => swish(x)).toThrow("swish: 1 operands given, 2 wanted: x: f32, beta: f32");
  expect(() => swish(zeros([2]), zeros([3]))).toThrow(ShapeError);
  expect(() => isOdd(zeros([2]))).toThrow("isOdd: operand x is f32[2], but i32 is wanted");
  expect(() => turn(x, { shift: 0.5 })).toThrow("shift is not whole");
  expect(() => turn(x, { shift: x } as never)).toThrow("turn: parameter 'shift' is no number");
});

test("an op without a derivative says so when one is wanted", () => {
  const rough = defineOp({ ...one, name: "rough" });
  expect(() => grad((v: Tensor) => sum(rough(v)))(x)).toThrow(TraceError);
  expect(() => grad((v: Tensor) => sum(rough(v)))(x)).toThrow("rough: this op of yours has no derivative");
  const wrong = defineOp({ ...one, name: "wrong", jvp: ([dx]) => sum(dx!) });
  expect(() => grad((v: Tensor) => sum(wrong(v)))(x)).toThrow(
    "its jvp gave f32[] for the tangent of a result f32[2,3]",
  );
});

gpuTest("WGSL that does not compile is told with the op and the compiler's words", async () => {
  setDevice("gpu");
  const typo = defineOp({ ...one, name: "typo", wgsl: "x + undefinedThing" });
  await expect(typo(x).data()).rejects.toThrow(WgslError);
  await expect(jit((v: Tensor) => typo(v).add(1))(x).data()).rejects.toThrow(
    /defineOp: the WGSL of 'typo' does not compile[\s\S]*unresolved value 'undefinedThing'/,
  );
  const broken = defineOp({
    name: "broken",
    typeOf: ([v]) => v!,
    cpu: ([v], [y]) => y!.data.set(v!.data),
    kernel: () => ({ wgsl: "@compute @workgroup_size(1) fn main() { out0[0] = 1u; }", workgroups: [1] }),
  });
  await expect(broken(x).data()).rejects.toThrow("defineOp: the WGSL of 'broken' does not compile");
  const endless = defineOp({
    name: "endless",
    typeOf: ([v]) => v!,
    cpu: ([v], [y]) => y!.data.set(v!.data),
    kernel: () => ({ wgsl: "fn other() {}", workgroups: [1] }),
  });
  await expect((async () => endless(x).data())()).rejects.toThrow("its kernel has no entry point");
});
