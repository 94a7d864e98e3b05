// WGSL of scatter: each element of the result looks through the index tuples of its lane, in their order.
import type { Aval } from "../core/aval.js";
import type { DType } from "../core/dtype.js";
import { sizeOf, stridesOf } from "../core/shape.js";
import type { DeviceLimits } from "../ir/limits.js";
import type { OpaqueKernels } from "../ir/op.js";
import { type Combine, indexed, type ScatterParams } from "./indexed.js";

/** Operands: x, the updates, then the indices. No order depends on the device, so neither do the bits. */
export function scatterKernels(
  x: Aval,
  indices: readonly Aval[],
  params: ScatterParams,
  limits: DeviceLimits,
): OpaqueKernels {
  const count = sizeOf(x.shape);
  if (count === 0) return { scratch: [], dispatches: [] };
  const width = Math.min(256, limits.maxInvocations);
  const groups = Math.ceil(count / width);
  const across = Math.min(groups, limits.maxWorkgroups);
  const names = ["in0", "in1", ...indices.map((_, k) => `in${k + 2}` as const)] as const;
  return {
    scratch: [],
    dispatches: [
      {
        wgsl: source(x, indices, params, width),
        reads: names,
        writes: ["out0"],
        workgroups: [across, Math.ceil(groups / across), 1],
      },
    ],
  };
}

function source(x: Aval, indices: readonly Aval[], params: ScatterParams, width: number): string {
  const { axes, mode, combine } = params;
  const s = indexed(x, indices[0]!, params);
  const strides = stridesOf(x.shape);
  const [outer, inside, rest] = [sizeOf(s.outer), sizeOf(s.inside), sizeOf(s.rest)];
  const block = sizeOf(x.shape.slice(axes[0]!));
  const coord = (axis: number) => `within / ${strides[axis]}u % ${x.shape[axis]}u`;
  const restAxes = x.shape.map((_, axis) => axis).filter((axis) => axis > axes[0]! && !axes.includes(axis));
  const restStrides = stridesOf(s.rest);
  const offset = restAxes.map((axis, i) => `${coord(axis)} * ${restStrides[i]}u`).join(" + ") || "0u";
  const isHere = axes.map((axis, k) => {
    const { dtype } = indices[k]!;
    const index = `in${k + 2}[i]`;
    const last = `${x.shape[axis]! - 1}${dtype === "i32" ? "i" : "u"}`;
    const place = mode === "drop" ? index : dtype === "i32" ? `clamp(${index}, 0i, ${last})` : `min(${index}, ${last})`;
    // as u32, a negative index lies behind every axis
    return `u32(${place}) == c${k}`;
  });
  return `${combine === "min" || combine === "max" ? `${helper(combine, x.dtype)}\n` : ""}
@compute @workgroup_size(${width})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let element = id.y * groups.x * ${width}u + id.x;
  if (element >= ${sizeOf(x.shape)}u) { return; }
  let block = element / ${block}u;
  let within = element % ${block}u;
  let lane = block / ${outer}u;
${axes.map((axis, k) => `  let c${k} = ${coord(axis)};`).join("\n")}
  var update = block * ${inside * rest}u + ${offset};
  var value = in0[element];
  for (var i = lane * ${inside}u; i < lane * ${inside}u + ${inside}u; i++) {
    if (${isHere.join(" && ")}) { value = ${combined(combine)}; }
    update += ${rest}u;
  }
  out0[element] = value;
}
`;
}

function combined(combine: Combine): string {
  switch (combine) {
    case "set":
      return "in1[update]";
    case "add":
      return "value + in1[update]";
    case "mul":
      return "value * in1[update]";
    case "min":
    case "max":
      return "extreme(value, in1[update])";
  }
}

/** WGSL's own min and max may give anything for NaN, and either zero. */
function helper(combine: "min" | "max", dtype: DType): string {
  if (dtype !== "f32") return `fn extreme(x: ${dtype}, y: ${dtype}) -> ${dtype} { return ${combine}(x, y); }`;
  const bits = combine === "max" ? "&" : "|";
  return `fn is_nan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }
fn extreme(x: f32, y: f32) -> f32 {
  let number = select(${combine}(x, y), bitcast<f32>(bitcast<u32>(x) ${bits} bitcast<u32>(y)), x == y);
  return select(select(number, y, is_nan(y)), x, is_nan(x));
}`;
}
