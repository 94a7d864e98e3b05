// vmap, step by step: write a function for one example, and map it over a batch.
//
//   npm run example
//
// Every step prints what was computed beside what is expected. The program ends with exit code 1 if anything differs.
import { counters, currentDevice, dot, eye, grad, jit, sin, stack, type Tensor, tensor, vjp, vmap } from "lanewise";
import { check, finish, heading, isClose, report, showDevice } from "./support/check.js";

await showDevice();
const device = await currentDevice();

heading("One example");

/** A filter w of three taps slides along the signal x. f32[n], f32[3] -> f32[n - 2] */
function convolve(x: Tensor, w: Tensor): Tensor {
  const sums: Tensor[] = [];
  for (let i = 1; i < x.size - 1; i++) {
    const window = x.slice([i - 1, i + 2]);
    sums.push(dot(window, w));
  }
  return stack(sums);
}

const x = tensor([0, 1, 2, 3, 4]);
const w = tensor([1, 2, 3]);

await check("convolve(x, w)", convolve(x, w), [8, 14, 20]);

heading("A batch of three, by hand");

const xs = stack([x, x, x]);
const ws = stack([w, w, w]);
const threeRows = [
  [8, 14, 20],
  [8, 14, 20],
  [8, 14, 20],
];

/** The loop: one call for each row. */
function convolveRows(xs: Tensor, ws: Tensor): Tensor {
  const rows: Tensor[] = [];
  for (let i = 0; i < 3; i++) rows.push(convolve(xs.at(i), ws.at(i)));
  return stack(rows);
}

await check("a loop over the rows", convolveRows(xs, ws), threeRows);

/** Vectorised by hand: every index of `convolve` had to be thought over again. f32[b, n], f32[b, 3] -> f32[b, n - 2] */
function convolveBatch(xs: Tensor, ws: Tensor): Tensor {
  const sums: Tensor[] = [];
  for (let i = 1; i < xs.shape[1]! - 1; i++) {
    const windows = xs.slice(null, [i - 1, i + 2]);
    sums.push(windows.mul(ws).sum(1));
  }
  return stack(sums, 1);
}

await check("vectorised by hand", convolveBatch(xs, ws), threeRows);

heading("The same batch by vmap");

await check("vmap(convolve)(xs, ws)", vmap(convolve)(xs, ws), threeRows);

heading("Batches along other axes");

// ws.T holds a filter in each column, and the results are wanted as columns too
const columns = vmap(convolve, { inAxes: [0, 1], outAxes: 1 })(xs, ws.T);
await check("vmap(convolve, { inAxes: [0, 1], outAxes: 1 })(xs, ws.T).T", columns.T, threeRows);

// null: one filter for the whole batch
await check("vmap(convolve, { inAxes: [0, null] })(xs, w)", vmap(convolve, { inAxes: [0, null] })(xs, w), threeRows);

heading("vmap of vmap: every signal with every filter");

const hyperX = tensor([
  [1, 2, 3, 4, 5],
  [2, 3, 4, 5, 6],
  [3, 4, 5, 6, 7],
]);
const hyperW = tensor([
  [1, 1, 1],
  [2, 2, 2],
  [3, 3, 3],
]);
await check(
  "vmap(vmap(convolve, [null, 0]), [0, null])(hyperX, hyperW)",
  vmap(vmap(convolve, [null, 0]), [0, null])(hyperX, hyperW),
  [
    [
      [6, 9, 12],
      [12, 18, 24],
      [18, 27, 36],
    ],
    [
      [9, 12, 15],
      [18, 24, 30],
      [27, 36, 45],
    ],
    [
      [12, 15, 18],
      [24, 30, 36],
      [36, 45, 54],
    ],
  ],
);

heading("4096 signals of 1024 samples");

const ROWS = 4096;
const COLUMNS = 1024;

/** The same convolution, for long signals: three slices in place of a thousand windows. */
function convolveLong(x: Tensor, w: Tensor): Tensor {
  const left = x.slice([0, -2]).mul(w.at(0));
  const middle = x.slice([1, -1]).mul(w.at(1));
  const right = x.slice([2]).mul(w.at(2));
  return left.add(middle).add(right);
}

/** As above, vectorised by hand. */
function convolveLongBatch(xs: Tensor, w: Tensor): Tensor {
  const left = xs.slice(null, [0, -2]).mul(w.at(0));
  const middle = xs.slice(null, [1, -1]).mul(w.at(1));
  const right = xs.slice(null, [2]).mul(w.at(2));
  return left.add(middle).add(right);
}

const samples = Float32Array.from({ length: ROWS * COLUMNS }, (_, i) => Math.sin(i / 40) + 0.3 * Math.sin(i / 3));
const signals = tensor(samples, { shape: [ROWS, COLUMNS] });
const filter = tensor([0.25, 0.5, 0.25]);

// the loop: one compiled function, to which the number of the row is a value like any other
const convolveRow = jit((signals: Tensor, i: Tensor, w: Tensor) => convolveLong(signals.at(i), w));
const rowNumbers = Array.from({ length: ROWS }, (_, i) => tensor(i, { dtype: "i32" }));
const byHand = jit(convolveLongBatch);
const mapped = jit(vmap(convolveLong, [0, null]));

/** Each gives all rows in one tensor; the loop in 4096, which spares it the time to stack them. */
const ways: Readonly<Record<string, () => readonly Tensor[]>> = {
  "loop over the rows": () => rowNumbers.map((i) => convolveRow(signals, i, filter)),
  "vectorised by hand": () => [byHand(signals, filter)],
  vmap: () => [mapped(signals, filter)],
};

const convolved = convolvedInJavaScript(samples, [0.25, 0.5, 0.25]);
for (const [title, run] of Object.entries(ways)) await checkAll(title, run(), convolved);

const [loopCost, handCost, vmapCost] = (await compare(Object.values(ways))) as [Cost, Cost, Cost];
console.log();
console.table({ "loop over the rows": loopCost, "vectorised by hand": handCost, vmap: vmapCost });
const times = (loopCost.ms / vmapCost.ms).toPrecision(2);
console.log(`vmap is ${times} times as fast as the loop. It runs the same kernel as the code vectorised by hand,`);
console.log("so any difference between these two is chance:\n");

const { kernels, wgsl } = mapped.lower(signals, filter);
const withoutComments = (code: readonly string[]): string => code.join().replaceAll(/\/\/.*\n/g, "");
const isSame = withoutComments(wgsl) === withoutComments(byHand.lower(signals, filter).wgsl);
report("kernels that vmap compiles to", kernels.length === 1, String(kernels.length), "1");
report("their WGSL and that of the code vectorised by hand", isSame, isSame ? "the same" : "different", "the same");

// the loop of windows as it was first written, at length 64: the windows are parts of one kernel
const short = signals.slice(null, [0, 64]);
const windows = jit(vmap(convolve, [0, null]));
const windowKernels = windows.lower(short, filter).kernels.length;
report("kernels of the loop of 62 windows", windowKernels === 1, String(windowKernels), "1");
const apart = windows(short, filter).sub(mapped(short, filter)).abs().max();
await check("whether it is more than 1e-5 away from the three slices", apart.gt(1e-5).astype("i32"), 0);

heading("Gradients, of a batch and in a batch");

/** Per example: Σ sin(x + 2y). */
const wave = (x: Tensor, y: Tensor): Tensor => sin(x.add(y.mul(2))).sum();

const waveX = tensor([
  [1, 2, 3],
  [2, 3, 4],
]);
const waveY = tensor([
  [2, 3, 4],
  [3, 4, 5],
]);
// cos(x + 2y), and twice that for y
const dx = [
  [0.2836622, -0.1455, 0.0044257],
  [-0.1455, 0.0044257, 0.1367372],
];
const dy = dx.map((row) => row.map((d) => 2 * d));

const [ofBatchX, ofBatchY] = grad(vmap(wave), { argnums: [0, 1] })(waveX, waveY);
await check("grad(vmap(wave)), by x", ofBatchX, dx);
await check("grad(vmap(wave)), by y", ofBatchY, dy);
const [inBatchX, inBatchY] = vmap(grad(wave, { argnums: [0, 1] }))(waveX, waveY);
await check("vmap(grad(wave)), by x", inBatchX, dx);
await check("vmap(grad(wave)), by y", inBatchY, dy);

// a Jacobian: the way back of one vjp, for every unit vector at once
const [, back] = vjp((x: Tensor) => convolve(x, w), x);
const [jacobian] = vmap(back)(eye(3));
await check("the Jacobian of convolve(x, w), by vmap of vjp", jacobian, [
  [1, 2, 3, 0, 0],
  [0, 1, 2, 3, 0],
  [0, 0, 1, 2, 3],
]);

finish();

// What the steps above are checked and timed with.

/** Compares every element of results that follow one another with numbers in 64 bits. */
async function checkAll(title: string, results: readonly Tensor[], expected: Float64Array): Promise<void> {
  let count = 0;
  let wrong = 0;
  let worst = 0;
  for (const result of results) {
    for (const value of await result.data()) {
      const want = expected[count++] ?? Number.NaN;
      if (!isClose(value, want)) wrong++;
      worst = Math.max(worst, Math.abs(value - want));
    }
    result.dispose();
  }
  const isRight = count === expected.length && wrong === 0;
  const computed = `${count} numbers, at most ${worst.toExponential(1)} off${wrong > 0 ? `, ${wrong} of them too far` : ""}`;
  report(title, isRight, computed, `${expected.length} numbers, at most 1.0e-5 off`);
}

function convolvedInJavaScript(samples: Float32Array, [first, second, third]: readonly [number, number, number]) {
  const width = COLUMNS - 2;
  return Float64Array.from({ length: ROWS * width }, (_, k) => {
    const at = Math.floor(k / width) * COLUMNS + (k % width);
    return samples[at]! * first + samples[at + 1]! * second + samples[at + 2]! * third;
  });
}

interface Cost {
  readonly kernels?: number;
  readonly ms: number;
  readonly "peak MiB": number;
}

/** Times are medians of seven runs, taken in turns, each from the call until an element of the last result was read. */
async function compare(runs: readonly (() => readonly Tensor[])[]): Promise<Cost[]> {
  const times = runs.map((): number[] => []);
  for (let round = 0; round < 7; round++) {
    for (let turn = 0; turn < runs.length; turn++) {
      const k = (round + turn) % runs.length;
      const start = performance.now();
      const results = runs[k]!();
      const last = results.at(-1)!;
      await last.at(...last.shape.map(() => -1)).item();
      times[k]!.push(performance.now() - start);
      for (const result of results) result.dispose();
    }
  }
  const costs: Cost[] = [];
  for (const [k, run] of runs.entries()) {
    const before = counters();
    const results = run();
    const bytes = (signals.size + filter.size) * 4 + counters().liveBytes - before.liveBytes; // nothing is freed yet
    await results.at(-1)!.data();
    costs.push({
      ...(device.kind === "gpu" && { kernels: counters().dispatches - before.dispatches }),
      ms: Number(times[k]!.sort((a, b) => a - b)[3]!.toPrecision(3)),
      "peak MiB": Number((bytes / 2 ** 20).toFixed(1)),
    });
    for (const result of results) result.dispose();
  }
  return costs;
}
