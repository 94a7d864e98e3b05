// Prices by Monte Carlo: the payoff of one path in plain JavaScript, mapped over paths of random numbers.
//
//   npx tsx examples/option-price.ts
//
// An Asian option pays by the mean of a year's daily prices, for which there is no formula. The European and the geometric
// Asian option have one: they check the paths, and the latter makes the price of the former more accurate, as a control
// variate. The delta comes from grad of the payoff. The program ends with exit code 1 if anything differs.
import { currentDevice, grad, jit, random, type Tensor, vmap } from "lanewise";
import { finish, heading, report, showDevice } from "./support/check.js";

const [SPOT, STRIKE, RATE, VOLATILITY, YEARS, DAYS] = [100, 100, 0.05, 0.3, 1, 252];

await showDevice();
const { kind } = await currentDevice();
const PATHS = kind === "gpu" ? 20_000 : 1000;

interface Payoffs {
  /** By the last price, by the mean of all prices, and by their geometric mean. */
  readonly european: number;
  readonly asian: number;
  readonly geometric: number;
}

/** Present value of what calls on one path pay; `shocks` are standard normal numbers, one a day. */
function payoffs(spot: number, shocks: readonly number[]): Payoffs {
  const dt = YEARS / shocks.length;
  const drift = (RATE - VOLATILITY ** 2 / 2) * dt;
  let price = spot;
  let sum = 0;
  let logs = 0;
  for (const shock of shocks) {
    price *= Math.exp(drift + VOLATILITY * Math.sqrt(dt) * shock);
    sum += price;
    logs += Math.log(price);
  }
  const call = (level: number): number => Math.exp(-RATE * YEARS) * Math.max(level - STRIKE, 0);
  return {
    european: call(price),
    asian: call(sum / shocks.length),
    geometric: call(Math.exp(logs / shocks.length)),
  };
}

/** Payoffs f32[paths] of the three calls, and the European's delta f32[paths]. */
const simulate = jit((key: Tensor, spot: Tensor) => {
  const shocks = random.normal(key, [PATHS, DAYS]);
  const european = (s: number, z: readonly number[]): number => payoffs(s, z).european;
  return { ...vmap(payoffs, [null, 0])(spot, shocks), delta: vmap(grad(european), [null, 0])(spot, shocks) };
});

heading(`${PATHS} paths of ${DAYS} days`);

const results = simulate(random.key(2026), SPOT);
const [european, asian, geometric, delta] = (await Promise.all(
  [results.european, results.asian, results.geometric, results.delta].map(async (x) => Array.from(await x.data())),
)) as [number[], number[], number[], number[]];

checkMean("European call, beside Black and Scholes", european, europeanCall());
checkMean("its delta, by grad of the payoff", delta, normalBelow(d1()));
checkMean("geometric Asian call, beside its formula", geometric, geometricCall());

heading("The Asian call");

// what the geometric call is off by says what the other is off by
const slope = covariance(asian, geometric) / covariance(geometric, geometric);
const controlled = asian.map((x, i) => x - slope * (geometric[i]! - geometricCall()));
const [plain, better] = [statistics(asian), statistics(controlled)];
console.log(`plain             ${show(plain)}`);
console.log(`with the control  ${show(better)}`);
report(
  "the control makes the error smaller",
  better.error < plain.error / 10,
  `${(plain.error / better.error).toFixed(0)} times`,
  "10 times at least",
);
report(
  "both agree",
  Math.abs(plain.mean - better.mean) < 4 * plain.error,
  Math.abs(plain.mean - better.mean).toFixed(4),
  `below ${(4 * plain.error).toFixed(4)}`,
);

finish();

interface Statistics {
  readonly mean: number;
  /** Standard error of the mean. */
  readonly error: number;
}

function statistics(x: readonly number[]): Statistics {
  return { mean: mean(x), error: Math.sqrt(covariance(x, x) / x.length) };
}

function mean(x: readonly number[]): number {
  return x.reduce((sum, v) => sum + v, 0) / x.length;
}

function covariance(x: readonly number[], y: readonly number[]): number {
  const [a, b] = [mean(x), mean(y)];
  return x.reduce((sum, v, i) => sum + (v - a) * (y[i]! - b), 0) / (x.length - 1);
}

function checkMean(title: string, sample: readonly number[], expected: number): void {
  const seen = statistics(sample);
  report(title, Math.abs(seen.mean - expected) < 4 * seen.error, show(seen), expected.toFixed(4));
}

function show({ mean, error }: Statistics): string {
  return `${mean.toFixed(4)} ± ${error.toFixed(4)}`;
}

// Formulas in 64 bits.

function d1(): number {
  return (Math.log(SPOT / STRIKE) + (RATE + VOLATILITY ** 2 / 2) * YEARS) / (VOLATILITY * Math.sqrt(YEARS));
}

function europeanCall(): number {
  return (
    SPOT * normalBelow(d1()) - STRIKE * Math.exp(-RATE * YEARS) * normalBelow(d1() - VOLATILITY * Math.sqrt(YEARS))
  );
}

/** Kemna and Vorst 1990: the geometric mean of lognormal prices is lognormal. */
function geometricCall(): number {
  const n = DAYS;
  const along = ((RATE - VOLATILITY ** 2 / 2) * YEARS * (n + 1)) / (2 * n);
  const variance = (VOLATILITY ** 2 * YEARS * (n + 1) * (2 * n + 1)) / (6 * n * n);
  const upper = (Math.log(SPOT / STRIKE) + along + variance) / Math.sqrt(variance);
  const forward = SPOT * Math.exp(along + variance / 2);
  return Math.exp(-RATE * YEARS) * (forward * normalBelow(upper) - STRIKE * normalBelow(upper - Math.sqrt(variance)));
}

/** Φ(x) by its power series. */
function normalBelow(x: number): number {
  let [sum, term] = [x, x];
  for (let n = 3; Math.abs(term) > 1e-17; n += 2) {
    term *= (x * x) / n;
    sum += term;
  }
  return 0.5 + (sum * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI);
}
