// Dispatches that sort rows stably: short rows in one, longer ones by merging.
import { fillTemplate } from "../../kernels/index.js";
import type { DType } from "../core/dtype.js";
import { type DeviceLimits, grid } from "../ir/limits.js";
import type { OpaqueBuffer, OpaqueDispatch, OpaqueKernels } from "../ir/op.js";

/** Elements that one workgroup sorts. */
const TILE = 1024;
const WIDTH = 256;
/** Invocations of a workgroup of `sort-merge.wgsl`. */
const MERGE_WIDTH = 64;

export interface SortPlan {
  readonly rows: number;
  readonly length: number;
  /** Array of rows · length keys. */
  readonly from: OpaqueBuffer;
  readonly dtype: DType;
  readonly descending: boolean;
  /** Gets, at each place of a row, where in the row its element comes from. */
  readonly to: OpaqueBuffer;
  /** WGSL type of an element of `to`. */
  readonly toType: "i32" | "u32";
  /** Number of the first `tmp` that is free. */
  readonly firstTmp: number;
}

const powerOfTwo = (n: number): number => 2 ** Math.ceil(Math.log2(Math.max(1, n)));

/** The dispatches, and the scratch memory they need from `firstTmp` on. There is an element at least. */
export function sortKernels(plan: SortPlan, limits: DeviceLimits): OpaqueKernels {
  const { rows, length, from, to, toType } = plan;
  const most = Math.min(TILE, 2 ** Math.floor(Math.log2(limits.maxWorkgroupBytes / 8)));
  const run = Math.min(most, Math.max(2, powerOfTwo(length)));
  const runs = Math.ceil(length / run);
  const tile = Math.max(run, Math.min(2 * WIDTH, powerOfTwo(rows * run)));
  const width = Math.min(WIDTH, limits.maxInvocations, tile / 2);
  const tmp = (i: number): OpaqueBuffer => `tmp${plan.firstTmp + i}`;
  // keys, places and the length of runs, twice
  const sets = [0, 3].map((i) => ({ keys: tmp(i), places: tmp(i + 1), lengths: tmp(i + 2) })) as [Set, Set];
  const dispatches: OpaqueDispatch[] = [
    {
      wgsl: fillTemplate("sort-tile", {
        bindings: [],
        width,
        tile,
        run,
        runs,
        rows,
        length,
        key: ["fn key(at: u32) -> u32 {", ...keyOf(plan).map((line) => `  ${line}`), "}"],
        write:
          runs === 1
            ? [`${to}[at] = ${toType}(places[i]);`]
            : [`${sets[0].keys}[at] = keys[i];`, `${sets[0].places}[at] = places[i];`],
        finish: runs === 1 ? [] : [`if (first == 0u && lane == 0u) { ${sets[0].lengths}[0] = RUN; }`],
      }),
      reads: [from],
      writes: runs === 1 ? [to] : namesOf(sets[0]),
      workgroups: grid(Math.ceil((rows * runs) / (tile / run)), limits),
    },
  ];
  const passes = Math.ceil(Math.log2(runs));
  const workgroups = grid(Math.ceil((rows * length) / MERGE_WIDTH), limits);
  for (let pass = 0; pass < passes; pass++) {
    const [now, next] = pass % 2 === 0 ? sets : ([sets[1], sets[0]] as const);
    const isLast = pass === passes - 1;
    dispatches.push({
      wgsl: fillTemplate("sort-merge", {
        bindings: [],
        rows,
        length,
        stride: workgroups[0] * MERGE_WIDTH,
        read: [`let run = ${now.lengths}[0];`, `let key = ${now.keys}[i];`, `let place = ${now.places}[i];`],
        other: [`let k = ${now.keys}[row + middle];`],
        write: isLast
          ? [`${to}[to] = ${toType}(place);`]
          : [
              `${next.keys}[to] = key;`,
              `${next.places}[to] = place;`,
              `if (i == 0u) { ${next.lengths}[0] = 2u * run; }`,
            ],
      }),
      reads: namesOf(now),
      writes: isLast ? [to] : namesOf(next),
      workgroups,
    });
  }
  const bytes = 4 * rows * length;
  const oneSet = [bytes, bytes, 4];
  return { scratch: passes === 0 ? [] : passes === 1 ? oneSet : [...oneSet, ...oneSet], dispatches };
}

interface Set {
  readonly keys: OpaqueBuffer;
  readonly places: OpaqueBuffer;
  readonly lengths: OpaqueBuffer;
}

const namesOf = ({ keys, places, lengths }: Set): OpaqueBuffer[] => [keys, places, lengths];

/** Lines that give the element at `at` as a u32 of the same order. */
function keyOf({ from, dtype, descending }: SortPlan): string[] {
  const sign = descending ? "~" : "";
  switch (dtype) {
    case "f32":
      return [
        `let bits = bitcast<u32>(${from}[at]);`,
        "let magnitude = bits & 0x7fffffffu;",
        // negative numbers turned round below the positive ones
        "var k = select(bits | 0x80000000u, ~bits, bits >= 0x80000000u);",
        "// -0 is 0; NaN is above all numbers",
        "if (magnitude == 0u) { k = 0x80000000u; }",
        "if (magnitude > 0x7f800000u) { k = 0xffffffffu; }",
        `return ${sign}k;`,
      ];
    case "i32":
      return [`return ${sign}(bitcast<u32>(${from}[at]) ^ 0x80000000u);`];
    default:
      return [`return ${sign}${from}[at];`];
  }
}
