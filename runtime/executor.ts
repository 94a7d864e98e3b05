// The executor: runs Graphs and ops on the chosen device, at once where that is possible, else in order from a queue.
import { type Aval, showAval } from "../compiler/core/aval.js";
import { DEVICE_ELEMENT_BYTES } from "../compiler/core/dtype.js";
import { InternalError } from "../compiler/core/errors.js";
import { checkMemory } from "../compiler/core/host.js";
import type { NDArray } from "../compiler/core/ndarray.js";
import { sizeOf } from "../compiler/core/shape.js";
import type { Graph } from "../compiler/ir/graph.js";
import type { Op, Params } from "../compiler/ir/op.js";
import { type ArrayHandle, type Operand, Tensor } from "../compiler/trace/tensor.js";
import type { Executor } from "../compiler/trace/trace.js";
import type { Backend, DeviceInfo, Input } from "./backend.js";
import { budget } from "./budget.js";
import type { DeviceKind, Devices } from "./devices.js";
import { Queue } from "./queue.js";
import { singleOpGraph } from "./single.js";
import { Storage } from "./storage.js";
import { checkPresent, fetchElements, Handle, newTensor, Value } from "./value.js";

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

  /** Resolves when the device is there and the calls made before were started; from then on calls run at once. */
  async ready(): Promise<void> {
    await this.#devices.open(this.#devices.choice);
    await this.#queue.whenDone();
  }

  async precompile(graph: Graph, label = "graph"): Promise<void> {
    const backend = await this.#devices.open(this.#devices.choice);
    await backend.prepare(graph, label);
  }

  fromHost({ dtype, shape, data }: NDArray): ArrayHandle {
    checkMemory(data);
    return new Handle(new Value({ dtype, shape }, Storage.given(data)));
  }

  run(graph: Graph, operands: readonly Operand[], label = "graph"): Tensor[] {
    return this.#run(graph, operands, label, graph.outputs);
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
  ): Tensor[] {
    const { choice } = this.#devices;
    const backend = this.#devices.now(choice);
    const inputs = backend && this.#queue.isIdle ? readyInputs(operands, backend) : undefined;
    if (!backend || !inputs) return this.#enqueue(graph, operands, label, results, choice);
    const storages = backend.execute(graph, inputs, label);
    return results.map(({ aval }, i) => newTensor(aval, new Value(aval, storages[i]!)));
  }

  #enqueue(
    graph: Graph,
    operands: readonly Operand[],
    label: string,
    results: readonly { readonly aval: Aval }[],
    choice: DeviceKind,
  ): Tensor[] {
    const sources = operands.map((x) => (x instanceof Tensor ? valueOf(x) : x));
    const bytes = results.reduce((sum, { aval }) => sum + sizeOf(aval.shape) * DEVICE_ELEMENT_BYTES, 0);
    budget.reserve(bytes);
    const promise = new Promised(bytes);
    const values = results.map(({ aval }) => new Value(aval));
    for (const x of sources) if (x instanceof Value) x.retain();
    this.#queue.push(async () => {
      try {
        const backend = this.#devices.now(choice) ?? (await this.#devices.open(choice));
        const inputs: Input[] = [];
        for (const x of sources) inputs.push(x instanceof Value ? await bring(x, backend) : x);
        promise.end();
        const storages = backend.execute(graph, inputs, label);
        values.forEach((value, i) => void value.settle(storages[i]!));
      } catch (error) {
        for (const value of values) value.fail(error);
      } finally {
        promise.end();
        for (const x of sources) if (x instanceof Value) x.release();
      }
    });
    return values.map((value) => newTensor(value.aval, value));
  }
}

/** Bytes that count as live until the work that needs them was started. */
class Promised {
  #bytes: number;

  constructor(bytes: number) {
    this.#bytes = bytes;
    budget.add(bytes);
  }

  end(): void {
    if (this.#bytes < 0) return;
    budget.remove(this.#bytes);
    this.#bytes = -1;
  }
}

/** The operands, if `backend` can use all of them as they are. */
function readyInputs(operands: readonly Operand[], backend: Backend): Input[] | undefined {
  const inputs: Input[] = new Array(operands.length);
  for (let i = 0; i < operands.length; i++) {
    const x = operands[i]!;
    const input = x instanceof Tensor ? valueOf(x).storage : x;
    if (!input) return undefined;
    if (input instanceof Storage && !isUsable(input, backend)) {
      checkPresent(input, x.aval);
      return undefined;
    }
    inputs[i] = input;
  }
  return inputs;
}

const isUsable = (storage: Storage, backend: Backend): boolean =>
  storage.host !== undefined || storage.resident?.place === backend;

/** The elements of a value where `backend` can use them. Throws the error of the work that should have made them. */
async function bring(value: Value, backend: Backend): Promise<Input> {
  const { storage, aval } = value;
  if (!storage) throw new InternalError(`queue: ${showAval(aval)} is not there when its turn has come`);
  if (!isUsable(storage, backend)) storage.host = await fetchElements(storage, aval);
  return storage;
}

function valueOf(x: Tensor): Value {
  const { handle } = x;
  if (handle instanceof Handle) return handle.value;
  throw new InternalError(`executor: the tensor ${showAval(x.aval)} was not made by this package's runtime`);
}
