// The side of @jax-js/jax: made for browsers, it finds WebGPU in `navigator.gpu`, which is given to it here.
import { blockUntilReady, defaultDevice, init, type numpy as np } from "@jax-js/jax";
import { create, globals } from "webgpu";
import type { Contestant } from "./contestant.js";

/** Makes its WebGPU backend the default; its WebAssembly on the CPU. */
export async function openJaxJs(kind: "gpu" | "cpu"): Promise<void> {
  if (kind === "gpu") {
    Object.assign(globalThis, globals);
    // Node from 21 on has a navigator of its own, which cannot be assigned to
    Object.defineProperty(globalThis, "navigator", {
      value: { gpu: create([]), userAgent: "Node" },
      configurable: true,
    });
  }
  const device = kind === "gpu" ? "webgpu" : "wasm";
  const devices = await init(device);
  if (!devices.includes(device)) throw new Error(`jax-js has no device ${device}, only ${devices.join(", ")}`);
  defaultDevice(device);
}

/** Its calls are recorded, and run when a result is waited for or read: so each of them is waited for. */
export function jaxJs(call: () => np.Array): Contestant {
  return {
    name: "jax-js",
    async run(calls) {
      const results = Array.from({ length: calls }, call);
      await blockUntilReady(results);
      for (const result of results) result.dispose();
    },
    read: async () => (await call().data()) as Float32Array,
  };
}

/** `call` again and again, each time on the result of the call before. */
export function jaxJsChain(call: (x: np.Array) => np.Array, start: np.Array): Contestant {
  return {
    name: "jax-js",
    async run(calls) {
      let x = start.ref;
      for (let k = 0; k < calls; k++) x = call(x); // which takes over x
      await blockUntilReady(x);
      x.dispose();
    },
    read: async () => (await call(start.ref).data()) as Float32Array,
  };
}
