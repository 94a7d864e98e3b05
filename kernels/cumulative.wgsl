// Running folds: a workgroup per row, or per part of a long row. Each invocation folds ITEMS neighbours, then the workgroup
// scans what they give (Hillis and Steele, 1986), then each goes through its own again. The order is fixed.
// <bindings>
@group(0) @binding(0) var<storage, read> in0: array<f32>;
@group(0) @binding(1) var<storage, read_write> out0: array<f32>;
// </bindings>

const WIDTH = 64u; // <width>
const ITEMS = 8u; // <items>
const ROWS = 2u; // <rows>
const LENGTH = 1000u; // <length>
const INNER = 1u; // <inner>
const PARTS = 1u; // <parts>
const PART = 1000u; // <part>

// <state>
alias State = f32;
fn nothing() -> State { return 0.0; }
fn load(at: u32) -> State { return in0[at]; }
fn combine(earlier: State, later: State) -> State { return earlier + later; }
// </state>

var<workgroup> states: array<State, WIDTH>;

// element j of a row
fn place(row: u32, j: u32) -> u32 {
  // <direction>
  let i = j;
  // </direction>
  return (row / INNER * LENGTH + i) * INNER + row % INNER;
}

// what the invocations before this one give together; the last state is that of all of them. Width is WIDTH, but known only
// when this runs: compilers would unroll the loop with its barriers, and take seconds for it.
fn before(lane: u32, own: State, width: u32) -> State {
  states[lane] = own;
  workgroupBarrier();
  for (var by = 1u; by < width; by *= 2u) {
    var state = states[lane];
    if (lane >= by) { state = combine(states[lane - by], state); }
    workgroupBarrier();
    states[lane] = state;
    workgroupBarrier();
  }
  if (lane == 0u) { return nothing(); }
  return states[lane - 1u];
}

@compute @workgroup_size(WIDTH)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  // the same for the whole workgroup: barriers stay uniform
  let cell = group.x + group.y * groups.x;
  if (cell >= ROWS * PARTS) { return; }
  let row = cell / PARTS;
  let part = cell % PARTS;
  let begin = part * PART;
  let end = min(begin + PART, LENGTH);
  var carry = nothing();
  // <carry>
  // </carry>
  for (var at = begin; at < end; at += WIDTH * ITEMS) {
    let first = min(at + lane * ITEMS, end);
    let last = min(first + ITEMS, end);
    var own = nothing();
    for (var j = first; j < last; j++) { own = combine(own, load(place(row, j))); }
    var state = combine(carry, before(lane, own, WIDTH * groups.z));
    // <results>
    for (var j = first; j < last; j++) {
      state = combine(state, load(place(row, j)));
      out0[place(row, j)] = state;
    }
    // </results>
    carry = combine(carry, states[WIDTH - 1u]);
    workgroupBarrier();
  }
  // <finish>
  // </finish>
}
