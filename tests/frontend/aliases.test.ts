// Objects that a traced condition or position chooses: never another number than JavaScript gives, else a refusal.
import { describe } from "vitest";
import { refused, same } from "./oracle.js";

const rows = [[0], [1], [2], [1.5], [-1]];
const changed = /may have been changed/;

describe("objects with one name that is read", () => {
  same("made on one path, under two names", (x) => {
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
  same(
    "a row at a traced position is the row of its array",
    (i) => {
      const m = [
        [1, 2],
        [3, 4],
        [5, 6],
      ];
      const row = m[Math.min(2, Math.max(0, Math.floor(i)))]!;
      row[0] = 9;
      row[1]! += 1;
      return m.flat();
    },
    rows,
  );
  same(
    "rows in a rolled loop",
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
  same("an array that grows, whose other names nobody reads", (x) => {
    let a = [1];
    if (x > 0) a = [2];
    a.push(3);
    return a;
  });
  same("an object that a loop replaces", (x) => {
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

describe("reading an object that may have been changed under another name is refused", () => {
  refused(
    "one of two, changed as the chosen one",
    (x) => {
      const a = { v: 1 };
      const b = { v: 2 };
      const p = x > 0 ? a : b;
      p.v = 9;
      return a.v;
    },
    changed,
  );
  refused(
    "the chosen one, of which one was changed",
    (x) => {
      const a = { v: 1 };
      const b = { v: 2 };
      const p = x > 0 ? a : b;
      a.v = 9;
      return p.v;
    },
    changed,
  );
  refused(
    "one of three",
    (x) => {
      const [a, b, c] = [[1], [2], [3]];
      const p = x > 2 ? a : x > 0 ? b : c;
      p![0] = 9;
      return b![0];
    },
    changed,
  );
  refused(
    "the rows of an array of which a method filled one",
    (i) => {
      const m = [
        [1, 2],
        [3, 4],
      ];
      m[i > 0.5 ? 1 : 0]!.fill(7);
      return m;
    },
    changed,
  );
  refused(
    "a list of which the best was changed",
    (x) => {
      const list = [
        { v: 1, s: x },
        { v: 2, s: 1 },
      ];
      let best = list[0]!;
      for (const each of list) if (each.s > best.s) best = each;
      best.v += 10;
      return list.map(({ v }) => v);
    },
    changed,
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
    /depending on a traced condition/,
  );
});
