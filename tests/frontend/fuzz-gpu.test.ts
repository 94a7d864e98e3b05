// Random plain-JavaScript programs on the GPU, as `npm run fuzz -- --gpu 40` runs them.
import { expect } from "vitest";
import "../../index.js";
import { gpuTest } from "../support/gpu.js";
import { surveyOnGpu } from "./fuzz/gpu.js";

gpuTest(
  "40 random programs of exact arithmetic give on the GPU the bits that they give on the CPU",
  async () => {
    const { equal, refused, failures } = await surveyOnGpu(7, 0, 40, 10);
    expect(failures).toEqual([]);
    expect(equal + refused).toBe(40);
    expect(refused).toBeLessThan(4);
  },
  180_000, // a software adapter compiles slowly
);
