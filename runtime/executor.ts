// The executor: runs Graphs and ops on the chosen device, at once where that is possible, else in order from a queue.
import { type Aval, showAval } from "../compiler/core/aval.js";
import { InternalError } from "../compiler/core/errors.js";
import { checkMemory } from "../compiler/core/host.js";
import type { NDArray } from "../compiler/core/ndarray.js";
import type { Graph, Literal } from "../compiler/ir/graph.js";
import type { Op, Params } from "../compiler/ir/op.js";
import { baseLimits, type DeviceLimits } from "../compiler/ir/program.js";
import { type ArrayHandle, type Operand, Tensor } from "../compiler/trace/tensor.js";
import type { Executor } from "../compiler/trace/trace.js";
import type { Backend, DeviceInfo, Donated, Input } from "./backend.js";
import { budget } from "./budget.js";
import type { DeviceKind, Devices } from "./devices.js";
import { hasCompileObservers } from "./programs.js";
import { Queue } from "./queue.js";
import { singleOpGraph } from "./single.js";
import { Storage } from "./storage.js";
import { checkPresent, fetchElements, Handle, newTensor, promisedBytes, Value } from "./value.js";

export class RuntimeExecutor implements Executor {
  readonly #devices: Devices;
  readonly #queue = new Queue((error) => process.emitWarning(`lanewise: queued work failed: ${String(error)}`));

  constructor(devices: Devices) {
    this.#devices = devices;
  }

  setDevice(choice: DeviceKind): void {
    this.#devices.choose(choice);
  }

  /** The device that calls made now run on. Rejects with `DeviceError` when there is none. */
  async currentDevice(): Promise<DeviceInfo> {
    return (await this.#devices.open(this.#devices.choice)).info;
  }

  /** Limits of the device that calls made now run on; those that every device has while it is not known yet. */
  limits(): DeviceLimits {
    return this.#devices.now(this.#devices.choice)?.info.limits ?? baseLimits;
  }

  /** Resolves when the device is there and the calls made before were started; from then on calls run at once. */
  async ready(): Promise<void> {
    await this.#devices.open(this.#devices.choice);
    await this.#queue.whenDone();
  }

  async precompile(graph: Graph, label = "graph", donated?: readonly number[]): Promise<void> {
    const backend = await this.#devices.open(this.#devices.choice);
    await backend.prepare(graph, label, donated);
  }

  fromHost({ dtype, shape, data }: NDArray): ArrayHandle {
    checkMemory(data);
    return new Handle(new Value({ dtype, shape }, Storage.given(data)));
  }

  run(graph: Graph, operands: readonly Operand[], label = "graph", donated?: readonly number[]): Tensor[] {
    return this.#run(graph, operands, label, graph.outputs, donated);
  }

  runOp(op: Op, operands: readonly Operand[], params: Params, types: readonly Aval[]): Tensor[] {
    return this.#run(
      singleOpGraph(op, operands, params),
      operands,
      op.name,
      types.map((aval) => ({ aval })),
    );
  }

  #run(
    graph: Graph,
    operands: readonly Operand[],
    label: string,
    results: readonly { readonly aval: Aval }[],
    donated?: readonly number[],
  ): Tensor[] {
    const { choice } = this.#devices;
    const backend = this.#devices.now(choice);
    const inputs = backend && this.#queue.isIdle ? readyInputs(operands, backend) : undefined;
    if (!backend || !inputs || backend.isDriven(graph, label, donated))
      return this.#enqueue(graph, operands, label, results, choice, donated);
    const storages = backend.execute(graph, inputs, label, donated && donatedAmong(operands.map(behind), donated));
    return results.map(({ aval }, i) => newTensor(aval, new Value(aval, storages[i]!)));
  }

  #enqueue(
    graph: Graph,
    operands: readonly Operand[],
    label: string,
    results: readonly { readonly aval: Aval }[],
    choice: DeviceKind,
    donated?: readonly number[],
  ): Tensor[] {
    for (const x of operands) if (x instanceof Tensor) checkOperand(valueBehind(x));
    budget.reserve(results.reduce((sum, { aval }) => sum + promisedBytes(aval), 0));
    const sources = operands.map(behind);
    for (const x of sources) if (x instanceof Value) x.retain();
    const values = results.map(({ aval }) => Value.pending(aval));
    const tensors = values.map((value) => newTensor(value.aval, value));
    this.#queue.push(async () => {
      try {
        if (budget.collecting) await budget.relief();
        const backend = this.#devices.now(choice) ?? (await this.#devices.open(choice));
        if (values.every((value) => value.isDropped) && !hasCompileObservers()) return;
        const inputs: Input[] = [];
        for (const x of sources) inputs.push(x instanceof Value ? await bring(x, backend) : x);
        for (const value of values) value.endPromise();
        const given = donated && donatedAmong(sources, donated);
        const storages = backend.isDriven(graph, label, donated)
          ? await backend.drive(graph, inputs, label, given)
          : backend.execute(graph, inputs, label, given);
        values.forEach((value, i) => void value.settle(storages[i]!));
      } catch (error) {
        for (const value of values) value.fail(error);
      } finally {
        for (const x of sources) if (x instanceof Value) x.release();
      }
    });
    return tensors;
  }
}

/** The operands, if `backend` can use all of them as they are. */
function readyInputs(operands: readonly Operand[], backend: Backend): Input[] | undefined {
  const inputs: Input[] = new Array(operands.length);
  for (let i = 0; i < operands.length; i++) {
    const x = operands[i]!;
    const input = x instanceof Tensor ? valueBehind(x).storage : x;
    if (!input) return undefined;
    if (input instanceof Storage && !isUsable(input, backend)) return undefined;
    inputs[i] = input;
  }
  return inputs;
}

const isUsable = (storage: Storage, backend: Backend): boolean =>
  storage.host !== undefined || storage.resident?.place === backend;

/** What is free to be taken: the caller gives up its tensor, and nobody else has one, reads it or waits to use it. */
function donatedAmong(operands: readonly (Value | Literal)[], donated: readonly number[]): Donated {
  const free = new Set<number>();
  for (const i of donated) {
    const x = operands[i]!;
    if (x instanceof Value && x.isSole && operands.indexOf(x) === operands.lastIndexOf(x)) free.add(i);
  }
  return { inputs: donated, free };
}

const behind = (x: Operand): Value | Literal => (x instanceof Tensor ? valueBehind(x) : x);

/** Throws where it is known already that the elements will not be there. */
function checkOperand({ storage, aval }: Value): void {
  if (storage) checkPresent(storage, aval);
}

/** The elements of a value where `backend` can use them. Throws the error of the work that should have made them. */
async function bring(value: Value, backend: Backend): Promise<Input> {
  const { storage, aval } = value;
  if (!storage) throw new InternalError(`queue: ${showAval(aval)} is not there when its turn has come`);
  if (!isUsable(storage, backend)) storage.host = await fetchElements(storage, aval);
  return storage;
}

function valueBehind(x: Tensor): Value {
  const { handle } = x;
  if (handle instanceof Handle) return handle.value;
  throw new InternalError(`executor: the tensor ${showAval(x.aval)} was not made by this package's runtime`);
}
