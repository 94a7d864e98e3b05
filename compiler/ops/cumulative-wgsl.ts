// The running folds in WGSL, and the state that each begins with.
import type { DType } from "../core/dtype.js";
import type { WgslFold } from "./cumulative-kernels.js";

export type Running = "cumsum" | "cumprod" | "cummax" | "cummin" | "recurrence";

/** The state that a fold leaves alone. Of sums it is −0: 0 + −0 is not −0. */
export function firstState(name: Exclude<Running, "recurrence">, dtype: DType): number {
  switch (name) {
    case "cumsum":
      return dtype === "f32" ? -0 : 0;
    case "cumprod":
      return 1;
    case "cummax":
      return dtype === "f32" ? -Infinity : dtype === "i32" ? -2147483648 : 0;
    case "cummin":
      return dtype === "f32" ? Infinity : dtype === "i32" ? 2147483647 : 4294967295;
  }
}

export function runningFold(name: Running, dtype: DType): WgslFold {
  if (name === "recurrence") return recurrence;
  return {
    state: [
      `alias State = ${dtype};`,
      `fn nothing() -> State { ${constant(firstState(name, dtype), dtype)} }`,
      "fn load(at: u32) -> State { return in0[at]; }",
      ...combine(name, dtype),
    ],
    result: "state",
    words: ["bitcast<u32>(state)"],
    fromWords: "bitcast<State>(w0)",
  };
}

/** Statements that return the constant; what has no literal is made of its bits at run time. */
function constant(value: number, dtype: DType): string {
  if (dtype === "u32") return `return ${value}u;`;
  if (dtype === "i32") return value === -2147483648 ? "return i32(-2147483648);" : `return ${value}i;`;
  if (Number.isFinite(value) && !Object.is(value, -0)) return `return f32(${value});`;
  const bits = Object.is(value, -0) ? "80000000" : value > 0 ? "7f800000" : "ff800000";
  return `var bits = 0x${bits}u; return bitcast<f32>(bits);`;
}

function combine(name: Exclude<Running, "recurrence">, dtype: DType): string[] {
  const head = "fn combine(earlier: State, later: State) -> State {";
  switch (name) {
    case "cumsum":
      return [`${head} return earlier + later; }`];
    case "cumprod":
      return [`${head} return earlier * later; }`];
    default: {
      const wgslName = name === "cummax" ? "max" : "min";
      if (dtype !== "f32") return [`${head} return ${wgslName}(earlier, later); }`];
      return [
        "fn is_nan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }",
        "// WGSL's own may give either zero, and anything for NaN",
        head,
        "  let x = bitcast<u32>(earlier);",
        "  let y = bitcast<u32>(later);",
        `  let either = bitcast<f32>(x ${name === "cummax" ? "&" : "|"} y);`,
        `  let number = select(${wgslName}(earlier, later), either, earlier == later);`,
        "  return select(select(number, later, is_nan(later)), earlier, is_nan(earlier));",
        "}",
      ];
    }
  }
}

/** x ↦ a x + b as (a, b, 1), or nothing as 0: several such maps one after the other are such a map again. */
const recurrence: WgslFold = {
  state: [
    "alias State = vec3f;",
    "fn nothing() -> State { return vec3f(0.0); }",
    "fn load(at: u32) -> State { return vec3f(in0[at], in1[at], 1.0); }",
    "fn combine(earlier: State, later: State) -> State {",
    "  let both = vec3f(later.x * earlier.x, later.x * earlier.y + later.y, 1.0);",
    "  return select(select(both, earlier, later.z == 0.0), later, earlier.z == 0.0);",
    "}",
  ],
  result: "state.y",
  words: ["bitcast<u32>(state.x)", "bitcast<u32>(state.y)"],
  fromWords: "vec3f(bitcast<f32>(w0), bitcast<f32>(w1), 1.0)",
};
