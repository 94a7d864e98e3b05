// What the examples print and check their numbers with.
import { currentDevice, type Nested, type Tensor } from "lanewise";

let failures = 0;

/** Says where the program runs. */
export async function showDevice(): Promise<void> {
  const { kind, name } = await currentDevice();
  console.log(`Running on ${kind === "gpu" ? `the GPU ${name}` : "the CPU"}.`);
}

export function heading(title: string): void {
  console.log(`\n${title}\n${"─".repeat(title.length)}`);
}

/** Prints what was computed beside what is expected. */
export function report(title: string, isRight: boolean, computed: string, expected: string): void {
  if (!isRight) failures++;
  console.log(`${isRight ? "✓" : "✗"} ${title}`);
  console.log(`    computed ${computed.replaceAll("\n", "\n             ")}`);
  console.log(`    expected ${expected.replaceAll("\n", "\n             ")}`);
}

/** Within 1e-5 of what is expected, relative to it where it is large. */
export function isClose(a: number, b: number): boolean {
  return Math.abs(a - b) <= 1e-5 * Math.max(1, Math.abs(b));
}

export async function check(title: string, result: Tensor, expected: Nested): Promise<void> {
  const computed = await result.toArray();
  report(title, isCloseNested(computed, expected), show(computed), show(expected));
}

/** Compares every element with numbers in 64 bits; `bound` is relative to the largest of them. */
export async function checkAll(
  title: string,
  result: Tensor,
  expected: ArrayLike<number>,
  bound: number,
): Promise<void> {
  const data = await result.data();
  let scale = 0;
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(data[i]! - expected[i]!);
    scale = Math.max(scale, Math.abs(expected[i]!));
    worst = difference <= worst ? worst : difference; // NaN stays
  }
  const isRight = data.length === expected.length && worst <= bound * scale;
  const least = (x: number): string => `at most ${x.toExponential(1)} off`;
  report(
    title,
    isRight,
    `${data.length} numbers, ${least(worst)}`,
    `${expected.length} numbers, ${least(bound * scale)}`,
  );
}

/** For a number that is to be small. */
export function checkBelow(title: string, computed: number, bound: number): void {
  report(title, computed < bound, short(computed), `below ${short(bound)}`);
}

/** Says whether all was right, and sets the exit code. */
export function finish(): void {
  console.log(failures === 0 ? "\nAll is as expected." : `\n${failures} results differ from what is expected.`);
  process.exitCode = failures === 0 ? 0 : 1;
}

function isCloseNested(a: Nested, b: Nested): boolean {
  if (!Array.isArray(a) || !Array.isArray(b)) return typeof a === "number" && typeof b === "number" && isClose(a, b);
  return a.length === b.length && a.every((item, i) => isCloseNested(item, b[i]!));
}

/** Matrices each on a line. */
function show(nested: Nested): string {
  const isStack = Array.isArray(nested) && Array.isArray(nested[0]) && Array.isArray(nested[0][0]);
  const rounded = (_key: string, x: unknown): unknown => (typeof x === "number" ? Number(x.toPrecision(7)) : x);
  return isStack ? nested.map(show).join("\n") : JSON.stringify(nested, rounded).replaceAll(",", ", ");
}

const short = (x: number): string => String(Number(x.toPrecision(3)));
