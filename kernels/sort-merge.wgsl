// Merges neighbouring sorted runs of every row: each element looks up how many of the other run come before it. The runs'
// length is in memory, so that all passes are one pipeline.
// <bindings>
@group(0) @binding(0) var<storage, read> keys: array<u32>;
@group(0) @binding(1) var<storage, read> places: array<u32>;
@group(0) @binding(2) var<storage, read> lengths: array<u32>;
@group(0) @binding(3) var<storage, read_write> out0: array<i32>;
// </bindings>

const ROWS = 1u; // <rows>
const LENGTH = 3000u; // <length>
const STRIDE = 4194240u; // <stride>

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let i = id.x + id.y * STRIDE;
  if (i >= ROWS * LENGTH) { return; }
  // <read>
  let run = lengths[0];
  let key = keys[i];
  let place = places[i];
  // </read>
  let row = i / LENGTH * LENGTH;
  let at = i % LENGTH;
  let mine = at / run;
  let other = mine ^ 1u;
  let begin = min(other * run, LENGTH);
  var low = begin;
  var high = min(begin + run, LENGTH);
  while (low < high) {
    let middle = (low + high) / 2u;
    // <other>
    let k = keys[row + middle];
    // </other>
    // equal ones of the earlier run come first
    if (k < key || (k == key && other < mine)) { low = middle + 1u; } else { high = middle; }
  }
  let to = row + min(mine, other) * run + at % run + (low - begin);
  // <write>
  out0[to] = i32(place);
  // </write>
}
