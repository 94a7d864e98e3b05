// Finds a GPU adapter through Dawn, or the reason why there is none.
import { DeviceError } from "../../compiler/core/errors.js";

export interface AdapterOptions {
  /** Dawn toggles to switch on and off, for instance `allow_unsafe_apis`. */
  readonly enable?: readonly string[];
  readonly disable?: readonly string[];
}

/** What the driver says of itself. */
export interface AdapterInfo {
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  readonly description: string;
  readonly backend: "vulkan" | "metal" | "d3d12";
  /** The kernels run on the CPU: llvmpipe (lavapipe), SwiftShader or WARP. */
  readonly isSoftware: boolean;
}

export interface FoundAdapter {
  /** Good for one `requestDevice`: ask again to replace a lost device. */
  readonly adapter: GPUAdapter;
  readonly info: AdapterInfo;
  readonly gpu: GPU;
}

/** Why there is no adapter, in words for the user. */
export interface NoAdapter {
  readonly reason: string;
}

/**
 * Every object that `create()` returned, kept for good: when one is collected while a promise of it is pending,
 * the process hangs or crashes.
 */
const kept = new Set<GPU>();

/** The instance in use for each list of flags. One that found no adapter is left: the next reads the environment anew. */
const instances = new Map<string, GPU>();

/**
 * A fresh adapter: the fastest hardware, else a software one. Never throws for a machine that has none.
 * Throws `DeviceError` for a toggle that Dawn could not read as one name.
 */
export async function findAdapter(options: AdapterOptions = {}): Promise<FoundAdapter | NoAdapter> {
  const flags = emitFlags(options);
  let create: (flags: string[]) => GPU;
  try {
    ({ create } = await import("webgpu"));
  } catch (error) {
    return { reason: showLoadFailure(error) };
  }
  try {
    // Dawn's C++ writes two lines about maxDynamic…BuffersPerPipelineLayout to stderr here; it has no switch for them.
    const key = flags.join(" ");
    const gpu = instances.get(key) ?? create(flags);
    kept.add(gpu);
    instances.set(key, gpu);
    const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
    if (adapter === null) {
      instances.delete(key);
      return { reason: `Dawn found no ${backend()} adapter` };
    }
    return { adapter, info: readInfo(adapter.info), gpu };
  } catch (error) {
    return { reason: `Dawn could not look for an adapter: ${firstLine(error)}` };
  }
}

/** `nvidia-h100 (NVIDIA: 550.120, vulkan)`, `llvmpipe (llvmpipe: Mesa 25.0.7, vulkan, software)`: one line for people. */
export function showAdapter(info: AdapterInfo): string {
  const name = info.device.replace(/-+$/, "") || `${info.vendor} ${info.architecture}`.trim() || "unnamed adapter";
  const facts = [info.description, info.backend, info.isSoftware ? "software" : ""].filter((word) => word !== "");
  return `${name} (${facts.join(", ")})`;
}

/** Copies the fields: those of Dawn's object live on its prototype, where a spread would miss them. */
function readInfo(info: GPUAdapterInfo): AdapterInfo {
  const { vendor, architecture, device, description } = info;
  const words = `${architecture} ${device} ${description}`;
  const isSoftware = info.isFallbackAdapter || /llvmpipe|lavapipe|swiftshader|basic render|\bwarp\b/i.test(words);
  return { vendor, architecture, device, description, backend: backend(), isSoftware };
}

/** The graphics interface that Dawn's binding for Node uses unless it is told otherwise. */
function backend(): AdapterInfo["backend"] {
  if (process.platform === "darwin") return "metal";
  return process.platform === "win32" ? "d3d12" : "vulkan";
}

function emitFlags({ enable = [], disable = [] }: AdapterOptions): string[] {
  for (const toggle of [...enable, ...disable]) {
    if (!/^\w+$/.test(toggle)) {
      throw new DeviceError(
        `adapter: ${JSON.stringify(toggle)} is no Dawn toggle\n  a toggle is one word, as in "allow_unsafe_apis"`,
      );
    }
  }
  const flags: string[] = [];
  if (enable.length > 0) flags.push(`enable-dawn-features=${enable.join(",")}`);
  if (disable.length > 0) flags.push(`disable-dawn-features=${disable.join(",")}`);
  return flags;
}

function showLoadFailure(error: unknown): string {
  const { code } = error as { code?: unknown };
  if (code === "ERR_MODULE_NOT_FOUND") return "the package webgpu is not installed";
  if (code === "MODULE_NOT_FOUND") return `the package webgpu has no build for ${process.platform}-${process.arch}`;
  return `the package webgpu could not be loaded: ${firstLine(error)}`;
}

const firstLine = (error: unknown): string => String(error instanceof Error ? error.message : error).split("\n", 1)[0]!;
