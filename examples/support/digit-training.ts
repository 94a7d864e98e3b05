// Trains LeNets on handwritten digits as one batched model, with checkpoints to go on from.
import { setImmediate } from "node:timers/promises";
import {
  argmax,
  concatenate,
  dynamicSlice,
  files,
  jit,
  nn,
  pad,
  random,
  softmax,
  type Tensor,
  take,
  tensor,
  vmap,
} from "lanewise";
import { LeNet, TrainOneStep } from "./lenet.js";
import { type Digits, loadDigits, SIZES } from "./mnist.js";
import { startProgress } from "./progress.js";

/** How many digits there are in all, and in each minibatch. */
export interface Amounts {
  readonly images: number;
  readonly batch: number;
}

/** Shares of the test digits that are recognised. */
export interface Scores {
  readonly members: readonly number[];
  /** By the mean of all models' probabilities. */
  readonly ensemble: number;
  /** Of the ensemble: a row for each digit, a column for what it was taken for. */
  readonly confusion: readonly (readonly number[])[];
}

const TEST_BATCH = 500;
const CLASSES = 10;

/** Two pixels of paper on each side: f32[…, 28, 28] -> f32[…, 32, 32]. */
const withMargin = (images: Tensor): Tensor =>
  pad(images, [...images.shape.slice(2).map(() => [0, 0] as const), [2, 2], [2, 2]]);

/** The minibatch of one model: the digits whose numbers stand in `order` from `start` on. */
function minibatch(size: number) {
  return jit(
    vmap(
      (images: Tensor, labels: Tensor, order: Tensor, start: Tensor) => {
        const chosen = dynamicSlice(order, [start], [size]);
        return [withMargin(take(images, chosen, 0)), take(labels, chosen, 0)] as const;
      },
      [null, null, 0, null],
    ),
  );
}

export class DigitTraining {
  /** Epochs done. */
  epoch = 0;
  /** Of each model at every step. */
  readonly losses: number[][];
  readonly images: number;
  readonly batch: number;
  readonly #nets: readonly LeNet[];
  readonly #trainers: nn.ModuleList<TrainOneStep>;
  readonly #digits: Digits;

  private constructor(rates: readonly number[], { images, batch }: Amounts) {
    if (batch > images) throw new RangeError(`minibatches of ${batch} cannot be made of ${images} digits`);
    this.images = images;
    this.batch = batch;
    nn.seed(1);
    this.#nets = rates.map(() => new LeNet());
    this.#trainers = new nn.ModuleList(this.#nets.map((net, k) => new TrainOneStep(net, rates[k]!)));
    this.#digits = loadDigits("train", images);
    this.losses = rates.map(() => []);
  }

  /** Throws `RangeError` where a minibatch would have more digits than there are. */
  static async begin(rates: readonly number[], amounts: Amounts): Promise<DigitTraining> {
    return new DigitTraining(rates, amounts);
  }

  /**
   * Goes on where `save` stopped. Throws `FileError` for a file that is none of ours or damaged, and an error where
   * `amounts` differ from those of the checkpoint: other minibatches would give other numbers.
   */
  static async resume(path: string, rates: readonly number[], wanted: Partial<Amounts>): Promise<DigitTraining> {
    const metadata = await files.loadSafetensorsMetadata(path);
    const [images, batch, epoch] = ["images", "batch", "epoch"].map((key) => Number(metadata[key])) as [
      number,
      number,
      number,
    ];
    const { losses, ...states } = await files.loadSafetensors(path);
    const isOurs = [images, batch, epoch].every((n) => Number.isInteger(n) && n > 0) && images <= SIZES.train;
    if (!isOurs || losses?.ndim !== 2 || losses.shape[0] !== rates.length)
      throw new Error(`${path}: no checkpoint of this training\n  one is written by --save`);
    for (const [what, kept] of Object.entries({ images, batch })) {
      const given = wanted[what as keyof Amounts];
      if (given !== undefined && given !== kept)
        throw new RangeError(`${path}: made with --${what} ${kept}, which cannot become ${given} now`);
    }
    const training = new DigitTraining(rates, { images, batch });
    training.#trainers.loadStateDict(states);
    training.epoch = epoch;
    for (const [k, row] of ((await losses.toArray()) as number[][]).entries()) training.losses[k]!.push(...row);
    return training;
  }

  /** Writes all that the training has become: nets, moments, step counts and losses. */
  async save(path: string): Promise<void> {
    const states = { ...this.#trainers.stateDict(), losses: tensor(this.losses) };
    const metadata = { images: `${this.images}`, batch: `${this.batch}`, epoch: `${this.epoch}` };
    await files.saveSafetensors(path, states, { metadata });
  }

  /** Shows each model all digits once, in an order of its own. What is left over from full minibatches waits. */
  async runEpoch(): Promise<void> {
    const { images, labels } = this.#digits;
    const keys = random.split(random.foldIn(random.key(2), this.epoch), this.#nets.length);
    const orders = vmap((key: Tensor) => random.permutation(key, this.images))(keys);
    const choose = minibatch(this.batch);
    const step = jit(vmap(this.#trainers));
    const steps = Math.floor(this.images / this.batch);
    const bar = startProgress(`epoch ${this.epoch + 1}`, steps, { unit: "steps", lineMs: 5000, hasNote: true });
    const note = (losses: ArrayLike<number>): void => {
      this.losses.forEach((row, k) => void row.push(losses[k]!));
      bar.increment(1, { note: `, losses ${Array.from(losses, (x) => x.toFixed(3)).join(" ")}` });
    };
    let last: Promise<ArrayLike<number>> | undefined;
    for (let i = 0; i < steps; i++) {
      const [some, classes] = choose(images, labels, orders, tensor(i * this.batch, { dtype: "i32" }));
      const now = step(some, classes).data();
      if (last) note(await last); // one step behind: the device has the next to do meanwhile
      last = now;
      await setImmediate(); // the CPU leaves timers no time, and the bar has one
    }
    note(await last!);
    bar.stop();
    this.epoch++;
  }

  /** Shows all models the first `count` of the test digits. */
  async test(count: number): Promise<Scores> {
    const { images, labels } = loadDigits("test", count);
    const size = Math.min(count, TEST_BATCH);
    const classify = vmap(this.#nets, { inAxes: null });
    /** What each model takes the digits for, and the ensemble in the last row: i32[models + 1, size]. */
    const guess = jit((images: Tensor, start: Tensor) => {
      const some = dynamicSlice(images, [start, 0, 0, 0], [size, 1, ...images.shape.slice(2)]);
      const logits = classify(withMargin(some));
      const mean = softmax(logits, -1).mean(0, { keepDims: true });
      return argmax(concatenate([logits, mean], 0), -1);
    });
    const guesses: Tensor[] = [];
    const bar = startProgress("test", count, { unit: "digits", lineMs: 5000 });
    for (let start = 0; start < count; start += size) {
      // a start too near the end is clamped: what was seen before is cut off again
      const part = guess(images, tensor(start, { dtype: "i32" }));
      const fresh = Math.min(size, count - start);
      guesses.push(part.slice(null, [size - fresh, size]));
      await guesses.at(-1)!.data();
      bar.increment(fresh);
      await setImmediate();
    }
    bar.stop();
    const all = concatenate(guesses, 1);
    const shares = (await vmap(nn.accuracy, [0, null])(all, labels).toArray()) as number[];
    const confusion = nn.confusionMatrix(labels, all.at(this.#nets.length), CLASSES);
    return {
      members: shares.slice(0, -1),
      ensemble: shares.at(-1)!,
      confusion: (await confusion.toArray()) as number[][],
    };
  }
}
