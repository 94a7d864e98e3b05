// Names of the axes that the functions being traced are mapped over.
import { TraceError } from "../core/errors.js";
import { hereText } from "./here.js";

/** An axis that a `vmap` under way maps over. */
export interface NamedAxis {
  readonly name: string;
  readonly size: number;
}

let scope: readonly NamedAxis[] = [];

/** The named axes around the code that runs now, the innermost last. */
export const axisScope = (): readonly NamedAxis[] => scope;

/** Equal text exactly for equal scopes: part of the key of whatever keeps a traced function. */
export const axisScopeKey = (): string =>
  scope.length === 0 ? "" : scope.map(({ name, size }) => `${JSON.stringify(name)}:${size}`).join();

/** Runs `work` with these axes around it, and no others. */
export function withAxisScope<T>(axes: readonly NamedAxis[], work: () => T): T {
  const outer = scope;
  scope = axes;
  try {
    return work();
  } finally {
    scope = outer;
  }
}

/** Number of lanes of the axis. Throws `TraceError`, which lists the names there are, for one that is not around. */
export function axisSizeOf(user: string, name: string): number {
  const found = scope.findLast((axis) => axis.name === name);
  if (found) return found.size;
  const there = scope.map((axis) => `'${axis.name}' (${axis.size} lanes)`).join(", ");
  throw new TraceError(
    `${user}: there is no axis named ${typeof name === "string" ? `'${name}'` : String(name)} here; ` +
      `${there === "" ? "this code is in no vmap with an axisName" : `there ${scope.length === 1 ? "is" : "are"} ${there}`}\n` +
      `  name the axis where it is mapped: vmap(fn, { axisName: ${JSON.stringify(String(name))} })${hereText()}`,
  );
}
