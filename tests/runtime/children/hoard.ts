// Makes results of 1 MB in a loop that never yields, until the budget ends it; then yields, and goes on.
import { jit, MemoryError, setMemoryBudget, type Tensor, tensor } from "../../../index.js";

setMemoryBudget(100 * 1024 * 1024);
const f = jit((x: Tensor) => x.neg());
const x = tensor(new Float32Array(256 * 1024).fill(1));
if (process.argv[2] === "ready") await f(x).data();
let calls = 0;
let message = "";
try {
  for (; calls < 10_000; calls++) f(x);
} catch (error) {
  if (!(error instanceof MemoryError)) throw error;
  message = error.message;
}
for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => void setTimeout(resolve, 2));
let later = 0;
for (; later < 50; later++) f(x);
const [first] = await f(x).data();
console.log(JSON.stringify({ calls, later, message, first, megabytes: Math.round(process.memoryUsage.rss() / 1e6) }));
