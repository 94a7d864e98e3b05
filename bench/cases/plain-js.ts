// Loops written in plain JavaScript that end at another turn for each lane.
import { arange, jit, type Tensor, tensor, vmap } from "lanewise";
import type { Case, Machine } from "../case.js";
import type { Contestant } from "../contestant.js";
import { lanewise } from "../lanewise.js";

const TURNS = 100;

/** Turns until z² + c has left the circle of radius 2. */
const mandelbrot = (cx: number, cy: number): number => {
  let [x, y, n] = [0, 0, 0];
  while (n < TURNS && x * x + y * y < 4) {
    [x, y] = [x * x - y * y + cx, 2 * x * y + cy];
    n++;
  }
  return n;
};

/** Steps of Collatz from n to 1. */
const collatz = (n: number): number => {
  let count = 0;
  while (n !== 1) {
    n = (n & 1) === 0 ? n >> 1 : 3 * n + 1;
    count++;
  }
  return count;
};

export const mandelbrotCase: Case = {
  name: "mandelbrot",
  title: `plain JavaScript: ${TURNS} turns of z² + c at most, for [1024, 1024] points`,
  timed: "run",
  calls: 2,
  repeats: 2,
  tolerance: 0,
  // on the rim a rounding decides how many turns there are
  strays: 1e-3,
  usesJax: true,
  contestants(machine) {
    const size = machine.isQuick ? 128 : 1024;
    const from = (least: number): Float32Array<ArrayBuffer> =>
      Float32Array.from({ length: size }, (_, i) => Math.fround(Math.fround(Math.fround(i / size) * 2.5) + least));
    const [cx, cy] = [from(-2), from(-1.25)];
    const image = jit(vmap(vmap(mandelbrot, [0, null]), [null, 0]));
    const [xs, ys] = [tensor(cx), tensor(cy)];
    const wgsl = `
      @group(0) @binding(0) var<storage, read> xs: array<f32>;
      @group(0) @binding(1) var<storage, read> ys: array<f32>;
      @group(0) @binding(2) var<storage, read_write> counts: array<f32>;

      @compute @workgroup_size(64)
      fn main(@builtin(global_invocation_id) id: vec3u) {
        let c = vec2f(xs[id.x], ys[id.y]);
        var z = vec2f();
        var n = 0;
        while (n < ${TURNS} && dot(z, z) < 4.0) {
          z = vec2f(z.x * z.x - z.y * z.y, 2.0 * z.x * z.y) + c;
          n++;
        }
        counts[id.y * ${size}u + id.x] = f32(n);
      }
    `;
    return contestants(machine, "mandelbrot", size, () => image(xs, ys), [cx, cy], size ** 2, wgsl, [size / 64, size]);
  },
};

export const collatzCase: Case = {
  name: "collatz",
  title: "plain JavaScript: steps of Collatz from each of 1 … 65536",
  timed: "run",
  calls: 8,
  repeats: 4,
  tolerance: 0,
  usesJax: true,
  contestants(machine) {
    const size = machine.isQuick ? 2 ** 10 : 2 ** 16;
    const steps = jit(vmap(collatz));
    const starts = arange(1, size + 1, 1, { dtype: "i32" });
    const bits = new Float32Array(Int32Array.from({ length: size }, (_, i) => i + 1).buffer);
    const wgsl = `
      @group(0) @binding(0) var<storage, read> starts: array<i32>;
      @group(0) @binding(1) var<storage, read_write> counts: array<f32>;

      @compute @workgroup_size(64)
      fn main(@builtin(global_invocation_id) id: vec3u) {
        var n = starts[id.x];
        var count = 0;
        while (n != 1) {
          n = select(3 * n + 1, n >> 1, (n & 1) == 0);
          count++;
        }
        counts[id.x] = f32(count);
      }
    `;
    return contestants(machine, "collatz", size, () => steps(starts), [bits], size, wgsl, [size / 64, 1]);
  },
};

function contestants(
  { byHand, jax }: Machine,
  work: string,
  size: number,
  call: () => Tensor,
  inputs: readonly Float32Array<ArrayBuffer>[],
  lanes: number,
  wgsl: string,
  workgroups: readonly [number, number],
): readonly Contestant[] {
  const list = [lanewise(call)];
  if (jax) list.push(jax.contestant(work, size));
  if (byHand) {
    const counts = byHand.buffer(lanes);
    const buffers = [...inputs.map((data) => byHand.buffer(data)), counts];
    list.push(byHand.contestant([byHand.step(wgsl, buffers, workgroups)], counts));
  }
  return list;
}
