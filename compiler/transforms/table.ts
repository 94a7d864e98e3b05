// The transforms of Graphs as one table, for the rules of ops that hold Graphs. Each transform enters itself.
import { InternalError } from "../core/errors.js";
import type { Transforms } from "../trace/rules.js";

const entered: Partial<Transforms> = {};

/** Enters transforms in the table; done once by the module of each. */
export const enter = (made: Partial<Transforms>): void => void Object.assign(entered, made);

function get<K extends keyof Transforms>(name: K): Transforms[K] {
  const found = entered[name];
  if (!found) throw new InternalError(`the transform '${name}' was not loaded`);
  return found;
}

/** All of them, looked up when they are used. */
export const transforms: Transforms = {
  batch: (...args) => get("batch")(...args),
  jvp: (...args) => get("jvp")(...args),
  partialEval: (...args) => get("partialEval")(...args),
  transpose: (...args) => get("transpose")(...args),
};
