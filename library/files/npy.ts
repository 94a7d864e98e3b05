// npy: one array of NumPy's, a header that is a Python dict, and the elements.
import type { DType } from "../../compiler/core/dtype.js";
import type { NDArray } from "../../compiler/core/ndarray.js";
import { type Shape, stridesOf } from "../../compiler/core/shape.js";
import { fromHost } from "../../compiler/trace/create.js";
import type { Tensor } from "../../compiler/trace/tensor.js";
import { hostOf } from "./dictionary.js";
import { checkSizes, decode, type Encoding, encode, encodings } from "./elements.js";
import { type Literal, parseLiteral, python } from "./literal.js";
import { type Fail, type FileSource, isPath, joined, showName, withSource, writeFile } from "./source.js";

const MAGIC = "\x93NUMPY";
const ALIGN_BYTES = 64; // elements begin at a multiple of it
const GROWTH_DIGITS = 21; // NumPy leaves room for the first size to grow to this many digits
const MAX_HEADER_BYTES = 65_536;

const descriptions: Readonly<Record<DType, string>> = { f32: "<f4", i32: "<i4", u32: "<u4", bool: "|b1" };

/**
 * Writes a tensor to the file `path` as `numpy.save` does, whole or not at all; without a path gives the file's bytes.
 * Throws `ValueError` for what is no tensor, `FileError` when the file cannot be written.
 */
export function saveNpy(path: string | URL, x: Tensor): Promise<void>;
export function saveNpy(x: Tensor): Promise<Uint8Array>;
export async function saveNpy(...args: readonly unknown[]): Promise<unknown> {
  const [path, x] = isPath(args[0]) ? args : [undefined, args[0]];
  const parts = npyParts(await hostOf("saveNpy", x, "the value"));
  if (path === undefined) return joined(parts);
  await writeFile("saveNpy", path as string | URL, parts);
  return undefined;
}

/** Header and elements, in the bytes of NumPy's own writer. */
export function npyParts(array: NDArray): [Uint8Array, Uint8Array] {
  const { dtype, shape } = array;
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  const dict = `{'descr': '${descriptions[dtype]}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const growth = shape.length > 0 ? GROWTH_DIGITS - String(shape[0]).length : 0;
  const used = 10 + dict.length + growth + 1; // magic, version, length; text; newline
  const head = Buffer.alloc(Math.ceil(used / ALIGN_BYTES) * ALIGN_BYTES, " ");
  head.write(`${MAGIC}\x01\x00`, "latin1");
  head.writeUInt16LE(head.length - 10, 8);
  head.write(dict, 10, "latin1");
  head.write("\n", head.length - 1);
  return [head, encode(array)];
}

/**
 * The array of a file, or of its bytes: versions 1.0 to 3.0, either byte order, C or Fortran order. bool, f4, i4 and
 * u4 are read as they are; f2 and f8 as f32; i1, i2 and i8 as i32; u1, u2 and u8 as u32. Throws `FileError` for a file
 * that is not as the format says, other dtypes, integers that 32 bits cannot hold and finite f8 that f32 cannot.
 */
export async function loadNpy(from: FileSource): Promise<Tensor> {
  const array = await withSource("loadNpy", from, async ({ size, fail, read }) => parseNpy(await read(0, size), fail));
  return fromHost(array);
}

/** The array of a whole file. */
export function parseNpy(bytes: Uint8Array, fail: Fail): NDArray {
  const { text, start } = headerText(bytes, fail);
  const { type, little, fortran, shape: sizes } = readHeader(text, fail);
  const shape = checkSizes(sizes, type, bytes.length - start, fail);
  const elements = decode(bytes.subarray(start), type, little, fail);
  return { dtype: type.dtype, shape, data: fortran ? rowMajor(elements, shape) : elements };
}

function headerText(bytes: Uint8Array, fail: Fail): { text: string; start: number } {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (file.length < 12) fail(`it has ${file.length} bytes`, "a file of NumPy's save");
  if (file.toString("latin1", 0, MAGIC.length) !== MAGIC)
    fail(`it begins with the bytes ${file.toString("hex", 0, MAGIC.length)}`, "those of \\x93NUMPY");
  const [major, minor] = [file[6]!, file[7]!];
  if (major < 1 || major > 3 || minor !== 0) fail(`its version is ${major}.${minor}`, "1.0, 2.0 or 3.0");
  const before = major === 1 ? 10 : 12;
  const length = major === 1 ? file.readUInt16LE(8) : file.readUInt32LE(8);
  const start = before + length;
  if (length > MAX_HEADER_BYTES) fail(`the header's length is ${length}`, `at most ${MAX_HEADER_BYTES} bytes`);
  if (start > file.length)
    fail(`the header's length is ${length}, but ${file.length - before} bytes follow`, "a whole header");
  return { text: file.toString(major === 3 ? "utf8" : "latin1", before, start), start };
}

interface Header {
  readonly type: Encoding;
  readonly little: boolean;
  readonly fortran: boolean;
  readonly shape: Literal;
}

const kinds: Readonly<Record<string, string>> = { b: "bool", f: "f", i: "i", u: "u" };

function readHeader(text: string, fail: Fail): Header {
  const header = parseLiteral(text, python, fail);
  const keys = header instanceof Map ? [...header.keys()].sort().join(", ") : "no dict";
  if (!(header instanceof Map) || keys !== "descr, fortran_order, shape")
    return fail(`its header has ${showName(keys)}`, "descr, fortran_order, shape");
  const { descr, fortran, shape } = {
    descr: header.get("descr") as Literal,
    fortran: header.get("fortran_order") as Literal,
    shape: header.get("shape") as Literal,
  };
  if (typeof fortran !== "boolean") return fail("its fortran_order is no bool", "True or False");
  const readable = "bool, f2, f4, f8, and i or u of 1, 2, 4 or 8 bytes";
  if (typeof descr !== "string") return fail("its dtype has fields", readable);
  if (/^[|<>=]?O/.test(descr))
    fail(
      "it holds Python objects, and reading those would run code",
      `${readable}: convert it with astype and save again`,
    );
  const [, endian = "", kind = "", bytes = ""] = /^([|<>])([bfiu])([1248])$/.exec(descr) ?? [];
  const type = encodings.get(kind === "b" ? "bool" : `${kinds[kind] ?? ""}${Number(bytes) * 8}`);
  if (!type || type.bytes !== Number(bytes) || (endian === "|" && type.bytes > 1))
    return fail(`its dtype is ${showName(descr)}`, readable);
  return { type, little: endian !== ">", fortran, shape };
}

/** Elements in row-major order of what lies in column-major order. */
function rowMajor<T extends NDArray["data"]>(data: T, shape: Shape): T {
  if (shape.length < 2 || data.length < 2) return data;
  const out = data.slice() as T;
  const strides = stridesOf([...shape].reverse()).reverse(); // of the file, by our axes
  const index = shape.map(() => 0);
  for (let i = 0, from = 0; i < out.length; i++) {
    out[i] = data[from]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      from -= shape[axis]! * strides[axis]!;
      index[axis] = 0;
    }
  }
  return out;
}
