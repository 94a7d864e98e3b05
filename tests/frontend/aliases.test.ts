// Objects that a traced condition or position chooses: one state under all of their names, or a refusal.
import { describe } from "vitest";
import { refused, same } from "./oracle.js";

/** What is refused where an object is read that another name was perhaps changed by. */
const UNCERTAIN = "may have been changed";

describe("an object that is chosen", () => {
  same("is changed by its name, and read by it", (x) => {
    const p = x > 0 ? { v: 1 } : { v: 2 };
    p.v += 9;
    return p.v;
  });
  refused(
    "is not read by another name, when it was changed",
    (x) => {
      const a = { v: 1 };
      const b = { v: 2 };
      const p = x > 0 ? a : b;
      p.v = 9;
      return a.v;
    },
    UNCERTAIN,
  );
  refused(
    "is not read, when another name was changed",
    (x) => {
      const a = { v: 1 };
      const b = { v: 2 };
      const p = x > 0 ? a : b;
      a.v = 9;
      return p.v;
    },
    UNCERTAIN,
  );
  same("of an object made on one path, under two names", (x) => {
    let p = { v: 1 };
    let q = p;
    if (x > 0) {
      const made = { v: 2 };
      p = made;
      q = made;
    }
    p.v = 7;
    return q.v;
  });
  const rows = [[0], [1], [2], [1.5], [-1]];
  same(
    "may be a row at a traced position: the list changes with it",
    (i) => {
      const m = [
        [1, 2],
        [3, 4],
        [5, 6],
      ];
      const row = m[Math.min(2, Math.max(0, Math.floor(i)))]!;
      row[0] = 9;
      row[1]! += 1;
      return [...m.flat(), ...row];
    },
    rows,
  );
  refused(
    "may be a row, which is not read when the list was changed",
    (i) => {
      const m = [
        [1, 2],
        [3, 4],
      ];
      const row = m[i > 0 ? 1 : 0]!;
      m[1]![1] = 10;
      return row[1];
    },
    UNCERTAIN,
  );
  refused(
    "is not returned in a list, when a method changed it",
    (i) => {
      const m = [
        [1, 2],
        [3, 4],
      ];
      m[i > 0.5 ? 1 : 0]!.fill(7);
      return m;
    },
    UNCERTAIN,
  );
  refused(
    "is not found in its list again, when a loop chose it",
    (x) => {
      const list = [
        { v: 1, s: x },
        { v: 2, s: 1 },
        { v: 3, s: -x },
      ];
      let best = list[0]!;
      for (const each of list) if (each.s > best.s) best = each;
      best.v += 10;
      return list.map(({ v }) => v);
    },
    UNCERTAIN,
  );
  same(
    "of rows in a rolled loop",
    (x) => {
      const m = [
        [0, 0],
        [0, 0],
        [0, 0],
      ];
      for (let i = 0; i < 100; i++) {
        const row = m[Math.floor(Math.abs(x) * i) % 3];
        if (row) row[i % 2]! += i;
      }
      return m;
    },
    [[1.5], [0.25], [7]],
  );
  same("of an array that grows, whose other names nobody reads", (x) => {
    let a = [1];
    if (x > 0) a = [2];
    a.push(3);
    return a;
  });
  same("of an object that a loop replaces", (x) => {
    let p = [0, 0];
    let n = 0;
    while (n < 5) {
      p[0]! += x;
      if (p[0]! > 3) p = [0, p[1]! + 1];
      n++;
    }
    return p;
  });
});

describe("where it is not known which of several objects was changed, reading them is refused", () => {
  refused(
    "a choice among choices",
    (x) => {
      const [a, b, c] = [[1], [2], [3]];
      const p = x > 2 ? a : x > 0 ? b : c;
      p![0] = 9;
      return b![0];
    },
    UNCERTAIN,
  );
  refused(
    "the first object of a variable to which a loop gives others",
    (x) => {
      const a = { v: 0 };
      let p = a;
      let n = 0;
      while (n < x) {
        p.v += 1;
        p = { v: p.v };
        n++;
      }
      return a.v + p.v;
    },
    "depending on a traced condition",
  );
  refused(
    "objects that hold themselves",
    (x) => {
      const a: any = { v: 1 };
      const b: any = { v: 2 };
      a.self = a;
      b.self = b;
      return (x > 0 ? a : b).self.v;
    },
    "on every path",
  );
});
