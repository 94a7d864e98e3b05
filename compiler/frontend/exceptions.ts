// Exceptions of interpreted programs: with the place of the author's that raised them.
import type { TraceError } from "../core/errors.js";
import { isOwnFile, showLocation } from "../trace/location.js";
import type { Evaluator, Thrown } from "./evaluator.js";
import { locationOf, showPlace } from "./place.js";

/**
 * The value that a program threw, as its caller gets it. An error that the program has not made itself, such as a
 * `TypeError` of a call of what is no function, shows its place; the stack of any begins there, without the interpreter.
 */
export function exceptionOf({ value, site }: Thrown): unknown {
  if (!(value instanceof Error) || shown.has(value)) return value;
  shown.add(value);
  const { node, scope } = site;
  const { fn, source } = scope.activation.unit;
  const frames = (value.stack ?? "").split("\n").filter((line) => /^ +at /.test(line) && !isOwnFrame(line));
  if (node.type !== "ThrowStatement")
    Reflect.set(value, "message", `${value.message}\n${showPlace(fn, source, node.start, node.end)}`);
  const place = locationOf(fn, source, node.start).source;
  const first = place ? [`    at ${showLocation(place)}`] : [];
  Reflect.set(value, "stack", [`${value.name}: ${value.message}`, ...first, ...frames].join("\n"));
  return value;
}

const shown = new WeakSet<Error>();

const isOwnFrame = (line: string): boolean => {
  const [, file] = /(?:\(|at (?:async )?)((?:file:|\/|[A-Za-z]:).*?):\d+:\d+\)?$/.exec(line) ?? [];
  return file !== undefined && isOwnFile(file);
};

/** What a path under a traced condition threw: the kernel would have to. */
export function throwOnPath(run: Evaluator, { value, site }: Thrown): TraceError {
  if (site.node.type === "ThrowStatement" || !(value instanceof Error))
    return run.fail(site, "throw under a traced condition", "a kernel cannot throw: return NaN or an error code");
  return run.fail(
    site,
    `${value.name} under a traced condition: ${value.message}`,
    "every path is traced, whichever the kernel takes: this one cannot be",
  );
}
