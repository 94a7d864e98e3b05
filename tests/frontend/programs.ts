// Small programs, by what they show: most were once wrong.

type Program = readonly [name: string, text: string];

/** Those that give what JavaScript gives. */
export const equalPrograms: readonly Program[] = [
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
