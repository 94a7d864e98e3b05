// customJvp, customVjp, customVmap: what their rules may do, and what they are told when it is wrong.
import { describe, expect, test } from "vitest";
import {
  checkpoint,
  cos,
  counters,
  customJvp,
  customVjp,
  customVmap,
  DTypeError,
  exp,
  grad,
  jacfwd,
  jacrev,
  jit,
  jvp,
  linearize,
  psum,
  ShapeError,
  setDevice,
  sin,
  stopGradient,
  type Tensor,
  TraceError,
  tensor,
  vjp,
  vmap,
} from "../../index.js";
import { gpuTest } from "../support/gpu.js";

setDevice("cpu");

const numbers = async (x: Tensor): Promise<number[]> => [...(await x.data())];
const expectClose = async (x: Tensor, want: readonly number[]): Promise<void> =>
  expect(await numbers(x)).toEqual(want.map((v) => expect.closeTo(v, 4)));

const x = tensor([1, 2, 3]);

describe("customJvp", () => {
  const double = customJvp(
    function wave(t: Tensor) {
      return sin(t);
    },
    ([t], [dt]) => [sin(t), dt.mul(2)],
  );

  test("is used by forward and by reverse mode, and not by the value", async () => {
    await expectClose(double(x), [1, 2, 3].map(Math.sin));
    await expectClose(jvp(double, [x], [x])[1], [2, 4, 6]);
    await expectClose(linearize(double, x)[1](x), [2, 4, 6]);
    await expectClose(grad(double)(x), [2, 2, 2]);
    await expectClose(vjp(double, x)[1](x)[0], [2, 4, 6]);
    await expectClose(jit(vmap(grad(double)))(x), [2, 2, 2]);
    await expectClose(grad(checkpoint(double))(x), [2, 2, 2]);
    await expectClose(jacfwd(double)(x), [2, 0, 0, 0, 2, 0, 0, 0, 2]);
  });

  test("may use values from outside, concrete ones and those of functions around it", async () => {
    const factor = tensor(5);
    const outside = customJvp(
      (t: Tensor) => t.mul(factor),
      ([t], [dt]) => [t.mul(factor), dt.mul(factor).mul(factor)],
    );
    await expectClose(grad(outside)(x), [25, 25, 25]);
    await expectClose(jit(grad(vmap(outside)))(x), [25, 25, 25]);
    // s belongs to a trace that is over when the rule is needed
    const around = (t: Tensor, s: Tensor) => {
      const inner = customJvp(
        (u: Tensor) => u.mul(u),
        ([u], [du]) => [u.mul(u), du.mul(s).mul(100)],
      );
      return inner(inner(t));
    };
    await expectClose(grad(around)(tensor([1, 1]), tensor([2, 3])), [40000, 90000]);
    await expectClose(vmap(grad(around))(tensor([1, 1]), tensor([2, 3])), [40000, 90000]);
    await expectClose(grad(vmap(around))(tensor([1, 1]), tensor([2, 3])), [40000, 90000]);
    await expectClose(grad(jit(vmap(around, [0, null])))(tensor([1, 1]), tensor(2)), [40000, 40000]);
  });

  test("may call itself and functions like it in its rule", async () => {
    const scale = tensor(3);
    const other = customJvp(
      (t: Tensor) => exp(t),
      ([t], [dt]) => [exp(t), dt.mul(scale)],
    );
    const f: (t: Tensor) => Tensor = customJvp(
      (t: Tensor) => exp(t),
      ([t], [dt]) => [f(t), dt.mul(other(t)).mul(f(t))],
    );
    await expectClose(grad(f)(tensor(0)), [1]);
    await expectClose(grad(grad(f))(tensor(0)), [3 + 1]);
    await expectClose(vmap(grad(grad(f)))(tensor([0, 0])), [4, 4]);
  });

  test("takes integers and numbers, whose tangents are zeros", async () => {
    const f = customJvp(
      (t: Tensor, n: Tensor, s: number) => t.mul(n).mul(s),
      ([t, n, s], [dt, dn, ds]) => {
        expect([(dn as Tensor).dtype, (dn as Tensor).shape]).toEqual(["i32", [3]]);
        return [t.mul(n).mul(s), dt.mul(7).add(ds)];
      },
    );
    await expectClose(grad(f)(x, tensor([1, 2, 3], { dtype: "i32" }), 2), [7, 7, 7]);
    await expectClose(grad(f, { argnums: [2] })(x, tensor([1, 2, 3], { dtype: "i32" }), 2)[0] as Tensor, [3]);
  });

  test("may give zero tangents, and may transform", async () => {
    const f = customJvp(
      (t: Tensor) => t.floor(),
      ([t], [dt]) => [t.floor(), jvp(sin, [t as never], [dt as never])[1] as Tensor],
    );
    await expectClose(grad(f)(x), [1, 2, 3].map(Math.cos));
    const flat = customJvp(
      (t: Tensor) => t.mul(2),
      ([t]) => [t.mul(2), t.mul(0)],
    );
    await expectClose(grad(flat)(x), [0, 0, 0]);
  });

  test("refuses a rule that is not linear, where reverse mode needs it", () => {
    const f = customJvp(
      (t: Tensor) => sin(t),
      ([t], [dt]) => [sin(t), dt.square()],
    );
    expect(() => jvp(f, [x], [x])).not.toThrow();
    expect(() => grad(f)(x)).toThrow(TraceError);
    expect(() => grad(f)(x)).toThrow(
      /customJvp of .*: the tangent that its rule gives is not linear in the tangents: they go through square\n {2}at .*custom\.test\.ts/,
    );
    for (const rule of [
      (dt: Tensor) => dt.mul(dt),
      (dt: Tensor) => sin(dt),
      (dt: Tensor) => dt.floor(),
      (dt: Tensor) => dt.gt(0).astype("f32"),
      (dt: Tensor) => dt.abs(),
    ]) {
      const g = customJvp(
        (t: Tensor) => sin(t),
        ([t], [dt]) => [sin(t), rule(dt)],
      );
      expect(() => grad(g)(x)).toThrow(/is not linear/);
    }
    const mixed = customJvp(
      (t: Tensor) => sin(t),
      ([t], [dt]) => [sin(t).add(dt), dt],
    );
    expect(() => grad(mixed)(x)).toThrow(/the value that its rule gives depends on the tangents/);
  });

  test("refuses results of a rule that do not fit, and says which", () => {
    const make = (rule: (t: Tensor, dt: Tensor) => unknown) =>
      customJvp(
        function loss(t: Tensor) {
          return { y: t.sum() };
        },
        ([t], [dt]) => rule(t, dt) as never,
      );
    const run = (rule: (t: Tensor, dt: Tensor) => unknown) => () => grad((t: Tensor) => make(rule)(t).y)(x);
    expect(run((t) => t)).toThrow(/customJvp of loss: its rule returns object, but \[value, tangent\] is wanted/);
    expect(run((t) => [t.sum(), t])).toThrow(
      /the value that its rule gives has structure \*, but \{"y":\*\} is wanted/,
    );
    expect(run((t, dt) => [{ y: t }, { y: dt }])).toThrow(ShapeError);
    expect(run((t, dt) => [{ y: t.sum() }, { y: dt }])).toThrow(
      /customJvp of loss: the tangent that its rule gives at y is f32\[3\], but f32\[\] is wanted/,
    );
    expect(run((t, dt) => [{ y: t.sum() }, { y: dt.sum().astype("i32") }])).toThrow(DTypeError);
    expect(() => customJvp(sin as never, 3 as never)).toThrow(/the rule: number given/);
  });

  test("refuses to differentiate by what it captured", () => {
    const f = (s: Tensor) =>
      customJvp(
        function inner(t: Tensor) {
          return t.mul(s);
        },
        ([t], [dt]) => [t.mul(s), dt],
      )(x).sum();
    expect(() => grad(f)(tensor(2))).toThrow(
      /customJvp of inner: it captured a value f32\[\] that is differentiated, .*\n {2}pass the value as an argument/,
    );
    expect(() => grad((s: Tensor) => f(stopGradient(s)).mul(s))(tensor(2))).not.toThrow();
  });

  gpuTest("compiles nothing again where the function is a new one each time", async () => {
    setDevice("gpu");
    const step = async () => {
      const fresh = customJvp(
        (u: Tensor) => sin(u),
        ([u], [du]) => [sin(u), du],
      );
      await vmap(fresh)(x).data();
      return counters().programsCompiled;
    };
    const first = await step();
    expect(await step()).toBe(first);
    setDevice("cpu");
  });
});

describe("customVjp", () => {
  const clipped = customVjp(
    function clip(t: Tensor, limit: Tensor) {
      return t.mul(limit.astype("f32"));
    },
    (t, limit) => [t.mul(limit.astype("f32")), limit],
    (limit, ct) => [ct.minimum(limit.astype("f32")), null],
  );

  test("gives the way back, with zeros for null and integers", async () => {
    const two = tensor(2, { dtype: "i32" });
    await expectClose(grad((t: Tensor) => clipped(t, two).mul(tensor([1, 2, 3])))(x), [1, 2, 2]);
    const [dt, dlimit] = vjp(clipped, x, two)[1](tensor([1, 2, 3]));
    await expectClose(dt, [1, 2, 2]);
    expect([dlimit.dtype, await dlimit.item()]).toEqual(["i32", 0]);
    await expectClose(jit(vmap(grad(clipped), [0, null]))(x, two), [1, 1, 1]);
  });

  test("takes trees, and null for parts of them", async () => {
    type P = { a: Tensor; b: [Tensor, Tensor] };
    const f = customVjp(
      (p: P, s: Tensor) => ({ y: p.a.mul(s), z: p.b[0].add(p.b[1]) }),
      (p, s) => [{ y: p.a.mul(s), z: p.b[0].add(p.b[1]) }, null],
      (_, ct) => [{ a: ct.y.mul(10), b: [ct.z, null] }, null],
    );
    const at = { a: tensor(1), b: [tensor(2), tensor(3)] as [Tensor, Tensor] };
    const [p, s] = vjp(f, at, tensor(4))[1]({ y: tensor(5), z: tensor(6) });
    expect(await Promise.all([p.a, ...p.b, s].map((t) => t.item()))).toEqual([50, 6, 0, 0]);
    const onlyZ = grad((t: P) => f(t, tensor(4)).z)(at);
    expect(await Promise.all([onlyZ.a, ...onlyZ.b].map((t) => t.item()))).toEqual([0, 1, 0]);
  });

  test("sums the cotangent of an argument that lanes share, also where the rule gives all lanes the same", async () => {
    const f = customVjp(
      (a: Tensor, b: Tensor) => a.mul(b),
      (a, b) => [a.mul(b), b],
      (b, ct) => [ct.mul(b), b.mul(0).add(1)],
    );
    const total = (a: Tensor, b: Tensor) => vmap(f, [0, null])(a, b);
    const [da, db] = grad(total, { argnums: [0, 1] })(x, tensor(2));
    await expectClose(da, [2, 2, 2]);
    await expectClose(db, [3]);
  });

  test("may use values from outside in either rule", async () => {
    const around = (t: Tensor, s: Tensor) => {
      const inner = customVjp(
        (u: Tensor) => u.mul(u),
        (u) => [u.mul(u), u.mul(s)],
        (kept, ct) => [ct.mul(kept).mul(s)],
      );
      return inner(t);
    };
    await expectClose(grad(around)(tensor([1, 2]), tensor([2, 3])), [4, 18]);
    await expectClose(vmap(grad(around))(tensor([1, 2]), tensor([2, 3])), [4, 18]);
    await expectClose(grad(vmap(around))(tensor([1, 2]), tensor([2, 3])), [4, 18]);
    await expectClose(grad(vmap(around, [0, null]))(tensor([1, 2]), tensor(2)), [4, 8]);
    expect(() => grad(around, { argnums: [1] })(tensor([1, 2]), tensor([2, 3]))).toThrow(/it captured a value/);
  });

  test("refuses forward mode, also inside of other transforms", () => {
    const two = tensor(2, { dtype: "i32" });
    const f = (t: Tensor) => clipped(t, two);
    for (const run of [
      () => jvp(f, [x], [x]),
      () => linearize(f, x),
      () => jacfwd(f)(x),
      () => jit((t: Tensor) => jvp(checkpoint(f), [t], [t]))(x),
      () => grad((t: Tensor) => jvp(f, [t], [t])[1])(x),
    ]) {
      expect(run).toThrow(TraceError);
      expect(run).toThrow(/of clip in forward mode: it has a rule for reverse mode alone \(customVjp\)/);
    }
    expect(() => jacrev(f)(x)).not.toThrow();
  });

  test("refuses results of rules that do not fit, and names the argument", () => {
    const make = (forward: (t: Tensor) => unknown, backward: (kept: Tensor, ct: Tensor) => unknown) =>
      customVjp(
        function loss(p: { w: Tensor }) {
          return p.w.sum();
        },
        (p) => forward(p.w) as never,
        (kept, ct) => backward(kept as Tensor, ct) as never,
      );
    const run = (forward: (t: Tensor) => unknown, backward: (kept: Tensor, ct: Tensor) => unknown) => () =>
      grad(make(forward, backward))({ w: x });
    const good = (t: Tensor) => [t.sum(), t];
    expect(
      run(
        (t) => t,
        (t) => [{ w: t }],
      ),
    ).toThrow(/customVjp of loss: its forward rule returns object, but \[value, residuals\] is wanted/);
    expect(
      run(
        (t) => [t, t],
        (t) => [{ w: t }],
      ),
    ).toThrow(/customVjp of loss: the value that its forward rule gives is f32\[3\], but f32\[\] is wanted/);
    expect(
      run(
        (t) => [t.sum(), "text"],
        (t) => [{ w: t }],
      ),
    ).toThrow(/residuals .*is a string/);
    expect(run(good, (t) => ({ w: t }))).toThrow(
      /customVjp of loss: its backward rule returns object, but a list with a cotangent for each of 1 arguments/,
    );
    expect(run(good, (t) => [t])).toThrow(
      /customVjp of loss: the cotangent that its backward rule gives for p\.w does not have the structure/,
    );
    expect(run(good, (_, ct) => [{ w: ct }])).toThrow(ShapeError);
    expect(run(good, (_, ct) => [{ w: ct }])).toThrow(/gives for p\.w.* is f32\[\], but f32\[3\] is wanted/);
    expect(run(good, (t) => [{ w: t.astype("i32") }])).toThrow(DTypeError);
  });
});

describe("customVmap", () => {
  test("calls the rule with lanes in front, and says what is batched", async () => {
    const seen: unknown[] = [];
    const f = customVmap(
      (p: { a: Tensor; b: Tensor }) => ({ sum: p.a.add(p.b), b: p.b }),
      (size, batched, [p]) => {
        seen.push([size, batched, p.a.shape, p.b.shape]);
        return [
          { sum: p.a.add(p.b).add(1000), b: p.b },
          { sum: true, b: false },
        ];
      },
    );
    const m = tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    seen.length = 0;
    const out = vmap(f, { inAxes: [{ a: 1, b: null }] })({ a: m, b: tensor([10, 20]) });
    expect(seen.at(-1)).toEqual([3, [{ a: true, b: false }], [3, 2], [2]]);
    expect(await out.sum.toArray()).toEqual([
      [1011, 1024],
      [1012, 1025],
      [1013, 1026],
    ]);
    expect(await out.b.toArray()).toEqual([
      [10, 20],
      [10, 20],
      [10, 20],
    ]);
  });

  test("is itself outside of vmap, and is called again where its rule calls it", async () => {
    const plain: (t: Tensor) => Tensor = customVmap(
      (t: Tensor) => t.mul(2),
      (_size, _batched, [t]) => [plain(t).add(1), true],
    );
    await expectClose(plain(x), [2, 4, 6]);
    await expectClose(jit(plain)(x), [2, 4, 6]);
    await expectClose(vmap(plain)(x), [3, 5, 7]);
    await expectClose(vmap(vmap(plain))(tensor([[1, 2]])), [2 + 1 + 1, 4 + 1 + 1]);
    await expectClose(jit(vmap(plain))(x), [3, 5, 7]);
    const factor = tensor(10);
    const outside = customVmap(
      (t: Tensor) => t.mul(factor),
      (_size, _batched, [t]) => [t.mul(factor).mul(factor), true],
    );
    await expectClose(jit((t: Tensor) => vmap(outside)(t))(x), [100, 200, 300]);
  });

  test("differentiates its body, whatever the rule does", async () => {
    const f = customVmap(
      (t: Tensor) => sin(t),
      (_size, _batched, [t]) => [t.mul(100), true],
    );
    await expectClose(grad(f)(x), [1, 2, 3].map(Math.cos));
    await expectClose(vmap(grad(f))(x), [1, 2, 3].map(Math.cos));
    await expectClose(grad(vmap(f))(x), [100, 100, 100]); // what the rule made is differentiated
    await expectClose(jvp(f, [x], [cos(x)])[0], [1, 2, 3].map(Math.sin));
  });

  test("refuses what the rule may not do", () => {
    const make = (rule: (t: Tensor) => unknown) =>
      customVmap(
        function f(t: Tensor) {
          return { y: t };
        },
        (_size, _batched, [t]) => rule(t) as never,
      );
    const run = (rule: (t: Tensor) => unknown) => () => vmap(make(rule))(x);
    expect(run((t) => t)).toThrow(/customVmap of f: its rule returns object, but \[result, outBatched\] is wanted/);
    expect(run((t) => [{ y: t }, 1])).toThrow(/outBatched, which its rule gives, has 1, but true or false/);
    expect(run((t) => [{ y: t }, [true]])).toThrow(/outBatched, which its rule gives, is an array of 1/);
    expect(run((t) => [{ y: t }, false])).toThrow(
      /the result that its rule gives at y is f32\[3\], but f32\[\] is wanted/,
    );
    expect(run((t) => [t, true])).toThrow(/has structure \*, but \{"y":\*\} is wanted/);
    const captures = (s: Tensor) =>
      customVmap(
        (t: Tensor) => t.mul(s),
        (_n, _b, [t]) => [t.mul(s), true],
      )(x);
    expect(() => vmap(captures)(x)).toThrow(/it captured a value f32\[3\] that is batched/);
  });
});

test("rules may speak of the axes around the call, however late they are needed", async () => {
  const f = customJvp(
    (t: Tensor) => t.mul(2),
    ([t], [dt]) => [t.mul(2), psum(dt.mul(t), "i")],
  );
  const overLanes = vmap(f, { axisName: "i" });
  await expectClose(grad(overLanes)(x), [3, 6, 9]);
  await expectClose(vmap(grad(f), { axisName: "i" })(x), [3, 6, 9]);
  const g = customVjp(
    (t: Tensor) => t.mul(2),
    (t) => [t.mul(2), t],
    (t, ct) => [psum(ct.mul(t), "i")],
  );
  await expectClose(grad(vmap(g, { axisName: "i" }))(x), [6, 6, 6]);
  // no operand is batched, but the rule speaks of the axis
  const shared = (s: Tensor) => vmap(() => g(s), { axisName: "i", axisSize: 4 })();
  await expectClose(grad(shared)(tensor(3)), [4 * 12]);
});
