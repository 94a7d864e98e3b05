// One workgroup folds one row: each invocation takes every WIDTH-th element of its part, then the workgroup folds the
// partial results in a tree. Long rows are cut in PARTS parts, one workgroup each.
// <bindings>
@group(0) @binding(0) var<storage, read> in0: array<f32>;
@group(0) @binding(1) var<storage, read_write> out0: array<f32>;
// </bindings>

const WIDTH = 64u; // <width>
const ROWS = 2u; // <rows>
const PARTS = 1u; // <parts>
const LENGTH = 100u; // <length>
const PART = 100u; // <part>

// <shared>
var<workgroup> shared0: array<f32, WIDTH>;
// </shared>

// <helpers>
// </helpers>

@compute @workgroup_size(WIDTH)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  // the same for the whole workgroup: barriers below stay uniform
  let cell = group.x + group.y * groups.x;
  if (cell >= ROWS * PARTS) { return; }
  let i = cell / PARTS;
  let begin = (cell % PARTS) * PART;
  let end = min(begin + PART, LENGTH);
  // <init>
  var s0 = 0.0;
  // </init>
  for (var j = begin + lane; j < end; j += WIDTH) {
    // <step>
    s0 = s0 + in0[i * LENGTH + j];
    // </step>
  }
  // <share>
  shared0[lane] = s0;
  // </share>
  workgroupBarrier();
  for (var half = WIDTH / 2u; half > 0u; half /= 2u) {
    if (lane < half) {
      let other = lane + half;
      // <merge>
      shared0[lane] = shared0[lane] + shared0[other];
      // </merge>
    }
    workgroupBarrier();
  }
  if (lane == 0u) {
    // <finish>
    out0[i] = shared0[0];
    // </finish>
  }
}
