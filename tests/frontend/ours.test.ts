// Whose functions are: ours by whatever way they came about, the engine's and Node's, and the user's.
import { inspect, promisify } from "node:util";
import { runInNewContext, runInThisContext } from "node:vm";
import * as lanewise from "lanewise";
import { expect, test } from "vitest";
import { boundParts } from "../../compiler/frontend/inspector.js";
import { isNative, isOurs, registerOurs } from "../../compiler/frontend/ours.js";
import type { AnyFunction } from "../../compiler/frontend/source.js";

const { add, grad, jit, jvp, nn, optim, random, Tensor, vmap } = lanewise;

const user = (x: lanewise.Tensor): lanewise.Tensor => x.mul(2);

class UserModule extends nn.Module {
  forward(x: lanewise.Tensor): lanewise.Tensor {
    return x;
  }
}

test.each<[string, unknown]>([
  ["a function of the library", add],
  ["one in a namespace", random.normal],
  ["a method of Tensor", Tensor.prototype.mul],
  ["an accessor of Tensor", Object.getOwnPropertyDescriptor(Tensor.prototype, "shape")?.get ?? Tensor.prototype.add],
  ["a class", nn.Dense],
  ["a method of a class that is only extended", nn.Module.prototype.parameters],
  ["a method that a user's class inherits", new UserModule().train],
  ["what jit makes", jit(user)],
  ["what vmap makes", vmap(user)],
  ["what grad makes", grad(user)],
  ["what transforms make of each other", jit(vmap(grad(user)))],
  ["jvp", jvp],
  ["a function of an optimiser", optim.adam({ learningRate: 0.1 }).update],
  ["a bound one", add.bind(null)],
  ["one bound twice", add.bind(null).bind(null)],
])("%s is ours", (_name, fn) => {
  expect([isOurs(fn), isNative(fn)]).toEqual([true, false]);
});

test.each<[string, unknown]>([
  ["an arrow", user],
  ["a class", UserModule],
  ["a method", new UserModule().forward],
  ["a bound function", user.bind(null)],
  ["a function of text", new Function("x", "return x")],
  ["a function of a script without a file", runInThisContext("x => x", { filename: "" })],
  ["a proxy of ours", new Proxy(add, {})],
  ["a proxy of a native one", new Proxy(Math.sin, {})],
  ["a function that is called like ours", { add: (x: number): number => x }.add],
])("%s of the user's is neither", (_name, fn) => {
  expect([isOurs(fn), isNative(fn)]).toEqual([false, false]);
});

test.each<[string, unknown]>([
  ["of the language", Math.sin],
  ["a constructor", Float32Array],
  ["a method", Array.prototype.map],
  ["a bound one", Math.max.bind(null, 1)],
  ["of Node, in JavaScript", inspect],
  ["made by Node", promisify(user)],
])("a function %s is native", (_name, fn) => {
  expect([isOurs(fn), isNative(fn)]).toEqual([false, true]);
});

test.each([undefined, null, 1, "add", {}, Symbol("f")])("%s is no function", (value) => {
  expect([isOurs(value), isNative(value)]).toEqual([false, false]);
});

test("registered functions are ours, with all that they and objects hold; what is native or foreign is left alone", () => {
  class Base {
    get size(): number {
      return 1;
    }
  }
  class Held extends Base {
    static make(): Held {
      return new Held();
    }
    method(): number {
      return 1;
    }
  }
  const foreign = (): number => 1;
  class Box {
    callback = foreign;
  }
  const inner = { deep: { fn: (): number => 2 }, list: [(): number => 3], sin: Math.sin, box: new Box() };
  const namespace = Object.defineProperty({}, "Held", { enumerable: true, get: () => Held });
  registerOurs(namespace, inner, new Map([["a", foreign]]), 1, null);
  const getter = Object.getOwnPropertyDescriptor(Base.prototype, "size")!.get!;
  for (const fn of [Held, Base, Held.make, Held.prototype.method, getter, inner.deep.fn, inner.list[0]]) {
    expect(isOurs(fn)).toBe(true);
  }
  expect([isOurs(foreign), isOurs(Math.sin), isNative(Math.sin)]).toEqual([false, false, true]);
});

test("a function given by itself is entered alone, and not kept alive", async () => {
  const { setFlagsFromString } = await import("node:v8");
  setFlagsFromString("--expose-gc");
  const gc = runInNewContext("gc") as () => void;
  const users = (): number => 1;
  const refs = [1, 2].map((k) => {
    const made = Object.assign(() => k, { of: users });
    registerOurs(made);
    expect([isOurs(made), isOurs(users)]).toEqual([true, false]);
    return new WeakRef(made);
  });
  await new Promise((resolve) => setTimeout(resolve, 10));
  gc();
  expect(refs.map((ref) => ref.deref())).toEqual([undefined, undefined]);
});

test("a bound function is taken apart", () => {
  const receiver = { k: Symbol("k") };
  const list = [1];
  const fn = function (this: object, ..._args: unknown[]): void {};
  expect(boundParts(fn.bind(receiver, list, -0, 5n) as AnyFunction)).toEqual({
    target: fn,
    receiver,
    args: [list, -0, 5n],
  });
  const parts = boundParts(fn.bind(receiver, list) as AnyFunction)!;
  expect([parts.target, parts.receiver, parts.args[0]]).toEqual([fn, receiver, list]);
  expect(parts.args[0]).toBe(list);
  expect(boundParts(((x: number) => x).bind(null))!.receiver).toBeNull();
  expect(boundParts(((x: number) => x).bind(undefined))!.receiver).toBeUndefined();
  expect(boundParts(fn as AnyFunction)).toBeUndefined();
  expect(boundParts(Math.sin)).toBeUndefined();
});
