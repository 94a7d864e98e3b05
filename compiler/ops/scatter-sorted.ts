// WGSL of scatter with many updates: they are sorted by the cell they meet, stably, so that each element of the result finds
// its own side by side and in their order. Of very many, blocks that meet one cell are folded first: still a fixed order,
// but sums are then rounded otherwise than one by one.
import type { Aval } from "../core/aval.js";
import { sizeOf, stridesOf } from "../core/shape.js";
import { type DeviceLimits, grid } from "../ir/limits.js";
import type { OpaqueBuffer, OpaqueDispatch, OpaqueKernels } from "../ir/op.js";
import type { ScatterParams } from "./indexed.js";
import { foldWgsl, layoutOf, memoryType, placeWgsl, type ScatterLayout } from "./scatter-wgsl.js";
import { sortKernels } from "./sort-kernels.js";

const WIDTH = 64;

/** Index tuples of a lane from which blocks of them are folded first: an element may have as many updates. */
const MANY_UPDATES = 16384;

/** The cell of updates that are left out. */
const DROPPED = "0xffffffffu";

/** What the dispatches know of each other: tmp0 holds cells, tmp1 their order, tmp2 folded blocks, the rest is the sort's. */
interface Plan extends ScatterLayout {
  readonly type: string;
  readonly fold: string;
  readonly isSet: boolean;
  /** Sorted updates that are folded beforehand where they all meet one cell; and how many such blocks a lane has. */
  readonly blockLength: number;
  readonly blocks: number;
}

/** Operands: x, the updates, then the indices. There is an element and an update at least. */
export function sortedScatterKernels(
  x: Aval,
  indices: readonly Aval[],
  params: ScatterParams,
  limits: DeviceLimits,
): OpaqueKernels {
  const layout = layoutOf(x, indices, params);
  const isSet = params.combine === "set";
  // about as many blocks as updates in one: either is the length of a loop
  const blockLength = 2 ** Math.ceil(Math.log2(layout.inside) / 2);
  const plan: Plan = {
    ...layout,
    type: memoryType(x.dtype),
    fold: foldWgsl(params.combine, x.dtype),
    isSet,
    blockLength,
    blocks: isSet || layout.inside < MANY_UPDATES ? 0 : Math.floor(layout.inside / blockLength),
  };
  const { lanes, inside, outer, rest, blocks } = plan;
  const sort = sortKernels(
    {
      rows: lanes,
      length: inside,
      from: "tmp0",
      dtype: "u32",
      descending: false,
      to: "tmp1",
      toType: "u32",
      firstTmp: 3,
    },
    limits,
  );
  const dispatch = (count: number, wgsl: string, reads: readonly OpaqueBuffer[], writes: readonly OpaqueBuffer[]) => ({
    wgsl,
    reads,
    writes,
    workgroups: grid(Math.ceil(count / WIDTH), limits),
  });
  const folded = lanes * blocks * outer * rest;
  const size = sizeOf(x.shape);
  const dispatches: OpaqueDispatch[] = [
    dispatch(
      lanes * inside,
      cellsWgsl(plan, x, indices, params),
      indices.map((_, k): OpaqueBuffer => `in${k + 2}`),
      ["tmp0"],
    ),
    ...sort.dispatches,
    ...(blocks > 0 ? [dispatch(folded, blocksWgsl(plan), ["in1", "tmp0", "tmp1"], ["tmp2"])] : []),
    dispatch(
      size,
      resultWgsl(plan, size),
      ["in0", "in1", "tmp0", "tmp1", ...(blocks > 0 ? ["tmp2" as const] : [])],
      ["out0"],
    ),
  ];
  return { scratch: [4 * lanes * inside, 4 * lanes * inside, 4 * folded, ...sort.scratch], dispatches };
}

const head = (count: number): string => `@compute @workgroup_size(${WIDTH})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * ${WIDTH}u;
  if (i >= ${count}u) { return; }`;

/** tmp0[lane, tuple]: the cell, row-major over the indexed axes. */
function cellsWgsl({ lanes, inside, sizes }: Plan, x: Aval, indices: readonly Aval[], params: ScatterParams): string {
  const { axes, mode } = params;
  const strides = stridesOf(sizes);
  const places = axes.map((axis, k) => placeWgsl(`in${k + 2}[i]`, indices[k]!, x.shape[axis]!, mode));
  const isOut = sizes.map((n, k) => `p${k} >= ${n}u`).join(" || ");
  return `${head(lanes * inside)}
${places.map((place, k) => `  let p${k} = ${place};`).join("\n")}
  let cell = ${strides.map((stride, k) => `p${k} * ${stride}u`).join(" + ")};
  tmp0[i] = ${mode === "drop" ? `select(cell, ${DROPPED}, ${isOut})` : "cell"};
}
`;
}

/** Functions to read what was sorted: entry `k` of a lane, and where its update lies for one column of outer and rest. */
const readers = ({
  inside,
  outer,
  rest,
}: Plan): string => `fn tuple_at(lane: u32, k: u32) -> u32 { return tmp1[lane * ${inside}u + k]; }
fn cell_at(lane: u32, k: u32) -> u32 { return tmp0[lane * ${inside}u + tuple_at(lane, k)]; }
fn update_at(lane: u32, column: u32, k: u32) -> u32 {
  return ((lane * ${outer}u + column / ${rest}u) * ${inside}u + tuple_at(lane, k)) * ${rest}u + column % ${rest}u;
}`;

/** tmp2[lane, block, column]: the updates of a block folded, where they all meet one cell. */
function blocksWgsl(plan: Plan): string {
  const { lanes, outer, rest, blocks, blockLength, fold } = plan;
  const columns = outer * rest;
  return `${fold}

${readers(plan)}

${head(lanes * blocks * columns)}
  let column = i % ${columns}u;
  let lane = i / ${blocks * columns}u;
  let first = i / ${columns}u % ${blocks}u * ${blockLength}u;
  let cell = cell_at(lane, first);
  if (cell == ${DROPPED} || cell != cell_at(lane, first + ${blockLength - 1}u)) { return; }
  var value = in1[update_at(lane, column, first)];
  for (var k = first + 1u; k < first + ${blockLength}u; k++) { value = fold(value, in1[update_at(lane, column, k)]); }
  tmp2[i] = bitcast<u32>(value);
}
`;
}

function resultWgsl(plan: Plan, size: number): string {
  const { outer, inside, rest, block, sizes, coords, offset, type, fold, isSet, blocks, blockLength } = plan;
  const strides = stridesOf(sizes);
  const columns = outer * rest;
  const one = "value = fold(value, in1[update_at(lane, column, k)]); k++;";
  const step =
    blocks === 0
      ? `    ${one}`
      : `    if (k % ${blockLength}u == 0u && k + ${blockLength}u <= end) {
      let folded = tmp2[(lane * ${blocks}u + k / ${blockLength}u) * ${columns}u + column];
      value = fold(value, bitcast<${type}>(folded));
      k += ${blockLength}u;
    } else { ${one} }`;
  return `${fold}

${readers(plan)}

// the first of the lane's sorted updates whose cell is not below this one
fn find(lane: u32, cell: u32) -> u32 {
  var low = 0u;
  var high = ${inside}u;
  while (low < high) {
    let middle = (low + high) / 2u;
    if (cell_at(lane, middle) < cell) { low = middle + 1u; } else { high = middle; }
  }
  return low;
}

${head(size)}
  let block = i / ${block}u;
  let within = i % ${block}u;
  let lane = block / ${outer}u;
  let column = block % ${outer}u * ${rest}u + ${offset};
  let cell = ${coords.map((coord, k) => `(${coord}) * ${strides[k]}u`).join(" + ")};
  let end = find(lane, cell + 1u);
  var value = in0[i];
${
  isSet
    ? "  if (end > 0u && cell_at(lane, end - 1u) == cell) { value = in1[update_at(lane, column, end - 1u)]; }"
    : `  for (var k = find(lane, cell); k < end;) {
${step}
  }`
}
  out0[i] = value;
}
`;
}
