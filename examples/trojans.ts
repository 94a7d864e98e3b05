// Trojan asteroids: thousands of orbits beside Jupiter by Runge and Kutta in plain JavaScript, each followed until it leaves.
//
//   npx tsx examples/trojans.ts [--side N]
//
// The restricted three-body problem: asteroids start at rest around the point L4, 60° ahead of Jupiter. Each is followed
// for ten revolutions, or until it strays too far; all of it is one kernel, with a loop that each lane leaves by itself.
// What must not change along an orbit is compared with its start, and some orbits with the same functions run by Node in
// 64 bits. The program ends with exit code 1 if anything differs.
import { parseArgs } from "node:util";
import { currentDevice, jit, linspace, vmap } from "lanewise";
import { checkBelow, finish, heading, report, showDevice } from "./support/check.js";

/** Jupiter's part of the mass; the Sun has the rest. Their distance and Jupiter's angular speed are 1. */
const MU = 9.54e-4;
const STEPS = 2000;
const DT = (10 * 2 * Math.PI) / STEPS;
/** An asteroid that far from L4 has left. */
const FAR = 0.75;
const L4 = { x: 0.5 - MU, y: Math.sqrt(3) / 2 };

/** Place and velocity, seen from a frame that turns with Jupiter. */
type Orbit = readonly [x: number, y: number, vx: number, vy: number];

function cubeOfDistance(x: number, y: number): number {
  const square = x * x + y * y;
  return square * Math.sqrt(square);
}

/** How fast an orbit changes: velocity and acceleration. */
function flow([x, y, vx, vy]: Orbit): Orbit {
  const sun = (1 - MU) / cubeOfDistance(x + MU, y);
  const jupiter = MU / cubeOfDistance(x - 1 + MU, y);
  const ax = 2 * vy + x - sun * (x + MU) - jupiter * (x - 1 + MU);
  const ay = -2 * vx + y - (sun + jupiter) * y;
  return [vx, vy, ax, ay];
}

const move = (a: Orbit, b: Orbit, by: number): Orbit => [
  a[0] + by * b[0],
  a[1] + by * b[1],
  a[2] + by * b[2],
  a[3] + by * b[3],
];

/** Jacobi's constant: the energy of the turning frame. */
function jacobi([x, y, vx, vy]: Orbit): number {
  const potential = (1 - MU) / Math.hypot(x + MU, y) + MU / Math.hypot(x - 1 + MU, y);
  return x * x + y * y + 2 * potential - vx * vx - vy * vy;
}

/** Steps that an asteroid stays which starts at rest, and how far Jacobi's constant is off by then. */
function follow(x: number, y: number): { steps: number; drift: number } {
  let orbit: Orbit = [x, y, 0, 0];
  const start = jacobi(orbit);
  let steps = 0;
  for (let k = 0; k < STEPS; k++) {
    const k1 = flow(orbit);
    const k2 = flow(move(orbit, k1, DT / 2));
    const k3 = flow(move(orbit, k2, DT / 2));
    const k4 = flow(move(orbit, k3, DT));
    orbit = move(move(move(move(orbit, k1, DT / 6), k2, DT / 3), k3, DT / 3), k4, DT / 6);
    steps++;
    const [dx, dy] = [orbit[0] - L4.x, orbit[1] - L4.y];
    if (dx * dx + dy * dy > FAR * FAR) break;
  }
  return { steps, drift: Math.abs(jacobi(orbit) - start) };
}

await showDevice();
const side = await readSide();

heading(`${side} × ${side} asteroids around L4`);

const REACH = 0.06;
const xs = linspace(L4.x - REACH, L4.x + REACH, side);
const ys = linspace(L4.y - REACH, L4.y + REACH, side);
const followAll = jit(vmap(vmap(follow, [0, null]), [null, 0]));
const began = performance.now();
const { steps, drift } = followAll(xs, ys);
const [stays, drifts] = [await steps.data(), await drift.data()];
console.log(`${((performance.now() - began) / 1000).toFixed(2)} s, compiling included`);

const SHADES = " ·:+*#";
const SHOWN = Math.min(side, 32);
for (let row = SHOWN - 1; row >= 0; row -= 2) {
  const at = Math.floor((row * side) / SHOWN) * side;
  const line = Array.from({ length: SHOWN }, (_, k) => stays[at + Math.floor((k * side) / SHOWN)]!);
  console.log(line.map((n) => SHADES[Math.floor((n / STEPS) * (SHADES.length - 1))]).join(""));
}
const stayed = stays.filter((n) => n === STEPS).length;
report(
  "some stay all the time, and some leave",
  stayed > 0 && stayed < stays.length,
  `${stayed} of ${stays.length} stay`,
  "more than none, fewer than all",
);
checkBelow("Jacobi's constant is off by", Math.max(...drifts), 1e-4);

const [atX, atY] = [await xs.data(), await ys.data()];
const SAMPLES = 200;
let near = 0;
for (let k = 0; k < SAMPLES; k++) {
  const i = Math.floor((k * stays.length) / SAMPLES);
  const wanted = follow(atX[i % side]!, atY[Math.floor(i / side)]!).steps;
  if (Math.abs(stays[i]! - wanted) <= 0.01 * STEPS) near++;
}
report(
  `${SAMPLES} orbits beside the same functions run by Node`,
  near >= 0.97 * SAMPLES,
  `${near} stay as long`,
  `${0.97 * SAMPLES} at least`,
);
const { kernels } = followAll.lower(xs, ys);
report("kernels", kernels.length === 1, `${kernels.length}`, "1");

finish();

/** Asteroids along each side of the square; fewer where there is no GPU, or a program stands in for it. */
async function readSide(): Promise<number> {
  const { kind, isSoftware } = await currentDevice();
  const usual = kind === "cpu" ? "16" : isSoftware ? "96" : "512";
  const { values } = parseArgs({ options: { side: { type: "string", default: usual } } });
  const given = Number(values.side);
  if (Number.isInteger(given) && given > 1) return given;
  console.error(`--side ${values.side}: a whole number from 2 is wanted`);
  process.exit(2);
}
