// out[batch, m, n] = Σ_k lhs[batch, m, k] · rhs[batch, k, n] with few rows: an invocation computes a column of results
// in registers, so that each element of rhs is read once for all rows, and those of lhs are the same for a whole
// workgroup. A long sum may be cut in parts of PART terms. Operands may be any expression of the position.
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
  let n = group.x * WIDTH + lane;
  if (n >= N) { return; }
  let part = group.y;
  let batch = group.z;
  // <sums>
  var sum0 = T(0);
  var sum1 = T(0);
  // </sums>
  let end = min(K, (part + 1u) * PART);
  for (var k = part * PART; k < end; k++) {
    let x = rhs(batch, k, n);
    // <step>
    sum0 += lhs(batch, 0u, k) * x;
    sum1 += lhs(batch, 1u, k) * x;
    // </step>
  }
  // <results>
  finish(part, batch, 0u, n, sum0);
  finish(part, batch, 1u, n, sum1);
  // </results>
}
