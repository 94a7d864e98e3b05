// Whole processes: how much memory they take when results are dropped, and how they end.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { hasGpu } from "../support/gpu.js";

interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(script: URL, device: "gpu" | "cpu", args: readonly string[] = []): Promise<Ended> {
  const env = { ...process.env, LANEWISE_DEVICE: device };
  const child = spawn(process.execPath, ["--import", "tsx", fileURLToPath(script), ...args], { env, timeout: 200_000 });
  const stdout: string[] = [];
  const stderr: string[] = [];
  child.stdout.on("data", (text) => void stdout.push(text));
  child.stderr.on("data", (text) => void stderr.push(text));
  return new Promise((resolve) => {
    child.on("close", (code, signal) => resolve({ code, signal, stdout: stdout.join(""), stderr: stderr.join("") }));
  });
}

const drop = new URL("./children/drop.ts", import.meta.url);
const hoard = new URL("./children/hoard.ts", import.meta.url);
const reads = new URL("./children/reads.ts", import.meta.url);
const exit = new URL("./children/exit.ts", import.meta.url);

describe.each(hasGpu ? (["gpu", "cpu"] as const) : (["cpu"] as const))("on the %s", (device) => {
  test("10,000 dropped results of 1 MB keep the process under 600 MB", { timeout: 240_000 }, async () => {
    const { code, stdout, stderr } = await run(drop, device);
    expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
    const { peakMegabytes, sum } = JSON.parse(stdout);
    expect(sum).toBe(0);
    expect(peakMegabytes).toBeLessThan(600);
  });

  test.each(["queued", "ready"])("a loop that never yields meets the budget (%s)", async (when) => {
    const { code, stdout, stderr } = await run(hoard, device, [when]);
    expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
    const { calls, later, message, first, megabytes } = JSON.parse(stdout);
    expect(calls).toBeGreaterThan(80);
    expect(calls).toBeLessThanOrEqual(100);
    expect(message).toMatch(
      /^memory: a call needs 1 MiB for its results, but [\d.]+ MiB in \d+ arrays are live, and the budget is 100 MiB\n/,
    );
    expect(message).toMatch(/await a read[^\n]*\n.*dispose\(\).*setMemoryBudget\(bytes\)\n {2}at .*hoard\.ts:\d+/);
    expect({ later, first }).toEqual({ later: 50, first: -1 });
    expect(megabytes).toBeLessThan(600);
  });

  test("a loop that awaits each read stays within the budget", async () => {
    const { stdout, stderr } = await run(reads, device);
    expect(stdout, stderr).toBe('{"sum":-400}\n');
  });

  const ways = ["nothing is read", "all is read", "an exit handler calls"];
  const early = ["the device is not there yet", "calls are encoded", "reads are pending", "an exception ends it"];
  test.concurrent.each(device === "gpu" ? [...ways, ...early] : ways)(
    "the process ends by itself when %s",
    async (way) => {
      const { code, signal, stdout, stderr } = await run(exit, device, [way]);
      expect({ code, signal, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, signal: null, stderr: "" });
      if (way === "an exit handler calls") expect(stdout.trim()).toBe(device === "gpu" ? "end\nDeviceError" : "end");
      else if (ways.includes(way)) expect(stdout.trim()).toBe("end");
    },
  );

  test.concurrent("there is one line on stderr for a software adapter, and none for a device that was asked for", async () => {
    const { stderr } = await run(exit, device, ["all is read"]);
    const lines = stderr.split("\n").filter((line) => line.startsWith("lanewise: "));
    if (device === "cpu") expect(lines).toEqual([]);
    else expect(lines.length).toBeLessThanOrEqual(1);
  });
});
