// Reads 400 results of 1 MB, one after the other, on a budget of 100 MB: awaiting reads alone must let the collector work.
import { jit, setMemoryBudget, type Tensor, tensor } from "../../../index.js";

setMemoryBudget(100 * 1024 * 1024);
const f = jit((x: Tensor) => x.neg());
const x = tensor(new Float32Array(256 * 1024).fill(1));
let sum = 0;
for (let i = 0; i < 400; i++) sum += (await f(x).data())[i]!;
console.log(JSON.stringify({ sum }));
