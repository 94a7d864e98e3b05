// Measures the contestants of a case in turns, so that what else the machine does falls on all of them.
import type { Case, Machine } from "./case.js";
import type { Contestant } from "./contestant.js";
import { countGpu, type GpuCounts } from "./gpu-counts.js";

export interface Measured {
  readonly name: Contestant["name"];
  /** Median of the rounds, per call. */
  readonly ms: number;
  /** Every round. */
  readonly rounds: readonly number[];
  /** Time of all processors that it took, per call: what a software adapter costs, whatever else runs. */
  readonly cpuMs: number;
  /** Of one call whose result is read, when it is called for the third time. */
  readonly counts: GpuCounts;
}

export interface MeasuredCase {
  readonly name: string;
  readonly title: string;
  readonly contestants: readonly Measured[];
}

/** Throws when results differ. */
export async function measure(work: Case, machine: Machine, rounds: number): Promise<MeasuredCase> {
  const contestants = work.contestants(machine);
  await checkEqual(work, contestants);
  const counts = new Map<Contestant, GpuCounts>();
  for (const contestant of contestants) {
    await contestant.run(1);
    counts.set(contestant, await countGpu(() => contestant.read()));
    await contestant.run(work.calls);
  }
  const times = contestants.map((): Time[] => []);
  for (let round = 0; round < rounds * work.repeats; round++) {
    // nobody is always the first, or always behind the same one
    const order = contestants.map((_, turn) => (turn + round) % contestants.length);
    for (const k of round % 2 === 0 ? order : order.reverse()) times[k]!.push(await timeOf(contestants[k]!, work));
  }
  return {
    name: work.name,
    title: work.title,
    contestants: contestants.map((contestant, k) => ({
      name: contestant.name,
      ms: median(times[k]!.map(({ ms }) => ms)),
      rounds: times[k]!.map(({ ms }) => ms),
      cpuMs: median(times[k]!.map(({ cpuMs }) => cpuMs)),
      counts: counts.get(contestant)!,
    })),
  };
}

/** Per call. */
type Time = Readonly<Record<"ms" | "cpuMs", number>>;

async function timeOf(contestant: Contestant, { timed, calls }: Case): Promise<Time> {
  const clock = async (): Promise<number> => {
    if (contestant.clock) return contestant.clock();
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  };
  const before = await clock();
  const start = performance.now();
  if (timed === "read") for (let k = 0; k < calls; k++) await contestant.read();
  else await contestant.run(calls);
  const ms = (performance.now() - start) / calls;
  return { ms, cpuMs: ((await clock()) - before) / calls };
}

async function checkEqual({ name, tolerance, strays = 0 }: Case, contestants: readonly Contestant[]): Promise<void> {
  const [first, ...others] = contestants as [Contestant, ...Contestant[]];
  const want = await first.read();
  const scale = want.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  for (const other of others) {
    const seen = await other.read();
    const apart = want.filter((x, i) => !(Math.abs(x - seen[i]!) <= tolerance * scale)).length;
    if (seen.length !== want.length || apart > strays * want.length) {
      throw new Error(
        `${name}: ${first.name} and ${other.name} differ: ${want.length} and ${seen.length} elements, ${apart} of them more than ${tolerance * scale} apart`,
      );
    }
  }
}

function median(times: readonly number[]): number {
  const sorted = [...times].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
