// Second derivatives under vmap: Rosenbrock's valley, its Hessian at many points, and Newton's method from many starts.
//
//   npx tsx examples/rosenbrock.ts
//
// Every step prints what was computed beside what is expected. The program ends with exit code 1 if anything differs.
import { grad, hessian, jit, sqrt, stack, type Tensor, tensor, vmap } from "lanewise";
import { check, checkAll, checkBelow, finish, heading, showDevice } from "./support/check.js";

await showDevice();

/** Σ 100 (x[i+1] − x[i]²)² + (1 − x[i])²: a curved valley whose lowest point is (1, …, 1). f32[n] -> f32[] */
function rosenbrock(x: Tensor): Tensor {
  const [left, right] = [x.slice([0, -1]), x.slice([1])];
  const across = right.sub(left.square()).square().mul(100);
  const along = left.sub(1).square();
  return across.add(along).sum();
}

heading("At the lowest point, in two dimensions");

const lowest = tensor([1, 1]);
await check("gradient", grad(rosenbrock)(lowest), [0, 0]);
await check("Hessian", hessian(rosenbrock)(lowest), [
  [802, -400],
  [-400, 200],
]);

heading("At 1000 points in six dimensions");

const COUNT = 1000;
const SIZE = 6;
const samples = Float32Array.from({ length: COUNT * SIZE }, (_, k) => 2 * Math.sin(k * 1.7 + Math.sin(k)));
const points = tensor(samples, { shape: [COUNT, SIZE] });
const rows = Array.from({ length: COUNT }, (_, k) => [...samples.subarray(k * SIZE, (k + 1) * SIZE)]);

const gradients = jit(vmap(grad(rosenbrock)));
const hessians = jit(vmap(hessian(rosenbrock)));
await checkAll("gradients, beside the formula", gradients(points), rows.flatMap(gradientOf), 1e-6);
await checkAll("Hessians, beside the formula", hessians(points), rows.flatMap(hessianOf), 1e-6);
const { kernels: hessianKernels } = hessians.lower(points);
console.log(`All the Hessians are one call, of ${hessianKernels.length} kernels.`);

heading("Newton's method from 256 starts at once");

/** Lengths of step that are tried: 1, ½, ¼, … and none. */
const lengths = tensor([...Array.from({ length: 12 }, (_, k) => 2 ** -k), 0]);

/** One step from x, downhill whatever the curvature there. f32[2] -> f32[2] */
function newtonStep(x: Tensor): Tensor {
  const slope = grad(rosenbrock)(x);
  const curvature = hessian(rosenbrock)(x);
  const [a, b, c] = [curvature.at(0, 0), curvature.at(0, 1), curvature.at(1, 1)];

  // where the smaller eigenvalue of [[a, b], [b, c]] is below 1, the diagonal is raised until it is 1
  const smaller = a
    .add(c)
    .sub(sqrt(a.sub(c).square().add(b.square().mul(4))))
    .div(2);
  const raise = smaller.neg().add(1).maximum(0);
  const [p, q] = [a.add(raise), c.add(raise)];

  const [u, v] = [slope.at(0), slope.at(1)];
  const determinant = p.mul(q).sub(b.square());
  const step = stack([q.mul(u).sub(b.mul(v)), p.mul(v).sub(b.mul(u))]).div(determinant);

  const tries = vmap((length: Tensor) => x.sub(step.mul(length)))(lengths);
  return tries.take(vmap(rosenbrock)(tries).argmin(), 0);
}

const side = Array.from({ length: 16 }, (_, k) => -2 + (4 * k) / 15);
const starts = tensor(side.flatMap((x) => side.map((y) => [x, y])));
const newton = jit(vmap(newtonStep));
const heights = jit(vmap(rosenbrock));

const STEPS = 36;
let xs = starts;
for (let k = 0; k < STEPS; k++) {
  if (k % 6 === 0) console.log(`after ${String(k).padStart(2)} steps the highest is ${await height(xs)}`);
  xs = newton(xs);
}
const { kernels } = newton.lower(starts);
console.log(`A step for all of them is one call, of ${kernels.length} kernels.`);
const distance = xs.sub(lowest).abs().max();
checkBelow(`farthest from (1, 1) after ${STEPS} steps`, (await distance.item()) as number, 1e-3);
const flat = vmap(grad(rosenbrock))(xs).abs().max();
checkBelow("steepest slope there", (await flat.item()) as number, 1e-2);

finish();

async function height(xs: Tensor): Promise<string> {
  return Number(await heights(xs).max().item()).toExponential(1);
}

// Derivatives by hand, in 64 bits.

function gradientOf(x: readonly number[]): number[] {
  return x.map((at, i) => {
    const next = x[i + 1];
    const before = x[i - 1];
    const asLeft = next === undefined ? 0 : -400 * at * (next - at ** 2) - 2 * (1 - at);
    const asRight = before === undefined ? 0 : 200 * (at - before ** 2);
    return asLeft + asRight;
  });
}

/** Row by row: three diagonals. */
function hessianOf(x: readonly number[]): number[] {
  return x.flatMap((at, i) =>
    x.map((other, j) => {
      if (i === j) return (i + 1 < x.length ? 1200 * at ** 2 - 400 * x[i + 1]! + 2 : 0) + (i > 0 ? 200 : 0);
      if (j === i + 1) return -400 * at;
      return j === i - 1 ? -400 * other : 0;
    }),
  );
}
