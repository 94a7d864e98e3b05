// Every numpy-named function and method against NumPy: golden.py wrote the cases.
import { jit, numpy, setDevice, Tensor } from "lanewise";
import { describe, expect, test } from "vitest";
import { gpuTest } from "../support/gpu.js";
import { callFunction, callMethod, decodeArgs, difference, goldenCases, methodOf, showCall } from "./golden-cases.js";

setDevice("cpu");

const names = [...new Set(goldenCases.map(({ call }) => call))];

describe("as NumPy computes it", () => {
  test.each(names)("%s", async (name) => {
    const wrong: string[] = [];
    for (const golden of goldenCases.filter(({ call }) => call === name)) {
      const results = [callFunction(golden, decodeArgs(golden)), callMethod(golden, decodeArgs(golden))];
      for (const result of results) {
        const problem = result && (await difference(golden, result));
        if (problem !== undefined) wrong.push(`${showCall(golden)}: ${problem}`);
      }
    }
    expect(wrong).toEqual([]);
  });
});

test("every function has a case", () => {
  const functions = Object.entries(numpy).flatMap(([name, value]) => (typeof value === "function" ? [name] : []));
  // of several results, or of none
  const elsewhere = ["tensor", "divmod", "sortTogether", "topK", "unique"];
  expect(functions.filter((name) => !elsewhere.includes(name) && !names.includes(name))).toEqual([]);
});

test("every method has a case", () => {
  const others = ["constructor", "data", "toArray", "item", "dispose", "toString"];
  others.push("with", "update"); // indexed.test.ts
  others.push("donate", "adopt"); // the package's own
  const methods = Object.entries(Object.getOwnPropertyDescriptors(Tensor.prototype)).flatMap(([name, { value }]) =>
    typeof value === "function" && !others.includes(name) ? [name] : [],
  );
  const reached = names.map(methodOf);
  expect(methods.filter((name) => !reached.includes(name))).toEqual([]);
});

gpuTest("a sample of each function gives the same on the GPU", async () => {
  setDevice("gpu");
  const sample = names.flatMap((name) =>
    goldenCases.filter(({ call }) => call === name).filter((_, i) => i % 15 === 1),
  );
  const wrong: string[] = [];
  // many calls in a program: shaders that are compiled for the first time take most of the time
  for (let at = 0; at < sample.length; at += 30) {
    const cases = sample.slice(at, at + 30);
    const args = cases.map(decodeArgs);
    const results = jit(() => cases.map((golden, i) => callFunction(golden, args[i]!)))();
    for (const [i, golden] of cases.entries()) {
      const problem = await difference(golden, results[i]!);
      if (problem !== undefined) wrong.push(`${showCall(golden)}: ${problem}`);
    }
  }
  setDevice("cpu");
  expect(wrong).toEqual([]);
  expect(sample.length).toBeGreaterThan(100);
});
