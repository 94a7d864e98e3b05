// Sorts runs in workgroup memory, by key and then by place: a bitonic network, several short runs side by side in a tile.
// A row of LENGTH elements is cut in RUNS runs; what fills up the last one sorts behind it.
// <bindings>
@group(0) @binding(0) var<storage, read> in0: array<u32>;
@group(0) @binding(1) var<storage, read_write> out0: array<i32>;
// </bindings>

const WIDTH = 64u; // <width>
const TILE = 256u; // <tile>
const RUN = 256u; // <run>
const RUNS = 1u; // <runs>
const ROWS = 1u; // <rows>
const LENGTH = 200u; // <length>

var<workgroup> keys: array<u32, TILE>;
var<workgroup> places: array<u32, TILE>;

// <key>
fn key(at: u32) -> u32 { return in0[at]; }
// </key>

@compute @workgroup_size(WIDTH)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  // the same for the whole workgroup: barriers below stay uniform
  let first = (group.x + group.y * groups.x) * (TILE / RUN);
  for (var i = lane; i < TILE; i += WIDTH) {
    let run = first + i / RUN;
    let place = (run % RUNS) * RUN + i % RUN;
    keys[i] = 0xffffffffu;
    if (run < ROWS * RUNS && place < LENGTH) { keys[i] = key((run / RUNS) * LENGTH + place); }
    places[i] = place;
  }
  workgroupBarrier();
  for (var size = 2u; size <= RUN; size *= 2u) {
    for (var half = size / 2u; half > 0u; half /= 2u) {
      for (var i = lane; i < TILE / 2u; i += WIDTH) {
        let block = i / half * (2u * half);
        let x = block + i % half;
        // two sorted halves: the first step turns the second one round
        let y = select(x + half, block + 2u * half - 1u - i % half, 2u * half == size);
        let swap = keys[x] > keys[y] || (keys[x] == keys[y] && places[x] > places[y]);
        if (swap) {
          let k = keys[x];
          let p = places[x];
          keys[x] = keys[y];
          places[x] = places[y];
          keys[y] = k;
          places[y] = p;
        }
      }
      workgroupBarrier();
    }
  }
  for (var i = lane; i < TILE; i += WIDTH) {
    let run = first + i / RUN;
    let place = (run % RUNS) * RUN + i % RUN;
    if (run < ROWS * RUNS && place < LENGTH) {
      let at = (run / RUNS) * LENGTH + place;
      // <write>
      out0[at] = i32(places[i]);
      // </write>
    }
  }
  // <finish>
  // </finish>
}
