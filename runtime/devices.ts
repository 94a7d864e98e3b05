// Chooses the device: what the user asked for, what the machine has, and the line on stderr when that is no GPU.
import { DeviceError, ValueError } from "../compiler/core/errors.js";
import type { Backend } from "./backend.js";

/** `auto` takes a hardware adapter, else a software one, else the CPU. */
export type DeviceKind = "auto" | "gpu" | "cpu";

const choices: readonly DeviceKind[] = ["auto", "gpu", "cpu"];

/** What devices are made of; tests give their own. */
export interface DeviceSources {
  readonly cpu: () => Backend;
  /** A new device on a new adapter each time, or why there is none. */
  readonly gpu: () => Promise<Backend | { readonly reason: string }>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Tells the user, in one line. */
  readonly notice: (line: string) => void;
}

export class Devices {
  readonly #sources: DeviceSources;
  #choice: DeviceKind | undefined;
  #cpu: Backend | undefined;
  #gpu: Backend | undefined;
  #opening: Promise<Backend | undefined> | undefined;
  /** Why there is no GPU, once that is known. */
  #reason: string | undefined;
  readonly #told = new Set<string>();

  constructor(sources: DeviceSources) {
    this.#sources = sources;
  }

  /** What is asked for now. Throws `ValueError` when `LANEWISE_DEVICE` is set to anything else. */
  get choice(): DeviceKind {
    this.#choice ??= checkChoice(this.#sources.environment.LANEWISE_DEVICE || "auto", "LANEWISE_DEVICE");
    return this.#choice;
  }

  /** Holds for calls from now on; a GPU that was not found is looked for again. */
  choose(choice: DeviceKind): void {
    this.#choice = checkChoice(choice, "setDevice");
    this.#reason = undefined;
  }

  /**
   * The device, where it is known already and works. Throws `DeviceError` when it is known that there is none.
   */
  now(choice: DeviceKind): Backend | undefined {
    if (choice === "cpu") return this.#useCpu();
    if (this.#gpu) {
      if (this.#gpu.lost === undefined) return this.#gpu;
      this.#gpu = undefined;
    }
    if (this.#reason === undefined) return undefined;
    if (choice === "gpu") throw noGpu(this.#reason);
    return this.#useCpu();
  }

  /** The device, as soon as it is there. A lost one is replaced. Rejects with `DeviceError` when there is none. */
  async open(choice: DeviceKind): Promise<Backend> {
    const known = this.now(choice);
    if (known) return known;
    this.#opening ??= this.#openGpu().finally(() => {
      this.#opening = undefined;
    });
    const opened = await this.#opening;
    if (opened) return opened;
    const reason = this.#reason ?? "it went away again";
    if (choice === "gpu") throw noGpu(reason);
    this.#tell(`no GPU found (${reason}); running on the CPU`);
    return this.#useCpu();
  }

  async #openGpu(): Promise<Backend | undefined> {
    let found: Awaited<ReturnType<DeviceSources["gpu"]>>;
    try {
      found = await this.#sources.gpu();
    } catch (error) {
      found = { reason: (error as Error).message };
    }
    if ("reason" in found) {
      this.#reason = found.reason;
      return undefined;
    }
    this.#gpu = found;
    if (found.info.isSoftware) this.#tell(`running on a software adapter: ${found.name}`);
    return found;
  }

  #useCpu(): Backend {
    this.#cpu ??= this.#sources.cpu();
    return this.#cpu;
  }

  #tell(line: string): void {
    if (this.#told.has(line)) return;
    this.#told.add(line);
    this.#sources.notice(`lanewise: ${line}`);
  }
}

const noGpu = (reason: string): DeviceError =>
  new DeviceError(
    `device: a GPU is asked for, but none was found: ${reason}\n  run \`npx lanewise doctor\` to see what is missing`,
  );

function checkChoice(choice: string, what: string): DeviceKind {
  if ((choices as readonly string[]).includes(choice)) return choice as DeviceKind;
  throw new ValueError(
    `${what}: ${JSON.stringify(choice)} is no device\n  use ${choices.map((name) => `"${name}"`).join(", ")}`,
  );
}
