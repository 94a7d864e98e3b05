// Draws a training as a picture: the loss of each model at every step, and the confusion matrix of the ensemble.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { initWasm, Resvg } from "@resvg/resvg-wasm";
import { type EChartsOption, init } from "echarts";

const require = createRequire(import.meta.url);
const [WIDTH, HEIGHT] = [1500, 720];
const FONT = "DejaVu Sans";
const COLOURS = ["#c23b22", "#2a6fbb", "#2e8b57", "#8a5cb8", "#b8860b", "#4d4d4d"];

export interface TrainingPicture {
  /** Of each model at every step. */
  readonly losses: readonly (readonly number[])[];
  /** The learning rate of each model. */
  readonly rates: readonly number[];
  readonly epochs: number;
  /** Share of the test digits that each model recognises, and that the ensemble does. */
  readonly members: readonly number[];
  readonly ensemble: number;
  /** A row for each class, a column for each prediction. */
  readonly confusion: readonly (readonly number[])[];
}

/** Loaded once, for the first picture. */
let renderer: Promise<void> | undefined;

/** Writes a PNG. */
export async function writeTrainingPicture(path: string, picture: TrainingPicture): Promise<void> {
  const chart = init(null, null, { renderer: "svg", ssr: true, width: WIDTH, height: HEIGHT });
  chart.setOption(optionsOf(picture));
  const svg = chart.renderToSVGString();
  chart.dispose();
  renderer ??= initWasm(readFileSync(require.resolve("@resvg/resvg-wasm/index_bg.wasm")));
  await renderer;
  const fonts = [
    require.resolve("dejavu-fonts-ttf/ttf/DejaVuSans.ttf"),
    require.resolve("dejavu-fonts-ttf/ttf/DejaVuSans-Bold.ttf"),
  ].map((file) => readFileSync(file));
  const image = new Resvg(svg, { font: { fontBuffers: fonts, defaultFontFamily: FONT } }).render();
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, image.asPng());
}

/** Losses on the left, confusion on the right. */
function optionsOf({ losses, rates, epochs, members, ensemble, confusion }: TrainingPicture): EChartsOption {
  const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;
  const names = rates.map((rate, k) => `learning rate ${rate}: ${percent(members[k]!)} of the test`);
  const steps = losses[0]!.length;
  const count = Math.ceil(steps / 50); // so many steps are averaged that some hundred points differ
  const curves = losses.map((row) => smooth(row, count));
  const classes = confusion.map((_, digit) => `${digit}`);
  const axis = { nameLocation: "middle", nameTextStyle: { fontSize: 15 }, axisLabel: { fontSize: 13 } } as const;
  return {
    animation: false,
    backgroundColor: "#ffffff",
    textStyle: { fontFamily: FONT },
    title: [
      { text: count === 1 ? "Training loss" : `Training loss, mean of ${count} steps`, left: 74, top: 16 },
      { text: `Averaged ensemble: ${percent(ensemble)} of the test digits are right`, left: 854, top: 16 },
    ].map((title) => ({ ...title, textStyle: { fontSize: 17, fontFamily: FONT } })),
    legend: {
      data: names.map((name) => ({ name, icon: "rect" })),
      orient: "vertical",
      left: 385,
      top: 84,
      itemHeight: 3,
      z: 10,
      padding: [8, 44, 8, 12], // more on the right: DejaVu is wider than what the chart counts with
      backgroundColor: "#ffffff",
      borderColor: "#d0d0d0",
      borderWidth: 1,
      textStyle: { fontSize: 13 },
    },
    grid: [
      { left: 80, top: 72, width: 640, height: 570 },
      { left: 860, top: 72, width: 570, height: 570 },
    ],
    xAxis: [
      { ...axis, type: "value", name: "step", nameGap: 32, max: steps, gridIndex: 0, splitLine: { show: false } },
      { ...axis, type: "category", name: "taken for", nameGap: 32, data: classes, gridIndex: 1 },
    ],
    yAxis: [
      {
        ...axis,
        type: "log",
        name: "cross entropy",
        nameGap: 52,
        gridIndex: 0,
        min: tidyBelow(Math.min(...curves.flat())),
        max: 10,
        minorTick: { show: true, splitNumber: 9 },
        minorSplitLine: { show: true, lineStyle: { color: "#f0f0f0" } },
      },
      { ...axis, type: "category", name: "digit", nameGap: 32, data: classes, inverse: true, gridIndex: 1 },
    ],
    visualMap: [
      ["#ffffff", "#12406b"],
      ["#ffffff", "#f4a261"],
    ].map((color, k) => ({
      show: false,
      seriesIndex: losses.length + k,
      dimension: 3,
      min: 0,
      max: 1,
      inRange: { color },
    })),
    series: [
      ...curves.map((curve, k) => ({
        type: "line" as const,
        name: names[k]!,
        data: curve.map((loss, i) => [i + 1, loss]),
        showSymbol: false,
        color: COLOURS[k % COLOURS.length]!,
        lineStyle: { width: 1.6 },
        ...(k === 0 && epochs > 1 && { markLine: epochLines(steps, epochs) }),
      })),
      ...[true, false].map((isRight) => ({
        type: "heatmap" as const,
        xAxisIndex: 1,
        yAxisIndex: 1,
        data: cellsOf(confusion, isRight),
        label: { show: true, fontSize: 13, formatter: (cell: { value?: unknown }) => `${(cell.value as number[])[2]}` },
        itemStyle: { borderColor: "#d0d0d0", borderWidth: 1 },
      })),
    ],
  };
}

/** Column, row, count and depth of the colour: of hits their share of the digit, of mistakes that of the commonest one. */
function cellsOf(confusion: readonly (readonly number[])[], isRight: boolean) {
  const mistakes = confusion.flatMap((row, digit) => row.filter((_, guess) => guess !== digit));
  const most = Math.max(...mistakes, 1);
  return confusion.flatMap((row, digit) => {
    const total = row.reduce((sum, count) => sum + count, 0) || 1;
    return row.flatMap((count, guess) => {
      if ((guess === digit) !== isRight) return [];
      const depth = isRight ? count / total : Math.sqrt(count / most); // so that single mistakes show
      const label = { color: count === 0 ? "#b0b0b0" : isRight && depth > 0.5 ? "#ffffff" : "#202020" };
      return [{ value: [guess, digit, count, depth], label }];
    });
  });
}

/** Where one epoch ends and the next begins. */
function epochLines(steps: number, epochs: number) {
  return {
    silent: true,
    symbol: "none",
    lineStyle: { color: "#909090", type: "dashed" as const },
    label: { color: "#606060", fontSize: 12 },
    data: Array.from({ length: epochs - 1 }, (_, k) => ({
      xAxis: (steps / epochs) * (k + 1),
      label: { formatter: `epoch ${k + 2}` },
    })),
  };
}

/** The mean of each number and those before it, at most `count` in all. */
function smooth(row: readonly number[], count: number): number[] {
  let sum = 0;
  return row.map((x, i) => {
    sum += x - (i >= count ? row[i - count]! : 0);
    return sum / Math.min(i + 1, count);
  });
}

/** 1, 2 or 5 times a power of ten, below x. */
function tidyBelow(x: number): number {
  const power = 10 ** Math.floor(Math.log10(x));
  return power * ([5, 2].find((digit) => digit * power <= x) ?? 1);
}
