// Progress of long work: a bar on a terminal, a line now and then elsewhere.
import { Presets, SingleBar } from "cli-progress";

export interface ProgressOptions {
  /** What is counted, such as "photographs". */
  readonly unit: string;
  /** Time between two lines where there is no terminal. Default: a second. */
  readonly lineMs?: number;
  /** Shows `{note}` of the payload behind the time. */
  readonly hasNote?: boolean;
}

/** Starts a bar for `total` of something; `increment` moves it on, `stop` ends it. */
export function startProgress(task: string, total: number, options: ProgressOptions): SingleBar {
  const { unit, lineMs = 1000, hasNote = false } = options;
  const format = `${task.padEnd(20)} {bar} {value} of {total} ${unit}, {duration} s${hasNote ? "{note}" : ""}`;
  const bar = new SingleBar({ format, barsize: 24, noTTYOutput: true, notTTYSchedule: lineMs }, Presets.shades_classic);
  bar.start(total, 0, { note: "" });
  return bar;
}
