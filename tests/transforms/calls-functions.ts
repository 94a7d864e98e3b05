// The functions of calls.jsonl in TypeScript; calls_functions.py holds the same ones for JAX.
import {
  acos,
  acosh,
  argsort,
  asin,
  asinh,
  associativeScan,
  atan,
  atan2,
  atanh,
  avgPool,
  broadcastTo,
  cbrt,
  clip,
  concatenate,
  cond,
  conv,
  cosh,
  cumlogsumexp,
  cummax,
  cummin,
  cumprod,
  cumsum,
  diag,
  diff,
  dot,
  einsum,
  elu,
  erf,
  exp2,
  expm1,
  flip,
  foriLoop,
  gelu,
  leakyRelu,
  log,
  log1p,
  log2,
  logaddexp,
  logSigmoid,
  logsumexp,
  map,
  matmul,
  maximum,
  maxPool,
  mean,
  median,
  minimum,
  mod,
  norm,
  oneHot,
  outer,
  quantile,
  relu,
  repeat,
  roll,
  scan,
  segmentSum,
  sigmoid,
  silu,
  sin,
  sinh,
  softmax,
  softplus,
  sort,
  sqrt,
  stack,
  std,
  switchCase,
  type Tensor,
  takeAlongAxis,
  tan,
  tanh,
  tensordot,
  tile,
  topK,
  tril,
  triu,
  trunc,
  var as variance,
  vdot,
  where,
  whileLoop,
} from "lanewise";

/** Functions of tensors, or of trees of tensors. */
// biome-ignore lint/suspicious/noExplicitAny: each function has its own arguments; those of the cases fit them
export type AnyFunction = (...args: any[]) => any;

const elementwise = {
  waves: (x: Tensor) =>
    sin(x)
      .mul(x.square().neg().exp())
      .add(tanh(x).div(x.square().add(1))),
  logs: (x: Tensor) =>
    log1p(x.square())
      .add(sqrt(x.square().add(1)).mul(atan(x)))
      .sub(cbrt(x.add(8))),
  hyperbolic: (x: Tensor) =>
    sinh(x)
      .div(cosh(x))
      .sub(asinh(x))
      .add(erf(x))
      .add(expm1(x).mul(sigmoid(x))),
  inverse: (x: Tensor) =>
    asin(x)
      .mul(acos(x))
      .add(atanh(x))
      .sub(acosh(x.add(3)))
      .add(tan(x)),
  powers: (x: Tensor, y: Tensor) =>
    x
      .pow(y)
      .add(atan2(y, x).mul(exp2(y)))
      .add(log2(x)),
  cube: (x: Tensor) => x.mul(x).mul(x),
  growth: (x: Tensor) => sin(x).mul(x.mul(2).exp()),
  shrinking: (x: Tensor) => x.rsqrt().add(x.pow(-2)),
  absolute: (x: Tensor) => x.abs().add(x.sub(8).abs()),
  kinks: (x: Tensor, y: Tensor) => maximum(x, y).mul(minimum(x, 2)),
  clamped: (x: Tensor) => clip(x, -1, 1).mul(x),
  steps: (x: Tensor) => x.floor().mul(x).add(x.round()).sub(x.sign().mul(x.ceil())).add(trunc(x).mul(x)),
  squash: (x: Tensor) => tanh(x).add(sigmoid(x)).add(atan(x)),
  quotients: (x: Tensor, y: Tensor) => x.div(y),
  remainder: (x: Tensor, y: Tensor) => mod(x, y).mul(x),
  roots: (x: Tensor) => sqrt(x),
  safeLog: (x: Tensor) => where(x.gt(0), log(where(x.gt(0), x, 1)), 0),
  unsafeRoot: (x: Tensor) => where(x.gt(0), sqrt(x), 0),
  chosen: (c: Tensor, x: Tensor, y: Tensor) => where(c, x.mul(y), x.div(y)),
  rectified: (x: Tensor) => relu(x).mul(x).add(leakyRelu(x, 0.125)),
  activations: (x: Tensor) =>
    softplus(x)
      .add(silu(x).mul(gelu(x)))
      .add(elu(x))
      .add(logSigmoid(x)),
  addExps: (x: Tensor, y: Tensor) => logaddexp(x, y).add(x.square()),
  converted: (x: Tensor, n: Tensor) => x.mul(n.astype("f32")).add(x.gt(0).astype("f32")),
};

const reductions = {
  softmaxByHand(x: Tensor, w: Tensor) {
    const e = x.sub(x.max()).exp();
    return e.div(e.sum()).mul(w).sum();
  },
  softmaxRows: (x: Tensor, w: Tensor) => softmax(x, 0).mul(w).sum(-1),
  logSumExp: (x: Tensor) => logsumexp(x, -1).mul(2),
  crossEntropy: (x: Tensor, label: Tensor) => logsumexp(x).sub(x.at(label)),
  layerNorm(x: Tensor, g: Tensor, b: Tensor) {
    const centred = x.sub(x.mean(-1, { keepDims: true }));
    const scale = centred.square().mean(-1, { keepDims: true }).add(1e-3).rsqrt();
    return centred.mul(scale).mul(g).add(b);
  },
  extremes: (x: Tensor) => x.max(-1).mul(2).sub(x.min(0).sum().square()),
  product: (x: Tensor) => x.prod(),
  productRows: (x: Tensor) => x.prod(0),
  spread: (x: Tensor) =>
    variance(x, 0, { ddof: 1 })
      .add(std(x))
      .add(mean(x, [0, 1]).square()),
  sums: (x: Tensor) => sin(x).sum(0).mul(x.add(1).prod(0)).add(x.sum()),
  lengths: (x: Tensor) => sqrt(x.square().sum(-1)).add(x.abs().sum()),
  length: (x: Tensor) => norm(x),
  largest: (x: Tensor) => x.at(x.argmax()).mul(x),
  total: (x: Tensor) => x.sum(),
};

type Layer = readonly [w: Tensor, b: Tensor];

const products = {
  dotSine: (x: Tensor, w: Tensor) => sin(dot(x, w)),
  bilinear: (x: Tensor, a: Tensor, y: Tensor) => dot(dot(x, a), y),
  matrices: (a: Tensor, b: Tensor) => matmul(tanh(matmul(a, b)), b.T),
  batches: (a: Tensor, b: Tensor) => matmul(a, b).square(),
  attention: (q: Tensor, k: Tensor, v: Tensor) => einsum("qk,kd->qd", softmax(einsum("qd,kd->qk", q, k).div(2)), v),
  contraction: (a: Tensor, b: Tensor) => einsum("bij,bjk,ik->b", a, b, matmul(a.at(0), b.at(0))),
  diagonals: (a: Tensor) => einsum("ii->i", a).pow(3).add(einsum("ii", a)),
  outers: (x: Tensor, y: Tensor) => tensordot(outer(x, y), outer(x, y).square(), 2).add(vdot(x, x)),
  net: ([[w1, b1], [w2, b2]]: readonly [Layer, Layer], x: Tensor) => matmul(tanh(matmul(x, w1).add(b1)), w2).add(b2),
};

const shapes = {
  slices: (x: Tensor) =>
    x
      .slice([1, 4])
      .mul(x.slice([null, null, -1]).slice([0, 3]))
      .add(x.slice([null, null, 2]).slice([0, 3]).square()),
  padded: (x: Tensor) => x.pad([1, 2], 2).pow(3),
  cropped: (x: Tensor) =>
    x
      .square()
      .pad([
        [-1, 1],
        [1, -2],
      ])
      .square(),
  joined: (x: Tensor, y: Tensor) => concatenate([x, y.mul(x.at(0)), x]).square(),
  moved: (x: Tensor) => stack([x.T, x.reshape(3, 2), flip(x, 0).T], 1).square(),
  repeated: (x: Tensor) => roll(tile(x, 2), 1).mul(repeat(x, 2)),
  stretched: (x: Tensor, y: Tensor) => x.add(y).mul(broadcastTo(x, [2, 3])),
  triangles: (a: Tensor) => matmul(tril(a), triu(a, 1)).add(diag(diag(a).square())),
};

const indexing = {
  gathered: (x: Tensor, i: Tensor) => x.take(i, 0).square(),
  gatheredOrNaN: (x: Tensor, i: Tensor) => x.take(i, 0, { mode: "fill" }).square(),
  columns: (x: Tensor, i: Tensor) => x.take(i, 1).mul(x.at(0, 0)),
  alongRows: (x: Tensor, i: Tensor) => takeAlongAxis(x, i, 1).square(),
  pairs: (x: Tensor, i: Tensor, j: Tensor) => x.slice(i, j).square(),
  entry: (x: Tensor, i: Tensor) => x.at(i).mul(x),
  written: (x: Tensor, i: Tensor, v: Tensor) => x.with(i, v).square(),
  addedTo: (x: Tensor, i: Tensor, v: Tensor) => x.update(i, { mode: "drop" }).add(v.square()).square(),
  multiplied: (x: Tensor, i: Tensor, v: Tensor) => x.update(i).mul(v).square(),
  raised: (x: Tensor, i: Tensor, v: Tensor) => x.update(i).max(v).square(),
  segments: (x: Tensor, i: Tensor) => segmentSum(x.square(), i, 3).mul(2),
  embedded: (i: Tensor, w: Tensor) => sin(matmul(oneHot(i, 4), w)),
};

const back = { reverse: true };

const order = {
  sorted: (x: Tensor, w: Tensor) => sort(x).mul(w),
  sortedColumns: (x: Tensor) => sort(x, 0, { descending: true }).square(),
  ranked: (x: Tensor, w: Tensor) => x.square().take(argsort(x)).mul(w),
  best: (x: Tensor) => topK(x, 2)[0].square(),
  middle: (x: Tensor) => median(x).mul(quantile(x, 0.3)),
  runningSum: (x: Tensor) => cumsum(x).mul(x),
  runningSumBack: (x: Tensor) => cumsum(x, 0, back).square(),
  runningProduct: (x: Tensor) => cumprod(x).mul(2),
  runningProductBack: (x: Tensor) => cumprod(x, 0, back),
  runningMax: (x: Tensor) => cummax(x, 0).square(),
  runningMaxTies: (x: Tensor) => cummax(x, 0).square(),
  runningMin: (x: Tensor) => cummin(x, 0, back).square(),
  runningLogSumExp: (x: Tensor) => cumlogsumexp(x, 0).mul(x),
  differences: (x: Tensor) => diff(x, 2).square(),
};

const windows = {
  conv1: (x: Tensor, w: Tensor) => conv(x, w, { strides: 2, padding: [[1, 2]] }).square(),
  conv1Dilated: (x: Tensor, w: Tensor) => conv(x, w, { padding: "same", rhsDilation: 2 }).square(),
  conv2: (x: Tensor, w: Tensor) => tanh(conv(x, w)),
  conv2Groups: (x: Tensor, w: Tensor) => conv(x, w, { strides: [1, 2], padding: "same", groups: 2 }).square(),
  poolMax: (x: Tensor) => maxPool(x, 2, { strides: 2 }).square(),
  poolMaxOverlap: (x: Tensor) => maxPool(x, 2, { strides: 1 }).mul(3),
  poolMean: (x: Tensor) => avgPool(x, 2, { strides: [1, 2] }).square(),
};

const flow = {
  recurrent(w: Tensor, xs: Tensor) {
    const [last, ys] = scan(
      (h: Tensor, x: Tensor) => {
        const next = tanh(w.mul(h).add(x));
        return [next, next.mul(x)];
      },
      0.5,
      xs,
    );
    return concatenate([ys, last.reshape(1)]);
  },
  recurrentBack(w: Tensor, xs: Tensor) {
    const [last, ys] = scan(
      (h: Tensor, x: Tensor) => {
        const next = sin(w.mul(h).add(x));
        return [next, next.square()];
      },
      w,
      xs,
      { reverse: true },
    );
    return concatenate([ys, last.reshape(1)]);
  },
  trajectory(x: Tensor, a: Tensor) {
    const step = (state: Tensor) => {
      const next = state.add(tanh(matmul(a, state)).mul(0.125));
      return [next, next] as const;
    };
    return scan(step, x, null, { length: 4 })[1];
  },
  continued: (x: Tensor) => foriLoop(0, 4, (i, y: Tensor) => y.square().add(1).pow(-1).add(x.mul(i)), x),
  branch: (x: Tensor) =>
    cond(
      x.gt(0),
      (t: Tensor) => log(t).mul(t),
      (t: Tensor) => t.square(),
      x,
    ),
  cases: (i: Tensor, x: Tensor) =>
    switchCase(i, [(t: Tensor) => sin(t), (t: Tensor) => sqrt(t).add(t), (t: Tensor) => t.pow(3)], x),
  newtonRoot(x: Tensor) {
    type State = { y: Tensor; change: Tensor; n: Tensor };
    return whileLoop(
      ({ change, n }: State) => change.gt(1e-2).and(n.lt(20)),
      ({ y, n }: State) => {
        const after = y.add(x.div(y)).div(2);
        return { y: after, change: after.sub(y).abs(), n: n.add(1) };
      },
      { y: x.add(1).div(2), change: x.mul(0).add(1), n: 0 },
    ).y;
  },
  doubledUntil: (x: Tensor, limit: Tensor) =>
    whileLoop(
      (y: Tensor) => y.lt(limit),
      (y: Tensor) => y.mul(2),
      x,
    ),
  products: (x: Tensor) => associativeScan((a: Tensor, b: Tensor) => a.mul(b), sin(x).add(2)),
  productsBack: (x: Tensor) => associativeScan((a: Tensor, b: Tensor) => a.mul(b), x, back).mul(2),
  mapped: (x: Tensor) => map((row: Tensor) => dot(row, row).mul(sin(row)), x),
};

export const functions: Readonly<Record<string, AnyFunction>> = {
  ...elementwise,
  ...reductions,
  ...products,
  ...shapes,
  ...indexing,
  ...order,
  ...windows,
  ...flow,
};
