// Checks of what Dawn finds: an adapter, its limits and features, and whether a kernel computes what the CPU does.
import { type AdapterInfo, showAdapter } from "../../runtime/dawn/adapter.js";
import { type Finding, failed, fine, warning } from "./finding.js";
import { gpuDeviceFiles } from "./host.js";
import type { Machine, ProbeRun } from "./machine.js";
import type { ProbeMessage } from "./probe.js";

export async function checkAdapter(machine: Machine): Promise<Finding[]> {
  const run = await machine.probe();
  const found = messageOf(run, "adapter");
  if (found === undefined) return [noAdapter(machine, run)];
  return [describeAdapter(machine, found.info), ...describeLimits(run), checkKernel(run)];
}

function messageOf<K extends ProbeMessage["kind"]>(
  run: ProbeRun,
  kind: K,
): Extract<ProbeMessage, { kind: K }> | undefined {
  return run.messages.find((message): message is Extract<ProbeMessage, { kind: K }> => message.kind === kind);
}

function describeAdapter(machine: Machine, info: AdapterInfo): Finding {
  const details = { ...info };
  if (!info.isSoftware) return fine("adapter", showAdapter(info), details);
  const hasGpu = machine.platform !== "linux" || gpuDeviceFiles(machine).length > 0;
  const fix = hasGpu
    ? "this is the CPU: install the Vulkan driver of the GPU, and see the warnings above"
    : "this is the CPU: kernels run and are right, but not fast; run on a machine with a GPU";
  return warning("adapter", showAdapter(info), fix, details);
}

function noAdapter(machine: Machine, run: ProbeRun): Finding {
  const reason = messageOf(run, "failed")?.reason ?? "no answer from Dawn";
  const crash = run.crash === undefined ? "" : `; the process that looked ${run.crash}`;
  return failed("adapter", `none: ${reason}${crash}${showLog(run.log)}`, adapterFix(machine, run, reason));
}

function adapterFix(machine: Machine, run: ProbeRun, reason: string): string {
  if (/webgpu is not installed/.test(reason)) return "install lanewise again: npm ci, or npm install lanewise";
  if (/webgpu/.test(reason)) return "see platform and libc above; npm ci installs the package webgpu again";
  if (run.crash !== undefined) {
    return "a driver crashed: name one driver's file at a time in VK_DRIVER_FILES to find it, and update that one";
  }
  // Dawn's words for Mesa 22's lavapipe.
  if (/DynamicIndexing required/.test(run.log)) {
    return "the driver is too old for Dawn: install Mesa 25 or newer (Debian 12: from bookworm-backports)";
  }
  if (machine.platform !== "linux") return "update the graphics driver";
  return "see loader, drivers and devices above; if they are fine, update the graphics driver";
}

function describeLimits(run: ProbeRun): Finding[] {
  const message = messageOf(run, "limits");
  if (message === undefined) return [];
  const { limits, features } = message;
  const bytes = (name: string): string => showBytes(limits[name] ?? 0);
  const words = [
    `buffers up to ${bytes("maxBufferSize")}`,
    `bindings up to ${bytes("maxStorageBufferBindingSize")}`,
    `${limits.maxStorageBuffersPerShaderStage} storage buffers in a kernel`,
    `${limits.maxComputeInvocationsPerWorkgroup} lanes and ${bytes("maxComputeWorkgroupStorageSize")} in a workgroup`,
    `${limits.maxComputeWorkgroupsPerDimension} workgroups in a dimension`,
  ];
  const wanted = ["shader-f16", "subgroups", "timestamp-query"];
  const has = wanted.filter((name) => features.includes(name));
  const lacks = wanted.filter((name) => !features.includes(name));
  const found = [has.join(", "), lacks.length > 0 ? `without ${lacks.join(", ")}` : ""].filter((part) => part !== "");
  return [fine("limits", words.join(", "), limits), fine("features", found.join("; "), { features })];
}

function checkKernel(run: ProbeRun): Finding {
  const result = messageOf(run, "kernel");
  if (result?.wrong === 0) return fine("kernel", `${result.elements} elements agree with the CPU`, { ...result });
  const fix =
    "update the graphics driver, or choose another adapter by VK_DRIVER_FILES; until then set LANEWISE_DEVICE=cpu";
  if (result !== undefined) {
    return failed("kernel", `${result.wrong} of ${result.elements} elements differ from the CPU`, fix, { ...result });
  }
  const reason = messageOf(run, "failed")?.reason ?? `the process that ran it ${run.crash ?? "gave no answer"}`;
  return failed("kernel", `it did not run: ${reason}${showLog(run.log)}`, fix);
}

/** What Dawn and the driver wrote, less two lines that it writes on every machine. */
function showLog(log: string): string {
  const lines = log.split("\n").filter((line) => /\S/.test(line) && !/artificially reduced|^\s+at /.test(line));
  return lines
    .slice(0, 4)
    .map((line) => `\n${line.trim()}`)
    .join("");
}

function showBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB"];
  let unit = 0;
  let value = bytes;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${Number(value.toFixed(1))} ${units[unit]}`;
}
