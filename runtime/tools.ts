// For tools such as `lanewise dump`: they run in the user's process and see what this copy of the package compiles.
import { compileStages } from "../compiler/compile.js";
import { printGraph } from "../compiler/ir/print.js";
import { showStage } from "../compiler/report.js";
import { captureLocation, showLocation } from "../compiler/trace/location.js";
import { observeTransforms } from "../compiler/transforms/observe.js";
import { observeCompiles } from "./programs.js";

export const tools = {
  observeCompiles,
  observeTransforms,
  compileStages,
  showStage,
  printGraph,
  captureLocation,
  showLocation,
};

export type Tools = typeof tools;

/**
 * A tool that is loaded before the user's script leaves a function here and is given the tools of every copy of this
 * package that the script loads, wherever it was installed and however it was resolved.
 */
const WAITING = Symbol.for("lanewise.tools");

(globalThis as { [WAITING]?: (given: Tools) => void })[WAITING]?.(tools);
