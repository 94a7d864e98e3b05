// The doctor on invented machines, each with one thing wrong, and the command itself on this one.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import type { Finding } from "../../cli/doctor/finding.js";
import { type Machine, type ProbeRun, thisMachine } from "../../cli/doctor/machine.js";
import type { ProbeMessage } from "../../cli/doctor/probe.js";
import { doctor, exitCode, showFindings, showJson } from "../../cli/doctor.js";
import type { AdapterInfo } from "../../runtime/dawn/adapter.js";
import { hasGpu } from "../support/gpu.js";

const h100: AdapterInfo = {
  vendor: "nvidia",
  architecture: "hopper",
  device: "nvidia-h100",
  description: "NVIDIA: 550.120",
  backend: "vulkan",
  isSoftware: false,
};
const llvmpipe: AdapterInfo = { ...h100, vendor: "mesa", device: "llvmpipe-256-bits-", isSoftware: true };
const limits = {
  maxBufferSize: 2 ** 32,
  maxStorageBufferBindingSize: 2 ** 27,
  maxStorageBuffersPerShaderStage: 16,
  maxComputeInvocationsPerWorkgroup: 1024,
  maxComputeWorkgroupStorageSize: 49152,
  maxComputeWorkgroupsPerDimension: 65535,
};

const run = (messages: readonly ProbeMessage[], crash?: string, log = ""): ProbeRun => ({ messages, crash, log });
const healthy = (info: AdapterInfo): ProbeRun =>
  run([
    { kind: "adapter", info },
    { kind: "limits", limits, features: ["subgroups"] },
    { kind: "kernel", elements: 4096, wrong: 0 },
  ]);
const none = (log = ""): ProbeRun => run([{ kind: "failed", reason: "Dawn found no vulkan adapter" }], undefined, log);

interface Invented {
  readonly platform?: string;
  readonly arch?: string;
  readonly nodeVersion?: string;
  readonly glibcVersion?: string | undefined;
  readonly env?: Readonly<Record<string, string>>;
  /** Contents by path. */
  readonly files?: Readonly<Record<string, string>>;
  /** Files that this user may not open. */
  readonly closed?: readonly string[];
  /** Libraries that do not load, with the reason or the crash. */
  readonly broken?: Readonly<Record<string, string | ProbeRun>>;
  readonly adapter?: ProbeRun;
}

const manifest = (library: string): string => JSON.stringify({ ICD: { library_path: library, api_version: "1.3.0" } });
const nvidiaFiles = {
  "/dev/nvidia0": "",
  "/dev/nvidiactl": "",
  "/usr/share/vulkan/icd.d/nvidia_icd.json": manifest("libGLX_nvidia.so.0"),
};
const mesaFiles = {
  "/dev/dri/renderD128": "",
  "/usr/share/vulkan/icd.d/radeon_icd.json": manifest("libvulkan_radeon.so"),
};

/** A healthy Linux machine with an NVIDIA GPU, but for what `invented` says. */
function machine(invented: Invented = {}): Machine {
  const files: Record<string, string> = { ...(invented.files ?? nvidiaFiles) };
  return {
    platform: invented.platform ?? "linux",
    arch: invented.arch ?? "x64",
    nodeVersion: invented.nodeVersion ?? "v20.11.0",
    glibcVersion: "glibcVersion" in invented ? invented.glibcVersion : "2.36",
    env: invented.env ?? {},
    home: "/home/ann",
    readFile: (path) => files[path],
    list: (folder) =>
      Object.keys(files)
        .filter((path) => path.startsWith(`${folder}/`))
        .map((path) => path.slice(folder.length + 1))
        .filter((name) => !name.includes("/"))
        .sort(),
    exists: (path) => Object.keys(files).some((file) => file === path || file.startsWith(`${path}/`)),
    canReadAndWrite: (path) => !invented.closed?.includes(path),
    probe: async (library) => {
      if (library === undefined) return invented.adapter ?? healthy(h100);
      const problem = invented.broken?.[library];
      if (problem === undefined) return run([{ kind: "loaded" }]);
      return typeof problem === "string" ? run([{ kind: "failed", reason: problem }]) : problem;
    },
  };
}

const examine = async (invented?: Invented): Promise<Map<string, Finding>> =>
  new Map((await doctor({ machine: machine(invented) })).map((finding) => [finding.check, finding]));

test("a healthy machine has nothing but fine findings, and exit code 0", async () => {
  const findings = await doctor({ machine: machine() });
  expect(findings.filter(({ status }) => status !== "fine")).toEqual([]);
  expect(exitCode(findings)).toBe(0);
  expect(showFindings(findings)).toContain("fine     adapter          nvidia-h100 (NVIDIA: 550.120, vulkan)");
  expect(showFindings(findings)).toMatch(/\n\n11 fine, 0 warnings, 0 failed$/);
  expect(JSON.parse(showJson(findings))).toMatchObject({ ok: true });
});

test("every finding that is not fine has a fix, on every machine below", async () => {
  const machines: Invented[] = [
    { nodeVersion: "v18.20.0", arch: "ia32", glibcVersion: undefined, env: { LANEWISE_DEVICE: "tpu" } },
    { files: {}, adapter: none(), broken: { "libvulkan.so.1": "cannot open shared object file" } },
    { files: mesaFiles, closed: ["/dev/dri/renderD128"], adapter: healthy(llvmpipe) },
    { env: { NVIDIA_VISIBLE_DEVICES: "void", LANEWISE_DEVICE: "cpu", VK_DRIVER_FILES: "/gone.json" } },
    { platform: "darwin", arch: "arm64", adapter: run([], "crashed (SIGSEGV)") },
  ];
  for (const invented of machines) {
    for (const { status, fix } of await doctor({ machine: machine(invented) })) {
      expect(fix === undefined).toBe(status === "fine");
    }
  }
});

test("an old Node, an unknown platform, musl and an old glibc fail", async () => {
  const old = await examine({ nodeVersion: "v18.20.0", arch: "ia32", glibcVersion: "2.31" });
  expect(old.get("node")).toMatchObject({ status: "failed", found: "v18.20.0, lanewise needs 20 or newer" });
  expect(old.get("platform")?.found).toContain("linux-ia32");
  expect(old.get("libc")).toMatchObject({ status: "failed", found: expect.stringContaining("glibc 2.31") });
  const alpine = await examine({ glibcVersion: undefined });
  expect(alpine.get("libc")).toMatchObject({ status: "failed", found: expect.stringContaining("musl") });
});

test("LANEWISE_DEVICE is checked", async () => {
  const status = async (value: string): Promise<unknown> =>
    (await examine({ env: { LANEWISE_DEVICE: value } })).get("LANEWISE_DEVICE")?.status;
  expect(await status("gpu")).toBe("fine");
  expect(await status("cpu")).toBe("warning");
  expect(await status("tpu")).toBe("failed");
});

test("a missing loader names the package that brings it", async () => {
  const findings = await examine({ broken: { "libvulkan.so.1": "cannot open shared object file" }, adapter: none() });
  expect(findings.get("loader")).toMatchObject({ status: "failed", fix: expect.stringContaining("libvulkan1") });
  expect(findings.get("adapter")).toMatchObject({ status: "failed" });
});

test("a driver whose library is missing, does not load or crashes is named with its reason", async () => {
  const folder = "/etc/vulkan/icd.d";
  const findings = await examine({
    files: {
      ...mesaFiles,
      [`${folder}/a.json`]: manifest("/opt/gone.so"),
      [`${folder}/b.json`]: manifest("libb.so"),
      [`${folder}/c.json`]: manifest("../libc.so"),
      "/etc/vulkan/libc.so": "",
      [`${folder}/d.json`]: "{",
      [`${folder}/e.json`]: manifest("libe32.so"),
    },
    broken: {
      "libb.so": "libLLVM.so: cannot open shared object file",
      "/etc/vulkan/libc.so": run([], "crashed (SIGSEGV)"),
      "libe32.so": "libe32.so: wrong ELF class: ELFCLASS32",
    },
  });
  expect(findings.get("drivers")).toMatchObject({
    status: "warning",
    details: {
      works: ["/usr/share/vulkan/icd.d/radeon_icd.json"],
      problems: [
        `${folder}/a.json: its library /opt/gone.so does not exist`,
        `${folder}/b.json: its library does not load: libLLVM.so: cannot open shared object file`,
        `${folder}/c.json: its library does not load: loading it crashed (SIGSEGV)`,
        `${folder}/d.json: is not JSON`,
      ],
    },
  });
});

test("VK_DRIVER_FILES comes before VK_ICD_FILENAMES, and both before the folders", async () => {
  const files = { ...nvidiaFiles, "/opt/icd/a.json": manifest("liba.so"), "/opt/b.json": manifest("libb.so") };
  const works = async (env: Record<string, string>): Promise<unknown> =>
    (await examine({ files, env })).get("drivers")?.details?.works;
  expect(await works({})).toEqual(["/usr/share/vulkan/icd.d/nvidia_icd.json"]);
  expect(await works({ VK_ICD_FILENAMES: "/opt/b.json" })).toEqual(["/opt/b.json"]);
  expect(await works({ VK_ICD_FILENAMES: "/opt/b.json", VK_DRIVER_FILES: "/opt/icd" })).toEqual(["/opt/icd/a.json"]);
  expect(await works({ VK_ADD_DRIVER_FILES: "/opt/b.json", XDG_DATA_DIRS: "/nowhere" })).toEqual(["/opt/b.json"]);
});

test("a variable that names a missing file fails and says which", async () => {
  const findings = await examine({ env: { VK_DRIVER_FILES: "/gone.json" } });
  expect(findings.get("drivers")).toMatchObject({
    status: "failed",
    found: expect.stringContaining("/gone.json: does not exist"),
    fix: expect.stringContaining("NVIDIA_DRIVER_CAPABILITIES=compute,utility,graphics"),
  });
});

test("an NVIDIA GPU without NVIDIA's Vulkan driver is a warning, though lavapipe is there", async () => {
  const files = { "/dev/nvidia0": "", "/usr/share/vulkan/icd.d/lvp_icd.json": manifest("libvulkan_lvp.so") };
  const findings = await examine({ files, adapter: healthy(llvmpipe) });
  expect(findings.get("drivers")).toMatchObject({ status: "warning", fix: expect.stringContaining("nvidia_icd.json") });
  expect(findings.get("adapter")).toMatchObject({
    status: "warning",
    fix: expect.stringContaining("Vulkan driver of the GPU"),
  });
});

test("a container that does not show graphics is told which variable to set", async () => {
  const container = async (env: Record<string, string>): Promise<Finding | undefined> =>
    (await examine({ env })).get("container");
  const capabilities = "NVIDIA_DRIVER_CAPABILITIES";
  expect(await container({})).toBeUndefined();
  expect(await container({ NVIDIA_VISIBLE_DEVICES: "all" })).toMatchObject({ status: "warning" }); // compute,utility
  expect(await container({ NVIDIA_VISIBLE_DEVICES: "all", [capabilities]: "compute,graphics" })).toMatchObject({
    status: "fine",
  });
  expect(await container({ NVIDIA_VISIBLE_DEVICES: "0", [capabilities]: "all" })).toMatchObject({ status: "fine" });
  expect((await container({ NVIDIA_VISIBLE_DEVICES: "0", [capabilities]: "compute" }))?.fix).toContain("graphics");
  expect((await container({ [capabilities]: "all" }))?.fix).toContain("NVIDIA_VISIBLE_DEVICES=all");
});

test("a device file that this user may not open is named", async () => {
  const findings = await examine({ files: mesaFiles, closed: ["/dev/dri/renderD128"], adapter: healthy(llvmpipe) });
  expect(findings.get("devices")).toMatchObject({ status: "warning", fix: expect.stringContaining("render") });
  expect((await examine({ files: {} })).get("devices")?.found).toContain("no GPU under /dev");
});

test("a software adapter alone is a warning, and exit code 0", async () => {
  const files = { "/usr/share/vulkan/icd.d/lvp_icd.json": manifest("libvulkan_lvp.so") };
  const findings = await doctor({ machine: machine({ files, adapter: healthy(llvmpipe) }) });
  expect(findings.find(({ check }) => check === "adapter")).toMatchObject({
    status: "warning",
    fix: expect.stringContaining("this is the CPU"),
  });
  expect(exitCode(findings)).toBe(0);
});

test("no adapter fails, with what Dawn wrote and the fix for it", async () => {
  const tooOld =
    "Warning: x artificially reduced from 1 to 0\nVulkan shaderUniformBufferArrayDynamicIndexing required\n";
  const findings = await examine({ adapter: none(tooOld) });
  expect(findings.get("adapter")).toMatchObject({ status: "failed", fix: expect.stringContaining("too old for Dawn") });
  expect(findings.get("adapter")?.found).not.toContain("artificially reduced");
  expect(findings.get("kernel")).toBeUndefined();
});

test("a driver that crashes or hangs is reported where it did", async () => {
  const early = await examine({ adapter: run([], "crashed (SIGSEGV)") });
  expect(early.get("adapter")).toMatchObject({ status: "failed", fix: expect.stringContaining("VK_DRIVER_FILES") });
  const late = await examine({ adapter: run(healthy(h100).messages.slice(0, 2), "gave no answer for 30 s") });
  expect(late.get("adapter")?.status).toBe("fine");
  expect(late.get("kernel")).toMatchObject({
    status: "failed",
    found: expect.stringContaining("gave no answer for 30 s"),
  });
});

test("a kernel that disagrees with the CPU fails", async () => {
  const messages = [...healthy(h100).messages.slice(0, 2), { kind: "kernel", elements: 4096, wrong: 7 } as const];
  const findings = await examine({ adapter: run(messages) });
  expect(findings.get("kernel")).toMatchObject({ status: "failed", found: "7 of 4096 elements differ from the CPU" });
});

test("Vulkan, devices and libc are a matter of Linux", async () => {
  const checks = [...(await examine({ platform: "darwin", arch: "arm64", adapter: healthy(h100) })).keys()];
  expect(checks).toEqual(["node", "platform", "LANEWISE_DEVICE", "adapter", "limits", "features", "kernel"]);
});

test("on this machine, a library that is missing is told from one that loads", async () => {
  const missing = await thisMachine().probe("libthere-is-none.so");
  expect(missing).toMatchObject({ messages: [{ kind: "failed" }], crash: undefined });
  if (process.platform === "linux") {
    expect(await thisMachine().probe("libc.so.6")).toMatchObject({ messages: [{ kind: "loaded" }], crash: undefined });
  }
});

test("on this machine, `lanewise doctor --json` finds what the tests run on", () => {
  const main = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));
  const { status, stdout } = spawnSync(process.execPath, ["--import", "tsx", main, "doctor", "--json"], {
    encoding: "utf8",
  });
  const { ok, findings } = JSON.parse(stdout) as { ok: boolean; findings: Finding[] };
  expect(status).toBe(ok ? 0 : 1);
  expect(findings.find(({ check }) => check === "kernel")?.status).toBe(hasGpu ? "fine" : undefined);
});
