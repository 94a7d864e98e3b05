// The CPU backend: the interpreter, on host arrays, at once.
import { InternalError } from "../compiler/core/errors.js";
import { checkMemory } from "../compiler/core/host.js";
import type { NDArray } from "../compiler/core/ndarray.js";
import { filled } from "../compiler/core/ndarray.js";
import { sizeOf } from "../compiler/core/shape.js";
import type { Graph } from "../compiler/ir/graph.js";
import { baseLimits } from "../compiler/ir/program.js";
import { interpret } from "../compiler/scalar/interpret.js";
import type { Backend, Compile, DeviceInfo, Donated, Input } from "./backend.js";
import { budget } from "./budget.js";
import { announceCompile, hasCompileObservers, ProgramCache } from "./programs.js";
import { Storage } from "./storage.js";

const ELEMENT_BYTES = { f32: 4, i32: 4, u32: 4, bool: 1 } as const;

export class CpuBackend implements Backend {
  readonly info: DeviceInfo = { kind: "cpu", name: "CPU", isSoftware: true, limits: baseLimits, features: [] };
  readonly lost = undefined;
  readonly #compile: Compile;
  readonly #shown = new ProgramCache<true>();

  /** Programs are compiled only for those who observe compilation. */
  constructor(compile: Compile) {
    this.#compile = compile;
  }

  get name(): string {
    return this.info.name;
  }

  /** The memory of donated inputs is freed with them; no result takes it. */
  execute(graph: Graph, inputs: readonly Input[], label: string, donated?: Donated): Storage[] {
    this.#show(graph, label, donated?.inputs);
    budget.reserve(resultBytes(graph));
    const arrays = inputs.map((x, i) => hostOf(x, graph.inputs[i]!.aval));
    const owners = new Map<unknown, Storage>();
    inputs.forEach((x, i) => {
      if (x instanceof Storage) owners.set(arrays[i]!.data, x);
    });
    return interpret(graph, arrays, { wide: false }).map(({ data }) => {
      const owner = owners.get(data);
      if (owner) return owner.retain(); // an input, or another result, in another shape
      const made = Storage.computed(data);
      owners.set(data, made);
      return made;
    });
  }

  isDriven(): boolean {
    return false;
  }

  async drive(graph: Graph, inputs: readonly Input[], label: string, donated?: Donated): Promise<Storage[]> {
    return this.execute(graph, inputs, label, donated);
  }

  async prepare(graph: Graph, label: string, donated?: readonly number[]): Promise<void> {
    this.#show(graph, label, donated);
  }

  #show(graph: Graph, label: string, donated: readonly number[] = []): void {
    if (!hasCompileObservers() || this.#shown.get(graph, donated)) return;
    const show = (): true => {
      const program = this.#compile(graph, baseLimits, donated);
      announceCompile({ graph, program, limits: baseLimits, donated, label });
      return true;
    };
    this.#shown.getOrMake(graph, show, donated);
  }
}

function hostOf(x: Input, { dtype, shape }: Pick<NDArray, "dtype" | "shape">): NDArray {
  if (!(x instanceof Storage)) return filled(dtype, shape, x.value);
  if (!x.host) throw new InternalError("cpu: an operand is not on the host");
  if (x.host.length !== sizeOf(shape)) checkMemory(x.host); // its memory was taken away
  return { dtype, shape, data: x.host };
}

const resultBytes = (graph: Graph): number =>
  graph.outputs.reduce((sum, { aval }) => sum + sizeOf(aval.shape) * ELEMENT_BYTES[aval.dtype], 0);
