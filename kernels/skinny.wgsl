// out[batch, m, n] = Σ_k lhs[batch, m, k] · rhs[batch, k, n] with few rows: an invocation computes COLS columns of
// results in registers, so that each element of rhs is read once for all rows, and those of lhs are the same for a
// whole workgroup. A long sum may be cut in parts of PART terms. Operands may be any expression of the position.
// <bindings>
@group(0) @binding(0) var<storage, read> in0: array<f32>;
@group(0) @binding(1) var<storage, read> in1: array<f32>;
@group(0) @binding(2) var<storage, read_write> out0: array<f32>;
// </bindings>

const BATCHES = 1u; // <batches>
const M = 2u; // <m>
const N = 64u; // <n>
const K = 64u; // <k>
const PART = 64u; // <part>
const WIDTH = 64u; // <width>
const COLS = 1u; // <cols>
alias T = f32; // <type>

// <helpers>
// </helpers>

fn lhs(batch: u32, m: u32, k: u32) -> T {
  // <lhs>
  return in0[(batch * M + m) * K + k];
  // </lhs>
}

fn rhs(batch: u32, k: u32, n: u32) -> T {
  // <rhs>
  return in1[(batch * K + k) * N + n];
  // </rhs>
}

fn finish(part: u32, batch: u32, m: u32, n: u32, total: T) {
  // <finish>
  out0[(batch * M + m) * N + n] = total;
  // </finish>
}

@compute @workgroup_size(WIDTH)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let n0 = group.x * COLS * WIDTH + lane;
  if (n0 >= N) { return; }
  let part = group.y;
  let batch = group.z;
  // <sums>
  var sum0_0 = T(0);
  var sum1_0 = T(0);
  // </sums>
  let end = min(K, (part + 1u) * PART);
  for (var k = part * PART; k < end; k++) {
    // <step>
    let x0 = rhs(batch, k, n0);
    let w0 = lhs(batch, 0u, k);
    sum0_0 += w0 * x0;
    let w1 = lhs(batch, 1u, k);
    sum1_0 += w1 * x0;
    // </step>
  }
  // <results>
  finish(part, batch, 0u, n0, sum0_0);
  finish(part, batch, 1u, n0, sum1_0);
  // </results>
}
