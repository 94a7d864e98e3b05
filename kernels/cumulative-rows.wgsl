// Running folds of short or many rows: an invocation goes along each.
// <bindings>
@group(0) @binding(0) var<storage, read> in0: array<f32>;
@group(0) @binding(1) var<storage, read_write> out0: array<f32>;
// </bindings>

const ROWS = 2u; // <rows>
const LENGTH = 10u; // <length>
const INNER = 1u; // <inner>
const STRIDE = 64u; // <stride>

// <state>
alias State = f32;
fn nothing() -> State { return 0.0; }
fn load(at: u32) -> State { return in0[at]; }
fn combine(earlier: State, later: State) -> State { return earlier + later; }
// </state>

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let row = id.x + id.y * STRIDE;
  if (row >= ROWS) { return; }
  let first = row / INNER * LENGTH * INNER + row % INNER;
  var state = nothing();
  for (var j = 0u; j < LENGTH; j++) {
    // <direction>
    let i = j;
    // </direction>
    let at = first + i * INNER;
    state = combine(state, load(at));
    // <results>
    out0[at] = state;
    // </results>
  }
}
