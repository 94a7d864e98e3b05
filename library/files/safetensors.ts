// safetensors: eight bytes of header length, a JSON header, and the elements of all tensors one after another.
import type { DType } from "../../compiler/core/dtype.js";
import { ValueError } from "../../compiler/core/errors.js";
import { hereText } from "../../compiler/trace/here.js";
import type { Tensor } from "../../compiler/trace/tensor.js";
import { checkOptions } from "../numpy/statistics.js";
import { byName, checkDictionary, checkName, collect, type Named, tensorsOf } from "./dictionary.js";
import { checkSizes, decode, type Encoding, encode, encodings } from "./elements.js";
import { json, type Literal, parseLiteral } from "./literal.js";
import { type Fail, type FileSource, isPath, joined, type Source, showName, withSource, writeFile } from "./source.js";

export interface SafetensorsOptions {
  /** Texts kept in the header. */
  readonly metadata?: Readonly<Record<string, string>>;
}

const LENGTH_BYTES = 8;
const MAX_HEADER_BYTES = 100_000_000; // what other readers take
const METADATA = "__metadata__";

/** Larger elements first, so that all lie at multiples of their size; the order of the format's own writer. */
const order: readonly DType[] = ["f32", "u32", "i32", "bool"];

/**
 * Writes a flat dictionary of tensors to the file `path`, whole or not at all; without a path gives its bytes. The
 * same tensors give the same bytes. Throws `ValueError` for anything but tensors by name, `FileError` when the file
 * cannot be written.
 */
export function saveSafetensors(
  path: string | URL,
  tensors: Readonly<Record<string, Tensor>>,
  options?: SafetensorsOptions,
): Promise<void>;
export function saveSafetensors(
  tensors: Readonly<Record<string, Tensor>>,
  options?: SafetensorsOptions,
): Promise<Uint8Array>;
export async function saveSafetensors(...args: readonly unknown[]): Promise<unknown> {
  const [path, tensors, options = {}] = isPath(args[0]) ? args : [undefined, ...args];
  const parts = await write(tensors, options as SafetensorsOptions);
  if (path === undefined) return joined(parts);
  await writeFile("saveSafetensors", path as string | URL, parts);
  return undefined;
}

async function write(tensors: unknown, options: SafetensorsOptions): Promise<Uint8Array[]> {
  checkOptions("saveSafetensors", options, ["metadata"]);
  const { metadata } = options;
  const header: [string, unknown][] = [];
  if (metadata !== undefined) {
    checkDictionary("saveSafetensors", metadata, "texts as metadata");
    for (const [name, text] of Object.entries(metadata))
      if (typeof text !== "string" || /\p{Surrogate}/u.test(text))
        throw new ValueError(`saveSafetensors: the metadata ${showName(name)} is no text${hereText()}`);
    const sorted = Object.entries(metadata).sort(([a], [b]) => byName({ name: a }, { name: b }));
    header.push([METADATA, Object.fromEntries(sorted)]);
  }
  const entries = await collect("saveSafetensors", tensors);
  if (entries.some(({ name }) => name === METADATA))
    throw new ValueError(`saveSafetensors: a tensor cannot be called ${METADATA}: it is the header's own${hereText()}`);
  entries.sort((a, b) => order.indexOf(a.array.dtype) - order.indexOf(b.array.dtype)); // stable: by name within
  const parts = entries.map(({ array }) => encode(array));
  let offset = 0;
  for (const [i, { name, array }] of entries.entries()) {
    const end = offset + parts[i]!.length;
    header.push([name, { dtype: array.dtype.toUpperCase(), shape: array.shape, data_offsets: [offset, end] }]);
    offset = end;
  }
  // not by way of an object, which would put names such as "10" first
  const members = header.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
  const text = Buffer.from(`{${members.join(",")}}`);
  const headerBytes = Math.ceil(text.length / LENGTH_BYTES) * LENGTH_BYTES; // padded with spaces: elements are aligned
  if (headerBytes > MAX_HEADER_BYTES)
    throw new ValueError(
      `saveSafetensors: the header has ${headerBytes} bytes, at most ${MAX_HEADER_BYTES} can be read again${hereText()}`,
    );
  const head = Buffer.alloc(LENGTH_BYTES + headerBytes, " ");
  head.writeBigUInt64LE(BigInt(headerBytes));
  text.copy(head, LENGTH_BYTES);
  return [head, ...parts];
}

/**
 * The tensors of a file, or of its bytes. F32, I32, U32 and BOOL are read as they are; F16, BF16 and F64 as f32; I8,
 * I16 and I64 as i32; U8, U16 and U64 as u32. Throws `FileError` for a file that is not as the format says, has an
 * integer that 32 bits cannot hold, or a finite F64 that f32 cannot; no tensor is made then.
 */
export async function loadSafetensors(from: FileSource): Promise<Record<string, Tensor>> {
  const arrays = await withSource("loadSafetensors", from, async (source) => {
    const { entries } = await readHeader(source);
    const read: Named[] = [];
    for (const { name, type, shape, begin, end, fail } of entries) {
      const data = decode(await source.read(begin, end - begin), type, true, fail);
      read.push({ name, array: { dtype: type.dtype, shape, data } });
    }
    return read.sort(byName);
  });
  return tensorsOf(arrays);
}

/** The texts in the header of a file, or of its bytes; none when there are none. Throws as `loadSafetensors` does. */
export async function loadSafetensorsMetadata(from: FileSource): Promise<Record<string, string>> {
  const { metadata } = await withSource("loadSafetensorsMetadata", from, readHeader);
  return Object.fromEntries(metadata);
}

/** A tensor of the header; `begin` and `end` count bytes of the file. */
interface Entry {
  readonly name: string;
  readonly type: Encoding;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
  readonly fail: Fail;
}

/** The header, checked as a whole: each tensor by itself, and all together fill the file without gap or overlap. */
async function readHeader({ size, fail, read }: Source): Promise<{ entries: Entry[]; metadata: Map<string, string> }> {
  if (size < LENGTH_BYTES) fail(`it has ${size} bytes`, `${LENGTH_BYTES} of the header's length, and a header`);
  const head = await read(0, LENGTH_BYTES);
  const length = new DataView(head.buffer, head.byteOffset).getBigUint64(0, true);
  if (length > MAX_HEADER_BYTES) fail(`the header's length is ${length}`, `at most ${MAX_HEADER_BYTES} bytes`);
  const start = LENGTH_BYTES + Number(length);
  if (start > size) fail(`the header's length is ${length}, but ${size - LENGTH_BYTES} bytes follow`, "a whole header");
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(await read(LENGTH_BYTES, Number(length)));
  } catch {
    return fail("the header is not UTF-8", "JSON in UTF-8");
  }
  const header = parseLiteral(text, json, fail);
  if (!(header instanceof Map)) return fail("the header is no object", "tensors by name");
  const entries: Entry[] = [];
  const metadata = new Map<string, string>();
  for (const [name, value] of header as ReadonlyMap<string, Literal>) {
    checkName(name, fail);
    if (name === METADATA) readMetadata(value, metadata, fail);
    else entries.push(readEntry(name, value, start, fail));
  }
  const inFile = [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end);
  let at = start;
  for (const { begin, end, fail: failHere } of inFile) {
    if (begin !== at) failHere(`it begins at byte ${begin} of the file`, `${at}, where the tensor before it ends`);
    at = end;
  }
  if (at !== size) fail(`the tensors end at byte ${at}, the file at ${size}`, "tensors that fill the file");
  return { entries, metadata };
}

function readMetadata(value: Literal, into: Map<string, string>, fail: Fail): void {
  const texts =
    value instanceof Map ? (value as ReadonlyMap<string, Literal>) : fail(`${METADATA} is no object`, "one");
  for (const [name, text] of texts) {
    checkName(name, fail);
    into.set(name, typeof text === "string" ? text : fail(`the metadata ${showName(name)} is no text`, "a text"));
  }
}

const fields = ["dtype", "shape", "data_offsets"];

function readEntry(name: string, value: Literal, start: number, failFile: Fail): Entry {
  const fail: Fail = (seen, wanted) => failFile(`tensor ${showName(name)}: ${seen}`, wanted);
  if (!(value instanceof Map)) return fail("its entry is no object", fields.join(", "));
  const entry = value as ReadonlyMap<string, Literal>;
  const other = [...entry.keys()].find((key) => !fields.includes(key));
  if (other !== undefined) fail(`its entry has ${showName(other)}`, `only ${fields.join(", ")}`);
  const dtype = entry.get("dtype");
  const type = typeof dtype === "string" && dtype === dtype.toUpperCase() && encodings.get(dtype.toLowerCase());
  if (!type) {
    const readable = [...encodings.keys()].map((key) => key.toUpperCase()).join(", ");
    return fail(`its dtype is ${typeof dtype === "string" ? showName(dtype) : "no text"}`, `one of ${readable}`);
  }
  const offsets = entry.get("data_offsets");
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every((n) => Number.isSafeInteger(n) && n >= 0))
    return fail("its data_offsets are no pair of byte offsets", "[begin, end]");
  const [begin, end] = offsets as [number, number];
  if (begin > end) fail(`its data_offsets are [${begin}, ${end}]`, "an end that is not before the begin");
  const shape = checkSizes(entry.get("shape"), type, end - begin, fail);
  return { name, type, shape, begin: start + begin, end: start + end, fail };
}
