// The backend interface: what runs Graphs. The CPU and Dawn implement it.
import type { Graph, Literal } from "../compiler/ir/graph.js";
import type { DeviceLimits, Program } from "../compiler/ir/program.js";
import type { Place, Storage } from "./storage.js";

/** What `currentDevice()` tells. */
export interface DeviceInfo {
  readonly kind: "gpu" | "cpu";
  /** For people: `nvidia-h100 (NVIDIA: 550.120, vulkan)`, `CPU`. */
  readonly name: string;
  /** Kernels run on the CPU, by the interpreter or by a software adapter. */
  readonly isSoftware: boolean;
  readonly limits: DeviceLimits;
  /** WebGPU features in use, such as `timestamp-query`. */
  readonly features: readonly string[];
}

/** An operand: elements, or a scalar constant. */
export type Input = Storage | Literal;

/** Inputs of a call whose memory its results may take. */
export interface Donated {
  /** Positions, known when the program is compiled. */
  readonly inputs: readonly number[];
  /** Those of them that nothing else refers to in this call. */
  readonly free: ReadonlySet<number>;
}

export interface Backend extends Place {
  readonly info: DeviceInfo;
  /**
   * Runs `graph` now, or encodes it: results may be handed on at once. Compiles it first where no equal Graph was run
   * before. One storage per output, each with a reference for the caller; one that shows the elements of an input is
   * the input's. Donated inputs that are free may have lost their elements afterwards, all others keep them. Throws
   * `MemoryError` when it does not fit, `DeviceLostError` when an input is gone; then no input was touched.
   */
  execute(graph: Graph, inputs: readonly Input[], label: string, donated?: Donated): Storage[];
  /** The host has to look at the device while `graph` runs, so that `execute` cannot. Compiles it, like `execute`. */
  isDriven(graph: Graph, label: string, donated?: readonly number[]): boolean;
  /** Like `execute`, for such Graphs. Nothing else may be executed before it is done. */
  drive(graph: Graph, inputs: readonly Input[], label: string, donated?: Donated): Promise<Storage[]>;
  /** Does all that the first call of `graph` with these donated inputs would do before it runs. */
  prepare(graph: Graph, label: string, donated?: readonly number[]): Promise<void>;
}

/** Turns a Graph into a Program; the compiler, or a test's own. */
export type Compile = (graph: Graph, limits: DeviceLimits, donated?: readonly number[]) => Program;
