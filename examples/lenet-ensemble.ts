// Four LeNets as one batched model: each has its own minibatch, its own learning rate and its own Adam with AMSGrad, and
// all four are trained by one call a step. First on random images, then on handwritten digits (MNIST).
//
//   npx tsx examples/lenet-ensemble.ts [--images N] [--epochs E] [--save FILE] [--resume FILE]
//
// Every result is printed beside what is expected. The program ends with exit code 1 if anything differs.
import { Command, InvalidArgumentError, Option } from "commander";
import { currentDevice, jit, nn, random, type Tensor, vmap } from "lanewise";
import { checkAll, checkBelow, finish, heading, report, showDevice } from "./support/check.js";
import { DigitTraining, type Scores } from "./support/digit-training.js";
import { LeNet, TrainOneStep } from "./support/lenet.js";
import { SIZES } from "./support/mnist.js";
import { writeTrainingPicture } from "./support/training-picture.js";

const STEPS = 10;
const RATES = [1e-2, 1e-3, 2e-3, 3e-3];

interface Options {
  readonly images?: number;
  readonly epochs?: number;
  readonly batch?: number;
  readonly test: number;
  readonly out: string;
  readonly save?: string;
  readonly resume?: string;
}

const options = readOptions();
await showDevice();
if (options.resume === undefined) await trainOnRandomImages();
if (options.images !== 0) await trainOnDigits();
finish();

/** Ten steps from weights of N(0, 0.01), on one minibatch of three random images for each model. */
async function trainOnRandomImages(): Promise<void> {
  const nets = RATES.map(() => new LeNet(nn.initialisers.normal(0.01)));
  const trainers = nets.map((net, k) => new TrainOneStep(net, RATES[k]!));
  const images = random.normal(random.key(0), [4, 3, 1, 32, 32]);
  const labels = random.randint(random.key(1), [4, 3], 0, 10);
  /** What each net gives by itself, one behind the other. */
  const alone = async (input: (k: number) => Tensor): Promise<number[]> => {
    const results = await Promise.all(nets.map(async (net, k) => Array.from(await net.forward(input(k)).data())));
    return results.flat();
  };

  heading("Random images, each model on its own minibatch");
  const step = jit(vmap(trainers));
  const losses: number[][] = [];
  const start = performance.now();
  for (let i = 0; i < STEPS; i++) losses.push(Array.from(await step(images, labels).data()));
  const seconds = (performance.now() - start) / 1000;
  losses.forEach((row, i) => void console.log(`step ${i + 1}: ${row.map((loss) => loss.toFixed(4)).join("  ")}`));
  const dispatches = step.lower(images, labels).wgsl.length;
  console.log(
    `${seconds.toFixed(2)} s, compiling included. A step of all models is one call of ${dispatches} dispatches.`,
  );
  const first = losses[0]!;
  const last = losses.at(-1)!;
  checkBelow("first losses, away from ln 10", Math.max(...first.map((loss) => Math.abs(loss - Math.log(10)))), 0.02);
  checkBelow("last losses, as parts of the first", Math.max(...last.map((loss, k) => loss / first[k]!)), 1);

  heading("Inference");
  const shown = images.at(0);
  const together = vmap(nets, { inAxes: null })(shown);
  await checkAll("all models on one minibatch, beside each alone", together, await alone(() => shown), 1e-6);
  await checkAll("each model on its own", vmap(nets, { inAxes: 0 })(images), await alone((k) => images.at(k)), 1e-6);
}

/** Minibatches of handwritten digits, then the digits kept for the test. */
async function trainOnDigits(): Promise<void> {
  const { kind, isSoftware } = await currentDevice();
  const isFast = kind === "gpu" && !isSoftware;
  const { save, resume, out, test } = options;
  const amounts = { images: options.images ?? (isFast ? SIZES.train : 12_000), batch: options.batch ?? 64 };
  const training = await (resume === undefined
    ? DigitTraining.begin(RATES, amounts)
    : DigitTraining.resume(resume, RATES, options)
  ).catch(fail);
  const epochs = options.epochs ?? (isFast ? 3 : 2);

  heading(
    `${training.images.toLocaleString("en")} handwritten digits, ${epochs === 1 ? "1 epoch" : `${epochs} epochs`}`,
  );
  if (training.epoch > 0) console.log(`Goes on behind epoch ${training.epoch}, as ${resume} has it.`);
  const start = performance.now();
  while (training.epoch < epochs) {
    await training.runEpoch();
    if (save !== undefined) await training.save(save);
  }
  const seconds = (performance.now() - start) / 1000;
  const scores = await training.test(test);
  const all = (performance.now() - start) / 1000;
  console.log(
    `Trained for ${seconds.toFixed(1)} s, ${all.toFixed(1)} s with the test. Checkpoint: ${save ?? "none, see --save"}.`,
  );
  showScores(training, scores);
  await writeTrainingPicture(out, { losses: training.losses, rates: RATES, epochs: training.epoch, ...scores });
  console.log(`The losses and the confusion matrix are drawn in ${out}.`);

  const { members, ensemble } = scores;
  const mean = average(members);
  const best = Math.max(...members);
  const steps = training.losses[0]!.length;
  if (steps >= 20) {
    const quarter = Math.floor(steps / 4);
    const early = average(training.losses.flatMap((row) => row.slice(0, quarter)));
    const late = average(training.losses.flatMap((row) => row.slice(-quarter)));
    checkBelow("losses of the last quarter, as parts of those of the first", late / early, 1);
  }
  if (training.images >= 12_000 && epochs >= 2) {
    const wanted = training.images === SIZES.train && epochs >= 3 ? 0.98 : 0.95;
    report("test accuracy of the best model", best >= wanted, percent(best), `${percent(wanted)} or more`);
    report(
      "that of the averaged ensemble",
      ensemble > mean,
      percent(ensemble),
      `above ${percent(mean)}, the mean model's`,
    );
  }
}

function showScores({ losses }: DigitTraining, { members, ensemble }: Scores): void {
  const recent = losses.map((row) => average(row.slice(-50)));
  const rows = RATES.map((rate, k) => [
    `model ${k}`,
    { "learning rate": rate, "last losses": round(recent[k]!), "test accuracy": percent(members[k]!) },
  ]);
  console.table({
    ...Object.fromEntries(rows),
    mean: { "last losses": round(average(recent)), "test accuracy": percent(average(members)) },
    "averaged ensemble": { "test accuracy": percent(ensemble) },
  });
}

function fail(error: Error): never {
  console.error(error.message);
  process.exit(2);
}

function average(row: readonly number[]): number {
  return row.reduce((sum, x) => sum + x, 0) / row.length;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`;
}

function round(x: number): number {
  return Number(x.toPrecision(3));
}

function readOptions(): Options {
  const whole = (least: number, most: number) => (text: string) => {
    const n = Number(text);
    if (Number.isInteger(n) && n >= least && n <= most) return n;
    throw new InvalidArgumentError(`A whole number from ${least} to ${most} is wanted.`);
  };
  const number = (flags: string, about: string, least: number, most: number): Option =>
    new Option(flags, about).argParser(whole(least, most));
  return new Command("lenet-ensemble")
    .description("Trains four LeNets as one batched model: on random images, then on handwritten digits.")
    .addOption(
      number("--images <n>", "digits to train with (60000 on a hardware GPU, else 12000); 0 for none", 0, SIZES.train),
    )
    .addOption(number("--epochs <n>", "times that each of them is shown (3 on a hardware GPU, else 2)", 1, 1000))
    .addOption(number("--batch <n>", "digits in a minibatch of each model (64)", 1, SIZES.train))
    .addOption(number("--test <n>", "digits to test with", 1, SIZES.test).default(SIZES.test))
    .option("--out <file>", "the picture of losses and confusion matrix, a PNG", "out/lenet-ensemble.png")
    .option("--save <file>", "writes a checkpoint behind every epoch, as safetensors")
    .option("--resume <file>", "goes on from a checkpoint, with the numbers of a run that was never interrupted")
    .parse()
    .opts<Options>();
}
