// Ops of your own: an activation that is fused with what is around it, and a bilateral filter with a kernel of its own.
//
//   npx tsx examples/define-op.ts
//
// Every number is held to what functions of the package, or a plain loop, give. Ends with exit code 1 if one differs.
import { currentDevice, defineOp, grad, jit, sum, type Tensor, tanh, tensor, vmap } from "lanewise";

let failures = 0;

const device = await currentDevice();
console.log(`Running on ${device.kind === "gpu" ? `the GPU ${device.name}` : "the CPU"}.`);

console.log("\nA fused activation");

/** mish(x) = x tanh(log(1 + eˣ)), written with u = eˣ: x (u² + 2u) / (u² + 2u + 2) */
const mish = defineOp({
  name: "mish",
  operands: { x: "f32" },
  wgsl: `
    if (x > 20.0) { return x; }
    let u = exp(x);
    let n = u * (u + 2.0);
    return x * n / (n + 2.0);`,
  cpu(x) {
    const u = Math.exp(Math.min(x!, 20));
    const n = u * (u + 2);
    return x! > 20 ? x! : (x! * n) / (n + 2);
  },
  // tanh' = 1 - tanh², softplus' = σ
  jvp([dx], [x]) {
    const t = tanh(x!.exp().add(1).log());
    const sigma = x!.neg().exp().add(1);
    return dx?.mul(t.add(x!.mul(t.square().neg().add(1)).div(sigma)));
  },
});

const plainMish = (x: Tensor): Tensor => x.mul(tanh(x.exp().add(1).log()));
const x = tensor([-4, -1, -0.1, 0, 0.5, 2, 9]);

await check("mish(x)", mish(x), plainMish(x));
await check("its gradient", grad((v: Tensor) => sum(mish(v)))(x), grad((v: Tensor) => sum(plainMish(v)))(x));

const layer = jit((x: Tensor, w: Tensor, b: Tensor) => mish(x.dot(w).add(b)));
const w = tensor([
  [1, -2],
  [0.5, 1],
]);
const rows = tensor([
  [1, 2],
  [3, 4],
  [-1, 0.5],
]);
const b = tensor([0.1, -0.2]);
await check("a layer with it", layer(rows, w, b), plainMish(rows.dot(w).add(b)));
const { kernels } = layer.lower(rows, w, b);
say(`product, bias and mish are one kernel`, kernels.length === 1);

console.log("\nA bilateral filter");

/** Each pixel becomes the mean of those around it, weighted by how near they are and how much alike. f32[…, h, w] */
const bilateral = defineOp({
  name: "bilateral",
  typeOf: ([image], _params: { radius: number; space: number; range: number }) => image!,
  cpu([image], [out], { radius, space, range }) {
    const [h, w] = image!.shape.slice(-2) as [number, number];
    for (let i = 0; i < image!.data.length; i++) {
      const [row, column] = [Math.floor(i / w) % h, i % w];
      let [total, weights] = [0, 0];
      for (let dy = -radius; dy <= radius; dy++) {
        for (let dx = -radius; dx <= radius; dx++) {
          if (row + dy < 0 || row + dy >= h || column + dx < 0 || column + dx >= w) continue;
          const value = image!.data[i + dy * w + dx]!;
          const weight = Math.exp(-(dx * dx + dy * dy) / space - (value - image!.data[i]!) ** 2 / range);
          total += weight * value;
          weights += weight;
        }
      }
      out!.data[i] = total / weights;
    }
  },
  kernel([image], _outputs, { radius, space, range }) {
    const [h, w] = image!.shape.slice(-2) as [number, number];
    const size = image!.shape.reduce((n, m) => n * m, 1);
    return {
      wgsl: `
        @compute @workgroup_size(64)
        fn main(@builtin(global_invocation_id) id: vec3u) {
          if (id.x >= ${size}u) { return; }
          let i = i32(id.x);
          let row = i / ${w} % ${h};
          let column = i % ${w};
          var total = 0.0;
          var weights = 0.0;
          for (var y = max(row - ${radius}, 0); y <= min(row + ${radius}, ${h - 1}); y++) {
            for (var x = max(column - ${radius}, 0); x <= min(column + ${radius}, ${w - 1}); x++) {
              let value = in0[i + (y - row) * ${w} + x - column];
              let far = vec2f(f32(x - column), f32(y - row));
              let unlike = value - in0[i];
              let weight = exp(-dot(far, far) / ${space.toFixed(6)} - unlike * unlike / ${range.toFixed(6)});
              total += weight * value;
              weights += weight;
            }
          }
          out0[i] = total / weights;
        }`,
      workgroups: [Math.ceil(size / 64)],
    };
  },
  batch: "leading",
});

const options = { radius: 2, space: 8, range: 0.02 };
const [height, width] = [12, 16];
/** A step from dark to bright with a pattern over it. */
const picture = Float32Array.from({ length: height * width }, (_, i) => {
  const [row, column] = [Math.floor(i / width), i % width];
  return (column < width / 2 ? 0.2 : 0.8) + 0.04 * Math.sin(row * 5 + column * 3);
});
const image = tensor(picture, { shape: [height, width] });
const smooth = bilateral(image, options);

await check("bilateral(image)", smooth, tensor(byHand(picture, options), { shape: [height, width] }));
const noise = async (y: Tensor): Promise<number> => {
  const dark = (await y.slice(null, [0, width / 2]).data()) as Float32Array;
  return Math.max(...dark) - Math.min(...dark);
};
say("the pattern is smaller than before", (await noise(smooth)) < 0.5 * (await noise(image)));
const step = await smooth
  .slice(null, width / 2)
  .sub(smooth.slice(null, width / 2 - 1))
  .mean()
  .item();
say("the edge stays", Math.abs(step - 0.6) < 0.05);
const batch = vmap((one: Tensor) => bilateral(one.mul(0.5), options))(image.reshape(1, height, width));
await check("under vmap", batch.at(0), bilateral(image.mul(0.5), options));

process.exit(failures === 0 ? 0 : 1);

/** The filter once more, as a loop over pairs of pixels. */
function byHand(pixels: Float32Array, { radius, space, range }: typeof options): Float32Array {
  return pixels.map((centre, i) => {
    let [total, weights] = [0, 0];
    for (const [j, value] of pixels.entries()) {
      const [dy, dx] = [Math.floor(j / width) - Math.floor(i / width), (j % width) - (i % width)];
      if (Math.max(Math.abs(dx), Math.abs(dy)) > radius) continue;
      const weight = Math.exp(-(dx * dx + dy * dy) / space) * Math.exp(-((value - centre) ** 2) / range);
      total += weight * value;
      weights += weight;
    }
    return total / weights;
  });
}

async function check(what: string, got: Tensor, want: Tensor): Promise<void> {
  const [a, b] = [await got.data(), await want.data()];
  let worst = 0;
  for (const [i, y] of b.entries()) worst = Math.max(worst, Math.abs(a[i]! - y));
  say(`${what}: differs by at most ${worst.toExponential(1)}`, a.length === b.length && worst < 1e-5);
}

function say(what: string, holds: boolean): void {
  if (!holds) failures++;
  console.log(`  ${holds ? "✓" : "✗"} ${what}`);
}
