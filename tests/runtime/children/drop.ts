// Makes 10,000 results of 1 MB and drops them, turning the event loop every 20 calls; says how large the process became.
import { jit, type Tensor, tensor } from "../../../index.js";

const calls = 10_000;
const f = jit((x: Tensor) => x.neg());
const x = tensor(new Float32Array(256 * 1024));
let peakBytes = 0;
for (let i = 0; i < calls; i++) {
  f(x);
  if (i % 20 === 19) {
    await new Promise((resolve) => void setImmediate(resolve));
    peakBytes = Math.max(peakBytes, process.memoryUsage.rss());
  }
}
const sum = await f(x).sum().item();
console.log(JSON.stringify({ peakMegabytes: Math.round(peakBytes / 1e6), sum }));
