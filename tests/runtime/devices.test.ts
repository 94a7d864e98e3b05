// The choice of a device: what is asked for, what there is, and what the user is told.
import { expect, test } from "vitest";
import { DeviceError, ValueError } from "../../compiler/core/errors.js";
import { baseLimits } from "../../compiler/ir/program.js";
import type { Backend } from "../../runtime/backend.js";
import { type DeviceSources, Devices } from "../../runtime/devices.js";
import { errorOf } from "./support.js";

type Fake = Backend & { lost: string | undefined };

function fake(kind: "gpu" | "cpu", isSoftware: boolean): Fake {
  const name = kind === "cpu" ? "CPU" : isSoftware ? "llvmpipe (software)" : "nvidia-h100";
  return {
    info: { kind, name, isSoftware, limits: baseLimits, features: [] },
    name,
    lost: undefined,
    execute: () => [],
    isDriven: () => false,
    drive: async () => [],
    prepare: async () => undefined,
  };
}

function setup(gpus: (Fake | { reason: string } | Error)[], device?: string) {
  const notices: string[] = [];
  const cpu = fake("cpu", true);
  let searches = 0;
  const gpu: DeviceSources["gpu"] = async () => {
    const next = gpus[Math.min(searches++, gpus.length - 1)]!;
    if (next instanceof Error) throw next;
    return next;
  };
  const notice = (line: string): void => void notices.push(line);
  const devices = new Devices({ cpu: () => cpu, gpu, environment: { LANEWISE_DEVICE: device }, notice });
  return { devices, notices, cpu, searches: () => searches };
}

test("auto takes hardware and says nothing", async () => {
  const gpu = fake("gpu", false);
  const { devices, notices } = setup([gpu]);
  expect(devices.choice).toBe("auto");
  expect(devices.now("auto")).toBeUndefined();
  expect(await devices.open("auto")).toBe(gpu);
  expect(devices.now("auto")).toBe(gpu);
  expect(notices).toEqual([]);
});

test("a software adapter is named, once, even when a GPU is asked for", async () => {
  const { devices, notices } = setup([fake("gpu", true)], "gpu");
  await devices.open("gpu");
  await devices.open("auto");
  expect(notices).toEqual(["lanewise: running on a software adapter: llvmpipe (software)"]);
});

test("auto without an adapter runs on the CPU, in one line", async () => {
  const { devices, notices, cpu, searches } = setup([{ reason: "Dawn found no vulkan adapter" }], "");
  expect(await Promise.all([devices.open("auto"), devices.open("auto")])).toEqual([cpu, cpu]);
  expect(devices.now("auto")).toBe(cpu);
  expect(searches()).toBe(1);
  expect(notices).toEqual(["lanewise: no GPU found (Dawn found no vulkan adapter); running on the CPU"]);
});

test("the CPU on request: at once, without a word or a search", () => {
  const { devices, notices, cpu, searches } = setup([fake("gpu", false)], "cpu");
  expect(devices.now(devices.choice)).toBe(cpu);
  expect([notices, searches()]).toEqual([[], 0]);
});

test("a GPU on request where there is none is an error that names the doctor", async () => {
  const { devices } = setup([{ reason: "no driver" }], "gpu");
  const error = await errorOf(() => devices.open("gpu"));
  expect(error).toBeInstanceOf(DeviceError);
  expect(error.message).toBe(
    "device: a GPU is asked for, but none was found: no driver\n  run `npx lanewise doctor` to see what is missing",
  );
  expect(() => devices.now("gpu")).toThrow(DeviceError);
  expect(await devices.open("auto")).toBe(devices.now("cpu"));
});

test("an adapter that gives no device counts as none", async () => {
  const { devices, notices, cpu } = setup([new DeviceError("llvmpipe gave no device: limits")]);
  expect(await devices.open("auto")).toBe(cpu);
  expect(notices).toEqual(["lanewise: no GPU found (llvmpipe gave no device: limits); running on the CPU"]);
});

test("choosing again looks again for a GPU", async () => {
  const gpu = fake("gpu", false);
  const { devices } = setup([{ reason: "no driver" }, gpu]);
  await devices.open("auto");
  devices.choose("gpu");
  expect(await devices.open("gpu")).toBe(gpu);
});

test("a lost device is replaced by a new one", async () => {
  const [first, second] = [fake("gpu", false), fake("gpu", false)];
  const { devices } = setup([first, second]);
  await devices.open("gpu");
  first.lost = "unplugged";
  expect(devices.now("gpu")).toBeUndefined();
  expect(await devices.open("gpu")).toBe(second);
});

test("only auto, gpu and cpu are devices", () => {
  const { devices } = setup([], "gpuu");
  expect(() => devices.choice).toThrow(
    new ValueError('LANEWISE_DEVICE: "gpuu" is no device\n  use "auto", "gpu", "cpu"'),
  );
  expect(() => devices.choose("tpu" as "gpu")).toThrow('setDevice: "tpu" is no device');
});
