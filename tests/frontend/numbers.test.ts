// Numbers of plain-JavaScript functions: what JavaScript's operators give.
import { same } from "./oracle.js";

same("bit ops", (x: number) => [x | 0, ~x, x & 0xff, x ^ 5, x << 3, x >> 1, x >>> 1, x >>> 0], [
  [1.5],
  [-2.5],
  [4294967295],
  [2147483648],
  [-1],
  [NaN],
  [1e10],
]);
same("mod", (x: number) => [x % 3, -x % 3, x % -2, 7 % x, x ** 2, x ** 0.5, x ** -1, 2 ** x]);
same(
  "Math fns",
  (x: number) =>
    [Math.abs, Math.sign, Math.floor, Math.ceil, Math.trunc, Math.round, Math.sqrt, Math.cbrt, Math.fround].map((f) =>
      f(x),
    ),
  [[1.5], [-2.5], [0.5], [-0.5], [2], [NaN], [Infinity]],
);
same("bool arith", (x: number) => (x > 0 ? 1 : 0) + +(x > 1) + ((x > 2) as any) * 5);
