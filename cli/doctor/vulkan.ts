// Checks of the Vulkan loader and of the drivers it will find, on Linux.
import { dirname, join } from "node:path";
import { type Finding, failed, fine, warning } from "./finding.js";
import { gpuDeviceFiles } from "./host.js";
import type { Machine } from "./machine.js";

const LOADER = "libvulkan.so.1";

export async function checkLoader(machine: Machine): Promise<Finding> {
  const problem = await loadProblem(machine, LOADER);
  if (problem === undefined) return fine("loader", `${LOADER} loads`);
  return failed(
    "loader",
    `${LOADER}: ${problem}`,
    "install the Vulkan loader: apt-get install libvulkan1 (Debian, Ubuntu), dnf install vulkan-loader (Fedora)",
  );
}

/** Every driver the loader will try: its manifest (an "ICD file") must be there, and the library that it names must load. */
export async function checkDrivers(machine: Machine): Promise<Finding> {
  const { manifests, from } = listManifests(machine);
  const works: string[] = [];
  const problems: string[] = [];
  for (const manifest of manifests) {
    const problem = await driverProblem(machine, manifest);
    if (problem === undefined) works.push(manifest);
    else if (problem !== OTHER_WIDTH) problems.push(`${manifest}: ${problem}`);
  }
  const details = { from, works, problems };
  const list = problems.map((problem) => `\n${problem}`).join("");
  if (works.length === 0)
    return failed("drivers", `no Vulkan driver works (${from})${list}`, installFix(machine), details);
  const drivers = works.map((file) => file.slice(file.lastIndexOf("/") + 1)).join(", ");
  if (problems.length > 0) {
    return warning("drivers", `${drivers}; of ${from}, this does not work${list}`, problemFix(machine), details);
  }
  if (machine.list("/dev").some((name) => /^nvidia\d+$/.test(name)) && !works.some((file) => /nvidia/.test(file))) {
    const seen = `${drivers}; there is an NVIDIA GPU, but no nvidia_icd.json (${from})`;
    return warning("drivers", seen, installFix(machine), details);
  }
  return fine("drivers", drivers, details);
}

const OTHER_WIDTH = "for programs of another word size";

async function driverProblem(machine: Machine, manifest: string): Promise<string | undefined> {
  const text = machine.readFile(manifest);
  if (text === undefined) return machine.exists(manifest) ? "cannot be read" : "does not exist";
  let icd: { library_path?: unknown; library_arch?: unknown } | undefined;
  try {
    icd = JSON.parse(text).ICD;
  } catch {
    return "is not JSON";
  }
  if (typeof icd?.library_path !== "string") return "names no library (ICD.library_path)";
  if (icd.library_arch === "32") return OTHER_WIDTH;
  const path = icd.library_path;
  const library = path.includes("/") ? join(path.startsWith("/") ? "/" : dirname(manifest), path) : path; // a bare name is searched for
  if (library.includes("/") && !machine.exists(library)) return `its library ${library} does not exist`;
  const problem = await loadProblem(machine, library);
  if (problem === undefined) return undefined;
  return /wrong ELF class/.test(problem) ? OTHER_WIDTH : `its library does not load: ${problem}`;
}

async function loadProblem(machine: Machine, library: string): Promise<string | undefined> {
  const { messages, crash } = await machine.probe(library);
  for (const message of messages) {
    if (message.kind === "loaded") return undefined;
    if (message.kind === "failed") return message.reason.split("\n", 1)[0]!;
  }
  return `loading it ${crash ?? "gave no answer"}`;
}

/** The manifests that the loader reads, in its order, and where that list comes from. */
function listManifests(machine: Machine): { manifests: string[]; from: string } {
  const { env, home } = machine;
  const split = (text: string): string[] => text.split(":").filter((part) => part !== "");
  const inFolder = (folder: string): string[] =>
    machine
      .list(folder)
      .filter((name) => name.endsWith(".json"))
      .map((name) => join(folder, name));
  // An entry may be a file or a folder.
  const inVariable = (text: string): string[] =>
    split(text).flatMap((path) => (path.endsWith(".json") || !machine.exists(path) ? [path] : inFolder(path)));

  for (const name of ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"]) {
    const value = env[name];
    if (value) return { manifests: inVariable(value), from: `${name}=${value}` };
  }
  const folders = [
    env.XDG_CONFIG_HOME || join(home, ".config"),
    ...split(env.XDG_CONFIG_DIRS || "/etc/xdg"),
    "/etc",
    env.XDG_DATA_HOME || join(home, ".local/share"),
    ...split(env.XDG_DATA_DIRS || "/usr/local/share:/usr/share"),
  ].map((folder) => join(folder, "vulkan/icd.d"));
  const added = inVariable(env.VK_ADD_DRIVER_FILES ?? "");
  return { manifests: [...added, ...new Set(folders.flatMap(inFolder))], from: folders.join(":") };
}

function problemFix(machine: Machine): string {
  const variable = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"].find((name) => machine.env[name]);
  if (variable !== undefined) return `take it out of ${variable}, or install its driver again`;
  return "install that driver again, or remove its file; to use only one driver, name its file in VK_DRIVER_FILES";
}

function installFix(machine: Machine): string {
  if (gpuDeviceFiles(machine).some((file) => file.startsWith("/dev/nvidia"))) {
    return (
      "install the Vulkan part of the NVIDIA driver (nvidia_icd.json, libGLX_nvidia.so.0); " +
      "start a container with NVIDIA_DRIVER_CAPABILITIES=compute,utility,graphics"
    );
  }
  const variable = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"].find((name) => machine.env[name]);
  const unset = variable === undefined ? "" : `unset ${variable} or correct it; else `;
  return `${unset}install Mesa 25 or newer: apt-get install mesa-vulkan-drivers (Debian 12: from bookworm-backports)`;
}
