// Functions that kernels may call: what WGSL itself does not do exactly.
import { fmaHelper, remHelper } from "./exact.js";

/** Helper functions a kernel may call, by name. Each stands alone but for those it names in `needs`. */
const helpers: Record<string, { readonly needs: readonly string[]; readonly code: string }> = {
  keep: {
    needs: ["zero"],
    code: "// the identity, which no compiler sees through: arithmetic stays as written\nfn keep(x: f32) -> f32 { return bitcast<f32>(bitcast<u32>(x) ^ zero.x); }",
  },
  again: {
    needs: ["zero"],
    code: "// as keep, for a value beside itself: x - x and x / x are not 0 and 1 for every x\nfn again(x: f32) -> f32 { return bitcast<f32>(bitcast<u32>(x) ^ zero.y); }",
  },
  bits: {
    needs: ["zero"],
    code: "// NaN, infinities and -0 have no literals\nfn bits(x: u32) -> f32 { return bitcast<f32>(x ^ zero.z); }",
  },
  is_nan: { needs: [], code: "fn is_nan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }" },
  max_nan: {
    needs: ["is_nan"],
    code: maxHelper("max", "&", "0 is above -0: of equal numbers the bits are alike but for the sign of a zero"),
  },
  min_nan: { needs: ["is_nan"], code: maxHelper("min", "|", "-0 is below 0") },
  fma_f32: {
    needs: ["keep"],
    code: fmaHelper,
  },
  rem_f32: {
    needs: ["bits"],
    code: remHelper,
  },
  to_i32: {
    needs: ["is_nan"],
    code: "// i32(x) stops at the largest f32 below 2^31\nfn to_i32(x: f32) -> i32 { return select(select(i32(x), 0x7fffffffi, x >= 2147483648.0f), 0i, is_nan(x)); }",
  },
  to_u32: {
    needs: ["is_nan"],
    code: "// u32(x) stops at the largest f32 below 2^32\nfn to_u32(x: f32) -> u32 { return select(select(u32(x), 0xffffffffu, x >= 4294967296.0f), 0u, is_nan(x)); }",
  },
};

/** WGSL's own may give either zero, and anything for NaN. */
function maxHelper(name: "max" | "min", symbol: "&" | "|", note: string): string {
  return `// ${note}
fn ${name}_nan(x: f32, y: f32) -> f32 {
  let number = select(${name}(x, y), bitcast<f32>(bitcast<u32>(x) ${symbol} bitcast<u32>(y)), x == y);
  return select(select(number, y, is_nan(y)), x, is_nan(x));
}`;
}

/** WGSL of the helpers in `used` and of what they need, in a fixed order. */
export function helperCode(used: ReadonlySet<string>): string[] {
  const all = new Set<string>();
  const add = (name: string): void => {
    if (name === "zero" || all.has(name)) return;
    helpers[name]!.needs.forEach(add);
    all.add(name);
  };
  used.forEach(add);
  return Object.keys(helpers)
    .filter((name) => all.has(name))
    .map((name) => helpers[name]!.code);
}

/** True when the helpers read the buffer of zeros. */
export function needsZero(used: ReadonlySet<string>): boolean {
  const visit = (name: string): boolean => name === "zero" || helpers[name]!.needs.some(visit);
  return [...used].some(visit);
}
