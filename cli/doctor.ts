// `lanewise doctor`: looks at all that stands between Node and the GPU, and says how to mend what is not fine.
import { Command } from "commander";
import { checkAdapter } from "./doctor/adapter.js";
import type { Finding } from "./doctor/finding.js";
import {
  checkContainer,
  checkDeviceFiles,
  checkDeviceVariable,
  checkLibc,
  checkNode,
  checkPlatform,
} from "./doctor/host.js";
import { type Machine, thisMachine } from "./doctor/machine.js";
import { checkDrivers, checkLoader } from "./doctor/vulkan.js";

export interface DoctorOptions {
  /** The machine to look at; this one unless a test invents another. */
  readonly machine?: Machine;
}

/** Every finding, from the ground up: a fault further up often comes from one above it in the list. */
export async function doctor({ machine = thisMachine() }: DoctorOptions = {}): Promise<Finding[]> {
  const findings = [checkNode(machine), checkPlatform(machine), checkDeviceVariable(machine)];
  if (machine.platform === "linux") {
    findings.push(checkLibc(machine), checkDeviceFiles(machine), ...checkContainer(machine));
    findings.push(await checkLoader(machine), await checkDrivers(machine));
  }
  findings.push(...(await checkAdapter(machine)));
  return findings;
}

/** Exit code of the command: 1 when something failed. Warnings do not count. */
export const exitCode = (findings: readonly Finding[]): 0 | 1 =>
  findings.some(({ status }) => status === "failed") ? 1 : 0;

export function doctorCommand(): Command {
  return new Command("doctor")
    .description(
      "check Node, drivers and the GPU, and say how to mend what is not fine (exit code 1 when something failed)",
    )
    .option("--json", "print the findings as JSON")
    .action(async ({ json }: { json?: true }) => {
      const findings = await doctor();
      console.log(json ? showJson(findings) : showFindings(findings));
      process.exitCode = exitCode(findings);
    });
}

export const showJson = (findings: readonly Finding[]): string =>
  JSON.stringify({ ok: exitCode(findings) === 0, findings }, undefined, 2);

/** A line for each finding, with its fix below it, and a closing line that counts. */
export function showFindings(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ check }) => check.length));
  const indent = " ".repeat("warning".length + 2 + width + 2);
  const lines = findings.flatMap(({ check, status, found, fix }) => {
    const head = `${status.padEnd("warning".length)}  ${check.padEnd(width)}  ${found.replaceAll("\n", `\n${indent}`)}`;
    return fix === undefined ? [head] : [head, `${indent}fix: ${fix}`];
  });
  const count = (wanted: Finding["status"]): number => findings.filter(({ status }) => status === wanted).length;
  const warnings = count("warning");
  const summary = `${count("fine")} fine, ${warnings} ${warnings === 1 ? "warning" : "warnings"}, ${count("failed")} failed`;
  return [...lines, "", summary].join("\n");
}
