// A product of two square matrices.
import { jit as jaxJit, numpy as np } from "@jax-js/jax";
import { jit, matmul as product, type Tensor, tensor } from "lanewise";
import { type Case, type Machine, numbers } from "../case.js";
import { jaxJs } from "../jax-js.js";
import { lanewise } from "../lanewise.js";

const sizeOn = ({ isQuick, isSoftware }: Machine): number => (isQuick ? 256 : isSoftware ? 512 : 1024);

export const matmul: Case = {
  name: "matmul",
  title: "product of two matrices [1024, 1024], on software adapters [512, 512]",
  timed: "run",
  calls: 4,
  repeats: 1,
  tolerance: 1e-5,
  contestants(machine) {
    const n = sizeOn(machine);
    const [dataA, dataB] = [numbers(n * n, 1), numbers(n * n, 2)];
    const shape = [n, n];
    const [a, b] = [tensor(dataA, { shape }), tensor(dataB, { shape })];
    const ours = jit((a: Tensor, b: Tensor) => product(a, b));
    const [jaxA, jaxB] = [np.array(dataA, { shape }), np.array(dataB, { shape })];
    const theirs = jaxJit((a: np.Array, b: np.Array) => np.matmul(a, b));
    const contestants = [lanewise(() => ours(a, b)), jaxJs(() => theirs(jaxA.ref, jaxB.ref))];
    const { byHand } = machine;
    if (byHand) {
      const c = byHand.buffer(n * n);
      const step = byHand.step(tiled(n), [byHand.buffer(dataA), byHand.buffer(dataB), c], [n / TILE, n / TILE]);
      contestants.push(byHand.contestant([step], c));
    }
    return contestants;
  },
};

const TILE = 64;
const DEPTH = 16;

/** A workgroup of 16 x 16 computes a tile of 64 x 64 through workgroup memory, each invocation 4 x 4 of it. */
const tiled = (n: number): string => `
  @group(0) @binding(0) var<storage, read> a: array<vec4f>;
  @group(0) @binding(1) var<storage, read> b: array<vec4f>;
  @group(0) @binding(2) var<storage, read_write> c: array<vec4f>;

  var<workgroup> left: array<array<f32, ${TILE}>, ${DEPTH}>; // transposed: the entries of a column side by side
  var<workgroup> right: array<array<vec4f, ${TILE / 4}>, ${DEPTH}>;

  @compute @workgroup_size(16, 16)
  fn main(
    @builtin(workgroup_id) tile: vec3u,
    @builtin(local_invocation_id) id: vec3u,
    @builtin(local_invocation_index) lane: u32,
  ) {
    var sums: array<vec4f, 4>;
    for (var k = 0u; k < ${n}u; k += ${DEPTH}u) {
      let row = lane / 4u;
      let entries = a[((tile.y * ${TILE}u + row) * ${n}u + k) / 4u + lane % 4u];
      for (var i = 0u; i < 4u; i++) { left[lane % 4u * 4u + i][row] = entries[i]; }
      right[lane / 16u][lane % 16u] = b[((k + lane / 16u) * ${n}u + tile.x * ${TILE}u) / 4u + lane % 16u];
      workgroupBarrier();
      for (var d = 0u; d < ${DEPTH}u; d++) {
        let across = right[d][id.x];
        for (var i = 0u; i < 4u; i++) { sums[i] += left[d][id.y * 4u + i] * across; }
      }
      workgroupBarrier();
    }
    for (var i = 0u; i < 4u; i++) {
      c[((tile.y * ${TILE}u + id.y * 4u + i) * ${n}u + tile.x * ${TILE}u) / 4u + id.x] = sums[i];
    }
  }
`;
