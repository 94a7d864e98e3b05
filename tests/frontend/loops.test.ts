// Loops of plain-JavaScript functions, unrolled and rolled, with all their ways out.
import { same } from "./oracle.js";

same("early return in loop", (x: number) => {
  for (let i = 0; i < 5; i++) {
    if (x < i) return i * 10;
  }
  return -1;
});
same("labelled", (x: number) => {
  let n = 0;
  outer: for (let i = 0; i < 5; i++) {
    for (let j = 0; j < 5; j++) {
      if (j > x) continue outer;
      if (i * j > x + 6) break outer;
      n += i * 10 + j;
    }
  }
  return n;
});
same("do-while continue", (x: number) => {
  let i = 0,
    s = 0;
  do {
    i++;
    if (i % 2 === 0) continue;
    s += i;
  } while (i < Math.abs(x) && i < 20);
  return s;
});
same("while nested break", (x: number) => {
  let n = 0;
  while (true) {
    let k = 0;
    while (k < 3) {
      k++;
      if (n + k > Math.abs(x)) break;
    }
    n += k;
    if (n > 10) break;
    if (k === 1) {
      n += 2;
      continue;
    }
    n++;
  }
  return n;
});
same("for no update", (x: number) => {
  let s = 0;
  for (let i = 10; i-- > x; ) {
    s += i;
    if (s > 1000) break;
    if (i < -10) break;
  }
  return s;
});
same("for two vars", (x: number) => {
  let s = 0;
  for (let i = 0, j = 10; i < j; i++, j--) s += (j - i) * x;
  return s;
});
same("long static", (x: number) => {
  let s = x;
  for (let i = 0; i < 200; i++) s = s * 0.99 + i * 0.01;
  return s;
});
same("long static down", (x: number) => {
  let s = x;
  for (let i = 200; i > 0; i -= 3) s = s * 0.99 + i;
  return s;
});
same("long closures", (x: number) => {
  let s = x;
  const f = (i: number) => {
    s = s * 0.5 + i;
  };
  for (let i = 0; i < 100; i++) f(i);
  return s;
});
same("closures per turn", (x: number) => {
  const fs: (() => number)[] = [];
  for (let i = 0; i < 3; i++) fs.push(() => i * x);
  return fs.map((f) => f()).reduce((a, b) => a + b * 10, 0);
});
same(
  "null best",
  (xs: number[]) => {
    let best: number | null = null;
    for (const v of xs) if (best === null || v > best) best = v;
    return best;
  },
  [[[1, 3, 2]]],
);
same("try finally override", (x: number) => {
  let s = 0;
  for (let i = 0; i < 3; i++) {
    try {
      if (x > i) continue;
      s += 1;
    } finally {
      s += 10;
    }
  }
  return s;
});
same("for in", (x: number) => {
  let s = 0;
  for (const k in { a: 1, b: 2 }) s += k.length * x;
  return s;
});
same("for of string", (x: number) => {
  let s = 0;
  for (const c of "abc") s += c.charCodeAt(0) * x;
  return s;
});
same(
  "entries",
  (xs: number[]) => {
    let s = 0;
    for (const [i, v] of xs.entries()) s += i * v;
    return s;
  },
  [[[0.5, 1.5, 2.5]]],
);
same(
  "forEach idx",
  (xs: number[]) => {
    let s = 0;
    xs.forEach((v, i) => {
      s += v * i;
    });
    return s;
  },
  [[[0.5, 1.5, 2.5]]],
);
same(
  "sieve",
  (x: number) => {
    const n = 30;
    const p = new Array(n).fill(true);
    let c = 0;
    for (let i = 2; i < n; i++) {
      if (p[i] && i < x) {
        c++;
        for (let j = i * i; j < n; j += i) p[j] = false;
      }
    }
    return c;
  },
  [[10], [30], [3]],
);
same(
  "counter big",
  (x: number) => {
    let n = 16777210;
    let i = 0;
    while (i < x) {
      n++;
      i++;
    }
    return n;
  },
  [[20], [3], [0]],
);
same(
  "counter big2",
  (x: number) => {
    let s = 0;
    for (let i = 2 ** 24 - 2; i < 2 ** 24 + 5; i++) {
      if (i % 2 === 1 && i > x) s = i;
    }
    return s;
  },
  [[20], [1e9]],
);
same(
  "lcg",
  (x: number) => {
    let s = x | 0;
    for (let i = 0; i < 10; i++) s = (Math.imul(s, 1664525) + 1013904223) | 0;
    return s;
  },
  [[1], [42], [-7]],
);
same(
  "xorshift",
  (x: number) => {
    let s = x >>> 0;
    for (let i = 0; i < 100; i++) {
      s ^= s << 13;
      s ^= s >>> 17;
      s ^= s << 5;
    }
    return s >>> 0;
  },
  [[1], [42], [12345]],
);

// of a table of its lane's own, in a loop that turns more often than is unrolled
same(
  "a long array that a rolled loop writes at traced positions",
  (x) => {
    const a = new Array(40).fill(0);
    for (let i = 0; i < 100; i++) a[Math.floor(x * i) % 40]! += i;
    return a;
  },
  [[1], [0.5], [7]],
);
same(
  "counters beyond 2²⁴, in steps that f32 does not have",
  (x) => {
    let last = 0;
    for (let i = 2 ** 24 - 3; i < 2 ** 24 + 90; i++) if (i % 7 === 3 && i > x) last = i;
    return last;
  },
  [[0], [2 ** 30]],
);
