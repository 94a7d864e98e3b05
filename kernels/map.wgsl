// One invocation computes one element of every result.
// <bindings>
@group(0) @binding(0) var<storage, read> in0: array<f32>;
@group(0) @binding(1) var<storage, read_write> out0: array<f32>;
// </bindings>

const SIZE = 16u; // <size>
const STRIDE = 64u; // <stride>

// <helpers>
// </helpers>

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.x + id.y * STRIDE;
  if (i >= SIZE) { return; }
  // <body>
  out0[i] = in0[i] + 1.0;
  // </body>
}
