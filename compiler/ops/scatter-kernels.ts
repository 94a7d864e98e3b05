// WGSL of scatter with few updates: each element of the result looks through the index tuples of its lane, in their order.
import type { Aval } from "../core/aval.js";
import { sizeOf } from "../core/shape.js";
import { type DeviceLimits, grid } from "../ir/limits.js";
import type { OpaqueBuffer, OpaqueKernels } from "../ir/op.js";
import type { ScatterParams } from "./indexed.js";
import { foldWgsl, layoutOf, placeWgsl } from "./scatter-wgsl.js";

/** Operands: x, the updates, then the indices. No order depends on the device, so neither do the bits. */
export function scatterKernels(
  x: Aval,
  indices: readonly Aval[],
  params: ScatterParams,
  limits: DeviceLimits,
): OpaqueKernels {
  const width = Math.min(256, limits.maxInvocations);
  return {
    scratch: [],
    dispatches: [
      {
        wgsl: source(x, indices, params, width),
        reads: ["in0", "in1", ...indices.map((_, k): OpaqueBuffer => `in${k + 2}`)],
        writes: ["out0"],
        workgroups: grid(Math.ceil(sizeOf(x.shape) / width), limits),
      },
    ],
  };
}

function source(x: Aval, indices: readonly Aval[], params: ScatterParams, width: number): string {
  const { axes, mode, combine } = params;
  const { outer, inside, rest, block, coords, offset } = layoutOf(x, indices, params);
  const isHere = axes.map((axis, k) => `${placeWgsl(`in${k + 2}[i]`, indices[k]!, x.shape[axis]!, mode)} == c${k}`);
  return `${foldWgsl(combine, x.dtype)}

@compute @workgroup_size(${width})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let element = id.y * groups.x * ${width}u + id.x;
  if (element >= ${sizeOf(x.shape)}u) { return; }
  let block = element / ${block}u;
  let within = element % ${block}u;
  let lane = block / ${outer}u;
${coords.map((coord, k) => `  let c${k} = ${coord};`).join("\n")}
  var update = block * ${inside * rest}u + ${offset};
  var value = in0[element];
  for (var i = lane * ${inside}u; i < lane * ${inside}u + ${inside}u; i++) {
    if (${isHere.join(" && ")}) { value = fold(value, in1[update]); }
    update += ${rest}u;
  }
  out0[element] = value;
}
`;
}
