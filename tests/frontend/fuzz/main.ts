// `npm run fuzz`: random programs, each against JavaScript itself; and on the GPU against the interpreter.
import { parseArgs } from "node:util";
import "../../../index.js";
import { surveyOnGpu } from "./gpu.js";
import { INPUTS, showVerdict, smallest, survey } from "./survey.js";

const { values: options } = parseArgs({
  options: {
    programs: { type: "string", default: "2000" },
    from: { type: "string", default: "0" },
    seed: { type: "string", default: "1" },
    /** Programs that run on the GPU too. */
    gpu: { type: "string", default: "0" },
    /** Failing programs that are made small. */
    reduce: { type: "string", default: "5" },
    /** Also makes one refused program of each kind small. */
    refusals: { type: "boolean", default: false },
  },
});
const [programs, from, seed] = [options.programs, options.from, options.seed].map(Number) as [number, number, number];

const { equal, invalid, refused, failures } = survey(seed, from, programs, (done) => {
  if (done % 1000 === 0) console.error(`${done} programs`);
});
for (const [i, failure] of failures.entries()) {
  console.log(`program ${failure.program}: ${showVerdict(failure.verdict)}`);
  if (i < Number(options.reduce)) console.log(`  ${smallest(seed, failure)}`);
}
const kinds = [...refused].sort(([, a], [, b]) => b.length - a.length);
for (const [message, list] of kinds) {
  console.log(`refused ${list.length}: ${message} (${list.slice(0, 3).join(", ")}${list.length > 3 ? ", …" : ""})`);
  if (options.refusals)
    console.log(`  ${smallest(seed, { program: list[0]!, verdict: { kind: "refused", message } }, 600)}`);
}
const count = kinds.reduce((sum, [, list]) => sum + list.length, 0);
console.log(
  `${programs} programs × ${INPUTS} inputs, seed ${seed}: ${equal} equal, ${failures.length} not, ${count} refused, ${invalid} no programs`,
);
process.exitCode = failures.length > 0 ? 1 : 0;

const onGpu = Number(options.gpu);
if (onGpu > 0) {
  const found = await surveyOnGpu(
    seed,
    from,
    onGpu,
    8,
    (done) => void (done % 80 === 0 && console.error(`${done} on the GPU`)),
  );
  for (const failure of found.failures) console.log(failure);
  console.log(
    `${onGpu} programs on the GPU: ${found.equal} equal, ${found.failures.length} not, ${found.refused} refused`,
  );
  if (found.failures.length > 0) process.exitCode = 1;
}
process.exit();
