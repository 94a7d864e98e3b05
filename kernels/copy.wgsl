// Copies SIZE words, into row `row[0]` of the target where there is one.
@group(0) @binding(0) var<storage, read> in0: array<u32>;
// <row>
@group(0) @binding(1) var<storage, read> row: array<u32>;
// </row>
// <target>
@group(0) @binding(2) var<storage, read_write> out0: array<u32>;
// </target>

const SIZE = 16u; // <size>

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  if (i >= SIZE) { return; }
  // <offset>
  let start = row[0] * SIZE;
  // </offset>
  out0[start + i] = in0[i];
}
