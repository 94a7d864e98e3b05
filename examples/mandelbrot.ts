// Mandelbrot's set as a picture: the loop of one point in plain JavaScript, mapped over all pixels, in one kernel.
//
//   npx tsx examples/mandelbrot.ts [--size WIDTHxHEIGHT] [--out FILE]
//
// Every pixel leaves the loop when its own point has escaped. The program prints that loop as the GPU gets it, writes a
// PNG, and compares pixels with the same functions run by Node. It ends with exit code 1 if they differ.
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { currentDevice, jit, linspace, vmap } from "lanewise";
import { PNG } from "pngjs";
import { finish, heading, report, showDevice } from "./support/check.js";

const TURNS = 300;

/** Turns until z² + c is outside of a large circle, with a fraction for how far outside; TURNS for the set itself. */
function turnsToEscape(cx: number, cy: number): number {
  let [x, y, turns] = [0, 0, 0];
  while (turns < TURNS && x * x + y * y < 256) {
    [x, y] = [x * x - y * y + cx, 2 * x * y + cy];
    turns++;
  }
  if (turns === TURNS) return TURNS;
  return turns - Math.log2(Math.log2(x * x + y * y) / 8);
}

/** A colour: from blue by green and red, the later the point escapes, to black for the set. Bernstein's polynomials. */
function colour(turns: number): readonly [red: number, green: number, blue: number] {
  const t = Math.sqrt(turns / TURNS);
  return [9 * (1 - t) * t ** 3, 15 * (1 - t) ** 2 * t ** 2, 8.5 * (1 - t) ** 3 * t];
}

const pixel = (cx: number, cy: number): readonly [number, number, number] => colour(turnsToEscape(cx, cy));
const picture = jit(vmap(vmap(pixel, [0, null]), [null, 0]));

await showDevice();
const { width, height, out } = await readOptions();

heading("The kernel");

const CENTRE = { x: -0.65, y: 0 };
const reach = { x: 1.2 * Math.max(1, width / height), y: 1.2 * Math.max(1, height / width) };
const xs = linspace(CENTRE.x - reach.x, CENTRE.x + reach.x, width);
const ys = linspace(CENTRE.y - reach.y, CENTRE.y + reach.y, height);

const { wgsl, kernels } = picture.lower(xs, ys);
console.log(loopOf(wgsl.join("\n")));
report(
  "kernels, all pixels and their colours together",
  kernels.length === 1 && wgsl.length === 1,
  `${kernels.length}`,
  "1",
);

heading(`${width} × ${height} pixels`);

const began = performance.now();
const channels = await Promise.all(picture(xs, ys).map((channel) => channel.data()));
console.log(`${(performance.now() - began).toFixed(0)} ms, compiling included`);

const png = new PNG({ width, height });
for (let i = 0; i < width * height; i++) {
  for (const [k, channel] of channels.entries()) png.data[4 * i + k] = Math.round(255 * channel[i]!);
  png.data[4 * i + 3] = 255;
}
mkdirSync(dirname(out), { recursive: true });
writeFileSync(out, PNG.sync.write(png));
console.log(`written to ${out}`);

// a point on the rim escapes earlier or later by a rounding, so a few may differ
const [atX, atY] = [await xs.data(), await ys.data()];
let same = 0;
const SAMPLES = 2000;
for (let k = 0; k < SAMPLES; k++) {
  const i = Math.floor((k * width * height) / SAMPLES);
  const wanted = pixel(atX[i % width]!, atY[Math.floor(i / width)]!);
  if (wanted.every((value, c) => Math.abs(value - channels[c]![i]!) < 0.01)) same++;
}
report(
  `${SAMPLES} pixels beside the same function run by Node`,
  same >= 0.97 * SAMPLES,
  `${((100 * same) / SAMPLES).toFixed(1)} % equal`,
  "at least 97 %",
);

finish();

/** The lines of the loop in a shader. */
function loopOf(shader: string): string {
  const lines = shader.split("\n");
  const first = lines.findIndex((line) => /^ *loop \{/.test(line));
  if (first < 0) return "There is no loop.";
  const indent = lines[first]!.search(/\S/);
  const last = lines.findIndex((line, i) => i > first && line.startsWith("}", indent) && line.search(/\S/) === indent);
  return lines.slice(first, last + 1).join("\n");
}

/** The picture is smaller where there is no GPU, or a program stands in for it. */
async function readOptions(): Promise<{ width: number; height: number; out: string }> {
  const { kind, isSoftware } = await currentDevice();
  const usual = kind === "cpu" ? "240x160" : isSoftware ? "960x640" : "3840x2560";
  const { values } = parseArgs({
    options: { size: { type: "string", default: usual }, out: { type: "string", default: "out/mandelbrot.png" } },
  });
  const [, width, height] = /^(\d+)x(\d+)$/.exec(values.size) ?? [];
  if (!(Number(width) > 1 && Number(height) > 1)) {
    console.error(`--size ${values.size}: two numbers from 2 are wanted, such as 960x640`);
    process.exit(2);
  }
  return { width: Number(width), height: Number(height), out: values.out };
}
