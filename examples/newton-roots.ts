// Kepler's equation for a hundred thousand orbits: Newton's method in plain JavaScript, where each root stops by itself.
//
//   npx tsx examples/newton-roots.ts
//
// How many steps a root takes depends on its orbit, and every lane of the one kernel leaves its loop when it is done.
// Roots are checked by putting them into the equation in 64 bits. Derivatives go through the loop in forward mode. The
// program ends with exit code 1 if anything differs.
import { currentDevice, jit, jvp, linspace, type Tensor, vmap } from "lanewise";
import { checkAll, checkBelow, finish, heading, report, showDevice } from "./support/check.js";

await showDevice();

const MOST = 50;

/** Newton's steps for E − e sin E = M: where a planet is that has gone the part M of its orbit. M from 0 to π. */
function kepler(mean: number, eccentricity: number): { root: number; steps: number } {
  let root = eccentricity < 0.8 ? mean : Math.PI;
  let steps = 0;
  for (;;) {
    const off = root - eccentricity * Math.sin(root) - mean;
    const step = off / (1 - eccentricity * Math.cos(root));
    root -= step;
    steps++;
    if (Math.abs(step) < 1e-6 || steps === MOST) break;
  }
  return { root, steps };
}

heading("Roots");

const { kind } = await currentDevice();
const [anomalies, shapes] = kind === "gpu" ? [400, 250] : [100, 50];
const means = linspace(0.01, Math.PI, anomalies);
const eccentricities = linspace(0, 0.95, shapes);

const solve = jit(vmap(vmap(kepler, [0, null]), [null, 0]));
const { root, steps } = solve(means, eccentricities);
const [M, e] = [await means.data(), await eccentricities.data()];
const [E, taken] = [await root.data(), await steps.data()];

let worst = 0;
E.forEach((at, i) => {
  const off = at - e[Math.floor(i / anomalies)]! * Math.sin(at) - M[i % anomalies]!;
  worst = Math.max(worst, Math.abs(off));
});
checkBelow(`largest residual of ${E.length} roots`, worst, 3e-6);

const histogram = new Map<number, number>();
for (const n of taken) histogram.set(n, (histogram.get(n) ?? 0) + 1);
for (const [n, count] of [...histogram].sort(([a], [b]) => a - b)) {
  console.log(`${String(n).padStart(2)} steps ${"█".repeat(Math.ceil((60 * count) / E.length))} ${count}`);
}
const most = Math.max(...histogram.keys());
report(
  "lanes stop at different steps, none at the limit",
  histogram.size > 2 && most < MOST,
  `${most} at most`,
  `below ${MOST}`,
);

// the rounding of 32 bits decides a step more or less at times
let near = 0;
taken.forEach((n, i) => {
  if (Math.abs(n - kepler(M[i % anomalies]!, e[Math.floor(i / anomalies)]!).steps) <= 1) near++;
});
report(
  "steps beside the same function run by Node",
  near >= 0.99 * E.length,
  `${near} of ${E.length} as many, or one apart`,
  "99 % of them",
);
const { kernels } = solve.lower(means, eccentricities);
report("kernels", kernels.length === 1, `${kernels.length}`, "1");

heading("Derivatives through the loop");

/** How fast the planet moves: E by M, in forward mode. */
const speed = (mean: Tensor, eccentricity: Tensor): Tensor =>
  jvp((m: number, k: number) => kepler(m, k).root, [mean, eccentricity], [1, 0])[1];
const speeds = jit(vmap(vmap(speed, [0, null]), [null, 0]))(means, eccentricities);
const wanted = Array.from(E, (at, i) => 1 / (1 - e[Math.floor(i / anomalies)]! * Math.cos(at)));
await checkAll("dE/dM, beside 1 / (1 − e cos E)", speeds, wanted, 1e-4);

finish();
