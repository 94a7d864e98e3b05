// Checks of Node, the C library, our own variable, and the GPU's device files with what a container shows of them.
import { type Finding, failed, fine, warning } from "./finding.js";
import type { Machine } from "./machine.js";

const MIN_NODE_MAJOR = 20;
const MIN_GLIBC = [2, 34] as const; // the highest GLIBC_ version that webgpu 0.6.2's dawn.node asks for

/** Where the package webgpu has a build of Dawn. */
const PLATFORMS = ["linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64", "win32-x64", "win32-arm64"];

export function checkNode(machine: Machine): Finding {
  const major = Number(/^v?(\d+)/.exec(machine.nodeVersion)?.[1]);
  if (major >= MIN_NODE_MAJOR) return fine("node", machine.nodeVersion);
  return failed(
    "node",
    `${machine.nodeVersion}, lanewise needs ${MIN_NODE_MAJOR} or newer`,
    `install Node ${MIN_NODE_MAJOR} or newer`,
  );
}

export function checkPlatform(machine: Machine): Finding {
  const name = `${machine.platform}-${machine.arch}`;
  if (PLATFORMS.includes(name)) return fine("platform", name);
  return failed(
    "platform",
    `${name}: the package webgpu has no build for it`,
    `run on one of ${PLATFORMS.join(", ")}, or stay on the CPU with LANEWISE_DEVICE=cpu`,
  );
}

/** Linux only. */
export function checkLibc(machine: Machine): Finding {
  const wanted = `glibc ${MIN_GLIBC.join(".")}`;
  const { glibcVersion } = machine;
  if (glibcVersion === undefined) {
    return failed(
      "libc",
      `not glibc (musl, as in Alpine?): Dawn's build needs ${wanted} or newer`,
      "use an image with glibc, for instance one based on Debian, or stay on the CPU with LANEWISE_DEVICE=cpu",
    );
  }
  const [major = 0, minor = 0] = glibcVersion.split(".").map(Number);
  if (major > MIN_GLIBC[0] || (major === MIN_GLIBC[0] && minor >= MIN_GLIBC[1])) {
    return fine("libc", `glibc ${glibcVersion}`);
  }
  return failed(
    "libc",
    `glibc ${glibcVersion}: Dawn's build needs ${wanted} or newer`,
    "use a newer system (Debian 12, Ubuntu 22.04 or later), or stay on the CPU with LANEWISE_DEVICE=cpu",
  );
}

export function checkDeviceVariable(machine: Machine): Finding {
  const value = machine.env.LANEWISE_DEVICE;
  switch (value) {
    case undefined:
    case "":
      return fine("LANEWISE_DEVICE", "not set, which means auto");
    case "auto":
    case "gpu":
      return fine("LANEWISE_DEVICE", value);
    case "cpu":
      return warning("LANEWISE_DEVICE", "cpu: no GPU is used", "unset LANEWISE_DEVICE to use one");
    default:
      return failed(
        "LANEWISE_DEVICE",
        `${JSON.stringify(value)} is no device`,
        "set it to auto, gpu or cpu, or unset it",
      );
  }
}

/** The files under /dev through which a driver reaches a GPU. Linux only. */
export function gpuDeviceFiles(machine: Machine): string[] {
  const named = (folder: string, pattern: RegExp): string[] =>
    machine
      .list(folder)
      .filter((name) => pattern.test(name))
      .map((name) => `${folder}/${name}`);
  return [...named("/dev", /^(nvidia\d+|dxg)$/), ...named("/dev/dri", /^renderD\d+$/)];
}

/** Linux only. */
export function checkDeviceFiles(machine: Machine): Finding {
  const files = gpuDeviceFiles(machine);
  if (files.length === 0) {
    return warning(
      "devices",
      "no GPU under /dev (nvidia*, dri/renderD*, dxg)",
      "where the machine has a GPU, install its kernel driver; start a container with --gpus all (NVIDIA) " +
        "or --device /dev/dri (others)",
    );
  }
  const closed = files.filter((file) => !machine.canReadAndWrite(file));
  if (closed.length === 0) return fine("devices", files.join(", "), { files });
  return warning(
    "devices",
    `this user may not read and write ${closed.join(", ")}`,
    "add the user to the group that owns the file (as a rule: usermod -aG render,video USER, then log in anew)",
    { files, closed },
  );
}

/** What the NVIDIA container toolkit was told to show; none where it was not used. */
export function checkContainer(machine: Machine): Finding[] {
  const visible = machine.env.NVIDIA_VISIBLE_DEVICES;
  const capabilities = machine.env.NVIDIA_DRIVER_CAPABILITIES;
  if (visible === undefined && capabilities === undefined) return [];
  const seen = `NVIDIA_VISIBLE_DEVICES=${visible ?? "(not set)"}, NVIDIA_DRIVER_CAPABILITIES=${capabilities ?? "(not set)"}`;
  if (visible === undefined || ["", "none", "void"].includes(visible)) {
    return [warning("container", `${seen}: no GPU is shown`, "start the container with NVIDIA_VISIBLE_DEVICES=all")];
  }
  const shown = (capabilities || "compute,utility").split(",").map((word) => word.trim()); // the toolkit's default
  if (shown.includes("graphics") || shown.includes("all")) return [fine("container", seen)];
  return [
    warning(
      "container",
      `${seen}: Vulkan is not shown`,
      "start the container with NVIDIA_DRIVER_CAPABILITIES=compute,utility,graphics",
    ),
  ];
}
