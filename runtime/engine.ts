// The one executor of the process, on the devices this machine has; importing this file installs it.
import { compileGraph } from "../compiler/compile.js";
import type { Graph } from "../compiler/ir/graph.js";
import type { DeviceLimits } from "../compiler/ir/program.js";
import { setExecutor } from "../compiler/trace/trace.js";
import type { DeviceInfo } from "./backend.js";
import { CpuBackend } from "./cpu.js";
import { openDawn } from "./dawn/open.js";
import { type DeviceKind, Devices } from "./devices.js";
import { RuntimeExecutor } from "./executor.js";

const devices = new Devices({
  cpu: () => new CpuBackend(compileGraph),
  gpu: () => openDawn(compileGraph),
  environment: process.env,
  notice: (line) => void process.stderr.write(`${line}\n`),
});

const engine = new RuntimeExecutor(devices);
setExecutor(engine);

/**
 * Chooses where calls run from now on: `auto` takes a hardware GPU, else a software adapter, else the CPU. The
 * environment variable `LANEWISE_DEVICE` says the same from outside. Tensors move to the new device when they are used.
 */
export const setDevice = (choice: DeviceKind): void => engine.setDevice(choice);

/** The device that calls made now run on. Rejects with `DeviceError` when a GPU is asked for and there is none. */
export const currentDevice = (): Promise<DeviceInfo> => engine.currentDevice();

/** Resolves when the device is there. Calls made before wait for it; calls made afterwards are started at once. */
export const ready = (): Promise<void> => engine.ready();

/** What the compiler must know of the device that calls made now run on. */
export const limits = (): DeviceLimits => engine.limits();

/** Compiles `graph` for the current device and builds its pipelines. Rejects when the device refuses one. */
export const precompile = (graph: Graph, label: string, donated: readonly number[]): Promise<void> =>
  engine.precompile(graph, label, donated);

export type { DeviceInfo } from "./backend.js";
export { setMemoryBudget } from "./budget.js";
export type { DeviceKind } from "./devices.js";
