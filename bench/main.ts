// lanewise beside @jax-js/jax and beside WebGPU calls written by hand, on one adapter; loops also beside JAX on the CPU.
//
//   npm run bench -- [--only NAME] [--quick] [--json FILE] [--python EXE]
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { currentDevice } from "lanewise";
import { ByHand } from "./by-hand.js";
import type { Machine } from "./case.js";
import { convForward, convGradient } from "./cases/conv.js";
import { convolution } from "./cases/convolution.js";
import { chain, functions } from "./cases/elementwise.js";
import { ensemble, smallEnsemble } from "./cases/ensemble.js";
import { matmul } from "./cases/matmul.js";
import { call, callAndRead, callsInARow, eager } from "./cases/overhead.js";
import { collatzCase, mandelbrotCase } from "./cases/plain-js.js";
import { rows, sum } from "./cases/sum.js";
import { Jax } from "./jax.js";
import { openJaxJs } from "./jax-js.js";
import { type MeasuredCase, measure } from "./measure.js";
import { showCase, showRatios } from "./report.js";

const cases = [
  convolution,
  chain,
  functions,
  sum,
  rows,
  matmul,
  convForward,
  convGradient,
  mandelbrotCase,
  collatzCase,
  ensemble,
  smallEnsemble,
  call,
  callsInARow,
  callAndRead,
  eager,
];

const { values: options } = parseArgs({
  options: {
    only: { type: "string", multiple: true, default: [] },
    rounds: { type: "string", default: "9" },
    quick: { type: "boolean", default: false },
    json: { type: "string" },
    python: { type: "string", default: "python3" },
    help: { type: "boolean", short: "h", default: false },
  },
});
if (options.help) {
  console.log(`Compares lanewise with @jax-js/jax and with WebGPU calls written by hand, on the same adapter.

  --only NAME   this case alone; may be given several times: ${cases.map(({ name }) => name).join(", ")}
  --rounds N    how often each is timed; the median counts (default: ${options.rounds})
  --quick       small sizes and 3 rounds, to try the bench itself
  --json FILE   writes all times and counts
  --python EXE  a Python with JAX, for the loops in plain JavaScript (default: ${options.python})

LANEWISE_DEVICE=cpu compares our CPU with jax-js's WebAssembly.`);
  process.exit(0);
}
const unknown = options.only.filter((name) => !cases.some((work) => work.name === name));
if (unknown.length > 0) {
  console.error(`--only ${unknown.join(", ")}: there are ${cases.map(({ name }) => name).join(", ")}`);
  process.exit(2);
}

const chosen = cases.filter(({ name }) => options.only.length === 0 || options.only.includes(name));

const device = await currentDevice();
await openJaxJs(device.kind);
const machine: Machine = {
  byHand: device.kind === "gpu" ? await ByHand.open() : undefined,
  jax: chosen.some(({ usesJax }) => usesJax) ? await Jax.open(options.python) : undefined,
  isSoftware: device.isSoftware,
  isQuick: options.quick,
};
const rounds = options.quick ? 3 : Number(options.rounds);
console.log(
  `Node ${process.version}, ${device.name}; medians of ${rounds} rounds${options.quick ? ", small sizes" : ""}\n`,
);

const measured: MeasuredCase[] = [];
for (const work of chosen) {
  const result = await measure(work, machine, rounds);
  measured.push(result);
  console.log(`${showCase(result)}\n`);
}
console.log(showRatios(measured));
if (options.json !== undefined) {
  const { name, kind, isSoftware } = device;
  const about = {
    date: new Date().toISOString(),
    node: process.version,
    device: { name, kind, isSoftware },
    ...options,
  };
  writeFileSync(options.json, `${JSON.stringify({ ...about, cases: measured }, null, 2)}\n`);
}
process.exit(0); // at once: three devices are open
