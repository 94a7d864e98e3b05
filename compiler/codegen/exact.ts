// WGSL functions that are exact where WGSL's own are rough: the remainder, and the product and sum rounded once.

/**
 * x y + z rounded once, which WGSL's own fma need not be: the exact product and the exact sum, and what is lost of it
 * rounded to odd (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums", 2008).
 */
export const fmaHelper = `// x + y, and what its rounding loses
fn two_sum(x: f32, y: f32) -> vec2f {
  let sum = keep(x + y);
  let part = keep(sum - x);
  return vec2f(sum, keep(x - keep(sum - part)) + keep(y - part));
}
// the 12 leading bits of x, to nearest
fn leading(x: f32) -> f32 { return bitcast<f32>((bitcast<u32>(x) + 0x800u) & 0xfffff000u); }
// x y + z where no part of the product underflows, nor overflows but all of it
fn fma_of_usual(x: f32, y: f32, z: f32) -> f32 {
  let product = keep(x * y);
  if ((bitcast<u32>(product) & 0x7fffffffu) == 0x7f800000u) { return product; }
  let a = leading(x);
  let b = leading(y);
  let c = keep(x - a);
  let d = keep(y - b);
  let first = keep(keep(keep(a * b) - product) + keep(a * d));
  let low = two_sum(z, keep(keep(first + keep(c * b)) + keep(c * d)));
  let high = two_sum(product, low.x);
  let rest = two_sum(low.y, high.y);
  let bits = bitcast<u32>(rest.x);
  let toward = select(0xffffffffu, 1u, (rest.y > 0.0f) == (rest.x > 0.0f));
  let odd = select(bits, bits + toward, rest.y != 0.0f && (bits & 1u) == 0u);
  return keep(high.x + bitcast<f32>(odd));
}
// x y + z, rounded once
fn fma_f32(x: f32, y: f32, z: f32) -> f32 {
  let product = keep(x * y);
  let plain = keep(product + z);
  if (max(bitcast<u32>(x) << 1u, bitcast<u32>(y) << 1u) >= 0xff000000u || x == 0.0f || y == 0.0f) { return plain; }
  if ((bitcast<u32>(z) << 1u) >= 0xff000000u) { return z; }
  let size = bitcast<u32>(product) & 0x7fffffffu;
  // scaled by a power of two: 2^-64 from 2^126 on, 2^80 below 2^-60 unless z outweighs it anyway
  let is_big = size >= 0x7e800000u || abs(z) >= 8.507059e37f;
  let is_small = size < 0x21800000u && abs(z) < 1099511627776.0f;
  let scale = select(select(1.0f, 1099511627776.0f, is_small), 2.3283064e-10f, is_big);
  let back = select(select(1.0f, 9.094947e-13f, is_small), 4294967296.0f, is_big);
  // from a huge operand to the other one, so that rounding its leading bits is no overflow
  let tilt = select(select(1.0f, 4294967296.0f, abs(y) >= 1.2676506e30f), 2.3283064e-10f, abs(x) >= 1.2676506e30f);
  let level = select(select(1.0f, 2.3283064e-10f, abs(y) >= 1.2676506e30f), 4294967296.0f, abs(x) >= 1.2676506e30f);
  let sum = fma_of_usual(keep(x * scale) * tilt, keep(y * scale) * level, keep(z * scale) * scale);
  return select(keep(sum * back) * back, plain, sum == 0.0f);
}`;

/**
 * C's fmod by long division of the mantissas, eight bits at a time, so that it is exact: WGSL's own x % y is
 * x - y trunc(x / y) with all its roundings. A magnitude is m 2^(e - 150).
 */
export const remHelper = `// the remainder of a division, exact, with the sign of x
fn rem_f32(x: f32, y: f32) -> f32 {
  let a = bitcast<u32>(x) & 0x7fffffffu;
  let b = bitcast<u32>(y) & 0x7fffffffu;
  if (a >= 0x7f800000u || b > 0x7f800000u || b == 0u) { return bits(0x7fc00000u); }
  if (a < b) { return x; }
  let by = select((b & 0x007fffffu) | 0x00800000u, b, b < 0x00800000u);
  let e = max(b >> 23u, 1u);
  var rest = select((a & 0x007fffffu) | 0x00800000u, a, a < 0x00800000u) % by;
  for (var left = max(a >> 23u, 1u) - e; left > 0u && rest > 0u;) {
    let step = min(left, 8u);
    rest = (rest << step) % by;
    left -= step;
  }
  let up = min(countLeadingZeros(rest | 1u) - 8u, e - 1u);
  rest = rest << up;
  let magnitude = select(((e - up - 1u) << 23u) + rest, 0u, rest == 0u);
  return bitcast<f32>(magnitude | (bitcast<u32>(x) & 0x80000000u));
}`;
