// Options of the numpy-named functions.
import { expect, test } from "vitest";
import { ones, setDevice, ValueError } from "../../index.js";

setDevice("cpu");

test("a reduction refuses an option that it does not have", () => {
  expect(() => ones([2, 3]).max(1, { keepdims: true } as object)).toThrow(ValueError);
  expect(() => ones([2, 3]).max(1, { keepdims: true } as object)).toThrow(
    /max: there is no option 'keepdims'; there is keepDims/,
  );
});
