// Measurements as tables in Markdown.
import type { Measured, MeasuredCase } from "./measure.js";

/** One line for each contestant. */
export function showCase({ name, title, contestants }: MeasuredCase): string {
  const columns: Readonly<Record<string, (measured: Measured) => string | number>> = {
    "": (measured) => measured.name,
    "per call": ({ ms }) => showTime(ms),
    fastest: (measured) => showTime(fastest(measured)),
    "CPU time": ({ cpuMs }) => showTime(cpuMs),
    kernels: ({ counts }) => counts.dispatches,
    submits: ({ counts }) => counts.submits,
    "bind groups": ({ counts }) => counts.bindGroups,
    buffers: ({ counts }) => counts.buffers,
    "their bytes": ({ counts }) => counts.bufferBytes,
    "uploaded bytes": ({ counts }) => counts.uploadedBytes,
  };
  const lines = contestants.map((measured) => Object.values(columns).map((show) => String(show(measured))));
  return `**${name}**: ${title}\n\n${showTable(Object.keys(columns), lines)}`;
}

/** Time of lanewise over that of each other: of the medians, and of the fastest rounds; a dash where one did not run. */
export function showRatios(cases: readonly MeasuredCase[]): string {
  const others = [...new Set(cases.flatMap(({ contestants }) => contestants.slice(1).map(({ name }) => name)))];
  const lines = cases.map(({ name, contestants }) => {
    const [ours, ...rest] = contestants as [Measured, ...Measured[]];
    const ratios = others.flatMap((other) => {
      const it = rest.find((one) => one.name === other);
      return it ? [ours.ms / it.ms, fastest(ours) / fastest(it)].map((x) => x.toFixed(2)) : ["–", "–"];
    });
    return [name, ...ratios];
  });
  return showTable(["lanewise over …", ...others.flatMap((name) => [name, `${name}, fastest`])], lines);
}

const fastest = ({ rounds }: Measured): number => Math.min(...rounds);

function showTime(ms: number): string {
  if (ms < 1) return `${(ms * 1000).toPrecision(3)} µs`;
  return `${ms < 1000 ? ms.toPrecision(3) : Math.round(ms)} ms`;
}

/** The first column is text, the others are numbers. */
function showTable(head: readonly string[], lines: readonly (readonly string[])[]): string {
  const widths = head.map((cell, k) => Math.max(cell.length, ...lines.map((line) => line[k]!.length)));
  const row = (cells: readonly string[]): string =>
    `| ${cells.map((cell, k) => (k === 0 ? cell.padEnd(widths[k]!) : cell.padStart(widths[k]!))).join(" | ")} |`;
  const rule = widths.map((width, k) => (k === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`));
  return [head, rule, ...lines].map(row).join("\n");
}
