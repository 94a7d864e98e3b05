// Small programs, by what they show: most were once wrong.

type Program = readonly [name: string, text: string];

/** Those that give what JavaScript gives. */
export const equalPrograms: readonly Program[] = [
  ["bits of a product that JavaScript rounds", "(x) => { let a = x >>> 0; a **= 2; a >>= 0; return a; }"],
  ["bits of a product that it does not round", "(x) => ((((x | 0) * 31 + 7) | 0) * 31) | 0"],
  [
    "a returned object is as its path left it",
    "(x) => { const o = { p: 1 }, q = { p: 2 }; const f = () => { if (x > 0) { o.p = x; return o; } return q; }; return f().p; }",
  ],
  [
    "breaks to one label or another",
    "(x, y) => { let s = 0; a: { b: { if (x > 0) break a; if (y === 0) break b; s += 1; } s += 10; } return s; }",
  ],
  [
    "turns of loops that count up and down by more than one",
    "(x) => { let s = 0; for (let i = 3; i < 140; i += 2) s += x + i; for (let i = 200; i >= 3; i -= 2) s += x * i; for (let i = 150; i > 2; i -= 2) s -= x; for (let i = 1; i <= 301; i += 3) s += i * x; for (let i = 70; i !== 0; i--) s += x; for (let i = 0; 100 > i; i++) s += x; return s; }",
  ],
  [
    "a break that is known",
    "(x) => { let s = 0; for (let i = 0; i < 5; i++) { if (i === 2) break; s += x; } return s; }",
  ],
  [
    "continue of the loop around, by its label",
    "(x, y) => { let s = 5; a: for (let i = 0; i < 3; i++) { for (let j = 0; j < 3; j++) { if (x > j) continue a; if (y > i) break a; s += 1; } s += 10; } return s; }",
  ],
  [
    "finally behind every way out",
    "(x) => { let s = 0; for (let i = 0; i < 3; i++) { try { if (x > i) continue; s += 1; } finally { s += 10; } } return s; }",
  ],
  ["bounds of a choice of which the first is small", "(x) => { const a = x > 0 ? 2000000000 : 1; return a + a; }"],
  ["bounds of a choice", "(x) => { const a = x > 0 ? 1 : 2000000000; return a + a; }"],
  ["bounds of a difference", "(x) => (x & 2147483647) - (x > 0 ? -2147483647 : 5)"],
  ["a sum beyond 32 bits", "(x) => (x | 0) + 2147483647"],
  ["bounds of a maximum", "(x) => Math.max(x & 3, 2000000000) * 2"],
  ["whole numbers modulo zero", "(x) => (x | 0) % (x & 1)"],
  ["minus zero is no whole number", "(x) => 1 / (x > 0 ? -0 : 1)"],
  ["bits of a number that JavaScript rounds", "(x) => ((2 | x) - 1e10 ** 2) ^ 0"],
  [
    "a private field as a part of a pattern",
    "(x) => { class C { #h = 1; run(o) { ({ p: this.#h } = o); return this.#h; } } return new C().run({ p: x }); }",
  ],
  ["shifts count modulo 32", "(x) => ((x | 0) << ((x & 3) + 32)) + ((x | 0) >> ((x & 3) + 64))"],
  ["one to the power of what is no number", "(x) => 1 ** (x / 0)"],
  ["NaN is not itself", "(x) => { const z = (x / 0) * 0; return (z === z ? 1 : 2) + (z !== z ? 10 : 20); }"],
  ["a boolean is no number", "(x) => ((x > 0) === 1 ? 1 : 2)"],
  ["halves go up", "(x) => Math.round(x / 2)"],
  ["apply hands its arguments on", "(x) => ((a, b) => a - b).apply(null, [x, 2])"],
  [
    "closures of each turn",
    "(x) => { const fs = []; for (let i = 0; i < 3; i++) fs.push(() => i + x); return fs[0]() + fs[2](); }",
  ],
  ["operands from left to right", "(x) => { let a = x; return a - (a = 3) + (a++ - ++a); }"],
  [
    "accessors",
    "(x) => { const o = { v: 1, get w() { return this.v * 2; }, set w(n) { this.v = n + 1; } }; if (x > 0) o.w = x; return o.w; }",
  ],
  [
    "an object that is changed on one path and replaced on the other",
    "(x) => { let o = { p: x, q: 1 }; switch (1) { default: o.q = 0; break; case x: o = { ...o, p: 0 }; } return o.q; }",
  ],
  [
    "names of one object stay names of one object where it is chosen",
    "(x, y) => { let a = { p: 1 }; let b = a; if (x > 0) { a = { p: y }; b = a; } a.p += 1; return b.p; }",
  ],
  [
    "objects of a class with private fields are chosen with them",
    "(x) => { class C { #h; constructor(h) { this.#h = h; } get h() { return this.#h; } } let o = new C(1); if (x > 0) o = new C(x); return o.h; }",
  ],
  ["&& of a condition and a number, as a condition", "(x, y) => (x > 0 && y) && 3 ? 1 : 2"],
  ["&& of a condition and a number, in arithmetic", "(x, y) => (x > 0 && y) + (y < 0 || x) * 2"],
  ["a case is not asked behind one that holds", "(x, y) => { switch (x) { case 0: case (y = 1): } return y; }"],
  [
    "an array that a loop writes at a traced position has its elements before",
    "(x, y, n, xs) => { let r = Array(17).fill(0); for (const v of xs) { if (x) return 0; --r[x & 3]; } return r[0]; }",
  ],
  [
    "a boolean is no integer",
    "(x) => (Number.isInteger(x > 0) || Number.isFinite(x > 0) ? 1 : isFinite(x > 0) ? 2 : 3)",
  ],
];

/** Those that are refused, rather than wrong. */
export const refusedPrograms: readonly Program[] = [
  [
    "nor is one of which a path changed the other name",
    "(x) => { const a = { p: 1 }, b = { p: 2 }; const c = x > 0 ? a : b; if (x > 1) c.p = 5; return a.p; }",
  ],
  [
    "an object that may have been changed under another name is not read",
    "(x) => { const a = { p: 1 }, b = { p: 2 }; const c = x > 0 ? a : b; c.p = 5; return a.p; }",
  ],
  [
    "nor is a choice of objects of which one was changed",
    "(x) => { const a = { p: 1 }, b = { p: 2 }; const c = x > 0 ? a : b; a.p = 5; return c.p; }",
  ],
  [
    "nor in a later turn of a loop",
    "(x) => { const a = [1]; let b = a, s = 0; for (let i = 0; i < 3; i++) { s += a[0]; if (x > i) b = [2]; b[0] += 1; } return s; }",
  ],
];
