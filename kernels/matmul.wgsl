// out[batch, m, n] = Σ_k lhs[batch, m, k] · rhs[batch, k, n] by tiles: a workgroup of 16 × 16 invocations computes
// TILE_M × TILE_N results, each invocation ROWS × COLS of them in registers; TILE_K terms at a time pass through
// workgroup memory. Operands may be any expression of the position.
// <bindings>
@group(0) @binding(0) var<storage, read> in0: array<f32>;
@group(0) @binding(1) var<storage, read> in1: array<f32>;
@group(0) @binding(2) var<storage, read_write> out0: array<f32>;
// </bindings>

const M = 64u; // <m>
const N = 64u; // <n>
const K = 64u; // <k>
const ROWS = 4u; // <rows>
const COLS = 4u; // <cols>
const TILE_M = 16u * ROWS;
const TILE_N = 16u * COLS;
const TILE_K = 16u;
alias T = f32; // <type>

var<workgroup> left: array<array<T, TILE_M>, TILE_K>;
var<workgroup> right: array<array<T, TILE_N>, TILE_K>;

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

fn finish(batch: u32, m: u32, n: u32, total: T) {
  // <finish>
  let i = (batch * M + m) * N + n;
  out0[i] = total;
  // </finish>
}

@compute @workgroup_size(16, 16)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_id) local: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let batch = group.z;
  let top = group.y * TILE_M;
  let side = group.x * TILE_N;
  var sums: array<array<T, COLS>, ROWS>;
  for (var start = 0u; start < K; start += TILE_K) {
    for (var e = lane; e < TILE_M * TILE_K; e += 256u) {
      // neighbours in a row of the operand are read by neighbours in the workgroup
      let m = top + e / TILE_K;
      let k = start + e % TILE_K;
      var x = T(0);
      if (m < M && k < K) { x = lhs(batch, m, k); }
      left[e % TILE_K][e / TILE_K] = x;
    }
    for (var e = lane; e < TILE_N * TILE_K; e += 256u) {
      let k = start + e / TILE_N;
      let n = side + e % TILE_N;
      var x = T(0);
      if (k < K && n < N) { x = rhs(batch, k, n); }
      right[e / TILE_N][e % TILE_N] = x;
    }
    workgroupBarrier();
    // not a constant: compilers would unroll this into more code than it is worth
    let depth = min(TILE_K, K - start);
    for (var k = 0u; k < depth; k++) {
      var column: array<T, COLS>;
      for (var c = 0u; c < COLS; c++) { column[c] = right[k][local.x + 16u * c]; }
      for (var r = 0u; r < ROWS; r++) {
        let x = left[k][local.y * ROWS + r];
        for (var c = 0u; c < COLS; c++) { sums[r][c] += x * column[c]; }
      }
    }
    workgroupBarrier();
  }
  for (var r = 0u; r < ROWS; r++) {
    for (var c = 0u; c < COLS; c++) {
      let m = top + local.y * ROWS + r;
      let n = side + local.x + 16u * c;
      if (m < M && n < N) { finish(batch, m, n, sums[r][c]); }
    }
  }
}
