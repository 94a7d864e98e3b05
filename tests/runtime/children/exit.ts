// Ends in one of several ways while work is queued, running or being read.
import { jit, type Tensor, tensor } from "../../../index.js";
import { ready } from "../../../runtime/engine.js";

const f = jit((x: Tensor) => x.add(1).mul(2));
const x = tensor(new Float32Array(64 * 1024));
const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

const ways: Record<string, () => unknown> = {
  "nothing is read": () => f(x),
  "the device is not there yet": () => {
    f(x).data();
    process.exit(0);
  },
  "all is read": async () => await f(x).data(),
  "calls are encoded": async () => {
    await ready();
    for (let i = 0; i < 10; i++) f(x);
    process.exit(0);
  },
  "reads are pending": async () => {
    await ready();
    for (let i = 0; i < 10; i++) f(x).data();
    await turn();
    process.exit(0);
  },
  "an exception ends it": async () => {
    await ready();
    f(x).data();
    f(x);
    await turn();
    process.on("uncaughtException", () => process.exit(0));
    throw new Error("of the user");
  },
  "an exit handler calls": () => {
    f(x);
    process.on("exit", () => {
      try {
        f(x);
      } catch (error) {
        console.log((error as Error).name);
      }
    });
  },
};

await ways[process.argv[2]!]!();
console.log("end");
