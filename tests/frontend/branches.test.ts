// Branches of plain-JavaScript functions: every path is traced, and the kernel chooses.
import { same } from "./oracle.js";

same("switch strings static", (x: number) => {
  const m = "two";
  switch (m as string) {
    case "one":
      return x;
    case "two":
      return x * 2;
    default:
      return 0;
  }
});
same("switch traced fallthrough", (x: number) => {
  let r = 0;
  switch (Math.floor(x)) {
    // @ts-expect-error it falls through
    case 0:
      r += 1;
    case 1:
      r += 10;
      break;
    case 3:
      r = 7;
      break;
    // @ts-expect-error it falls through
    default:
      r = -1;
    case 7:
      r += 100;
  }
  return r;
});
same("switch return", (x: number) => {
  switch (Math.trunc(x)) {
    case 1:
      return x * 2;
    case -2:
      return -1;
    case 3:
      return 30;
  }
  return 99;
});
same("switch true", (x: number) => {
  switch (true) {
    case x > 2:
      return 1;
    case x > 0:
      return 2;
    case x < -1:
      return 3;
    default:
      return 4;
  }
});
same("nested if assign", (x: number) => {
  let a = 1,
    b = 2;
  if (x > 0) {
    a = x;
    if (x > 2) {
      b = a * 2;
    } else b = -1;
  } else {
    [a, b] = [b, a];
  }
  return a * 10 + b;
});
same("objects merge", (x: number) => {
  let p = { x: 1, y: { z: 2 } };
  if (x > 0) p = { x: x, y: { z: x * 2 } };
  return p.x + p.y.z;
});
same("object mutate", (x: number) => {
  const p: any = { x: 1, y: { z: 2 } };
  const q = p.y;
  if (x > 0) {
    p.y.z = 5;
    p.x++;
  }
  return p.x * 100 + q.z;
});
same("alias arrays", (x: number) => {
  const a = [1, 2, 3];
  const b = a;
  if (x > 1) b[1] = x;
  return a[0]! + a[1]! * 10 + a[2]! * 100;
});
same("logical values", (x: number) => [
  x || 5,
  x && 2,
  x ?? 3,
  !x ? 1 : 0,
  x ? 1 : 0,
  x > 0 && x < 2 ? 1 : 0,
  (x || 0) + 1,
]);
same("logical bool return", (x: number) => x > 0 && x < 2);
same("chain or", (x: number) => (x > 5 || x < -1 || x === 0 ? 1 : 2));
same("nan-safe", (x: number) => (x > 0 ? Math.sqrt(x) : 0));
same("try catch", (x: number) => {
  let r = 0;
  try {
    if (x > 0) r = 1;
    JSON.parse("{");
    r = 100;
  } catch (e) {
    r += x > 1 ? 10 : 20;
  } finally {
    r += 1000;
  }
  return r;
});
same("try return finally", (x: number) => {
  try {
    if (x > 0) return 1;
    return 2;
  } finally {
    x = 5;
  }
});
same("throw caught static", (x: number) => {
  try {
    throw new Error("a");
  } catch ({ message }: any) {
    return x + message.length;
  }
});
same("comparison chain types", (x: number) => [
  x == 1,
  x != 1,
  x === 1,
  x !== 1,
  x == null,
  x === undefined,
  x == ("1.5" as any),
]);
same("labelled block", (x: number) => {
  let n = 0;
  blk: {
    if (x > 1) break blk;
    n = 5;
  }
  return n + 1;
});
