// A book of options: prices by Black and Scholes in plain JavaScript, and every greek of every option by vmap(grad).
//
//   npx tsx examples/black-scholes.ts
//
// Prices are written for one option, with an if for calls and puts. Their derivatives are compared with the closed forms
// computed in 64 bits. The program ends with exit code 1 if anything differs.
import { grad, jit, tensor, vmap } from "lanewise";
import { checkAll, finish, heading, showDevice } from "./support/check.js";
import { uniformStream } from "./support/random.js";

await showDevice();

/** What an option's price depends on. */
interface Market {
  readonly spot: number;
  readonly strike: number;
  /** Continuously compounded, for a year. */
  readonly rate: number;
  readonly volatility: number;
  /** Until it expires. */
  readonly years: number;
}

/** Probability that a standard normal number is below x. Abramowitz and Stegun 7.1.28: the error is below 3e-7. */
function normalBelow(x: number): number {
  const z = Math.abs(x) / Math.SQRT2;
  const series =
    1 +
    z *
      (0.0705230784 +
        z * (0.0422820123 + z * (0.0092705272 + z * (0.0001520143 + z * (0.0002765672 + z * 0.0000430638)))));
  const tail = 0.5 / series ** 16;
  return x < 0 ? tail : 1 - tail;
}

/** Black and Scholes' price of a European option. */
function price({ spot, strike, rate, volatility, years }: Market, isCall: boolean): number {
  const spread = volatility * Math.sqrt(years);
  const d1 = (Math.log(spot / strike) + (rate + volatility ** 2 / 2) * years) / spread;
  const d2 = d1 - spread;
  const present = strike * Math.exp(-rate * years);
  if (isCall) return spot * normalBelow(d1) - present * normalBelow(d2);
  return present * normalBelow(-d2) - spot * normalBelow(-d1);
}

heading("A book of 10,000 options");

const COUNT = 10_000;
const random = uniformStream(7);
const between = (least: number, most: number): Float32Array =>
  Float32Array.from({ length: COUNT }, () => least + (most - least) * random());
const book = {
  spot: between(80, 120),
  strike: between(80, 120),
  rate: between(0, 0.06),
  volatility: between(0.15, 0.5),
  years: between(0.25, 2),
};
const calls = Array.from({ length: COUNT }, (_, i) => i % 2 === 0);
const isCall = tensor(calls);

const prices = jit(vmap(price));
const greeks = jit(vmap(grad(price)));
/** Delta once more by the price of the underlying. */
const gammas = jit(vmap(grad((market: Market, call: boolean) => deltaOf(market, call))));

const rows = Array.from({ length: COUNT }, (_, i) => closedForm(i));
const column = (name: keyof Closed): number[] => rows.map((row) => row[name]);

const value = prices(book, isCall);
await checkAll("prices", value, column("price"), 5e-6);

const slope = greeks(book, isCall);
await checkAll("delta, by the spot price", slope.spot, column("delta"), 1e-4);
await checkAll("vega, by the volatility", slope.volatility, column("vega"), 1e-4);
await checkAll("rho, by the rate", slope.rate, column("rho"), 1e-4);
await checkAll("theta, by the time that passes", slope.years.neg(), column("theta"), 1e-4);
await checkAll("gamma, the delta's own delta", gammas(book, isCall).spot, column("gamma"), 1e-3);

const { kernels } = greeks.lower(book, isCall);
console.log(`All derivatives of all options are one call, of ${kernels.length} kernels.`);

// a call less a put of the same terms is a forward, whose price takes no volatility
const forward = ({ spot, strike, rate, years }: Market): number => spot - strike * Math.exp(-rate * years);
const parity = jit(vmap((market: Market) => price(market, true) - price(market, false)));
const forwards = Array.from({ length: COUNT }, (_, i) => forward(termsOf(i)));
await checkAll("calls less puts, beside forwards", parity(book), forwards, 1e-5);

finish();

/** Delta as a function of plain numbers, for its derivative. */
function deltaOf({ spot, strike, rate, volatility, years }: Market, call: boolean): number {
  const d1 = (Math.log(spot / strike) + (rate + volatility ** 2 / 2) * years) / (volatility * Math.sqrt(years));
  return call ? normalBelow(d1) : normalBelow(d1) - 1;
}

// Closed forms in 64 bits.

interface Closed {
  readonly price: number;
  readonly delta: number;
  readonly gamma: number;
  readonly vega: number;
  readonly rho: number;
  readonly theta: number;
}

function termsOf(i: number): Market {
  const [spot, strike, rate, volatility, years] = [book.spot, book.strike, book.rate, book.volatility, book.years].map(
    (x) => x[i]!,
  ) as [number, number, number, number, number];
  return { spot, strike, rate, volatility, years };
}

function closedForm(i: number): Closed {
  const { spot: s, strike: k, rate: r, volatility: v, years: t } = termsOf(i);
  const sign = calls[i] ? 1 : -1;
  const root = Math.sqrt(t);
  const d1 = (Math.log(s / k) + (r + (v * v) / 2) * t) / (v * root);
  const d2 = d1 - v * root;
  const density = Math.exp((-d1 * d1) / 2) / Math.sqrt(2 * Math.PI);
  const present = k * Math.exp(-r * t);
  const [n1, n2] = [normalExactly(sign * d1), normalExactly(sign * d2)];
  return {
    price: sign * (s * n1 - present * n2),
    delta: sign * n1,
    gamma: density / (s * v * root),
    vega: s * density * root,
    rho: sign * t * present * n2,
    theta: (-s * density * v) / (2 * root) - sign * r * present * n2,
  };
}

/** Φ(x) by its power series: all digits for the x that occur here. */
function normalExactly(x: number): number {
  let [sum, term] = [x, x];
  for (let n = 3; Math.abs(term) > 1e-17; n += 2) {
    term *= (x * x) / n;
    sum += term;
  }
  return 0.5 + (sum * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI);
}
