// Zip archives, as far as npz needs them. Node inflates; what the archive says is checked here: small zip libraries leave
// sums, sizes and overlaps unchecked.
import { promisify } from "node:util";
import { deflateRaw, inflateRaw, type ZlibOptions } from "node:zlib";
import { type Fail, joined, type Source, showName } from "./source.js";

const LOCAL = 0x04034b50; // signatures, by the specification (APPNOTE.TXT 4.3)
const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const END64 = 0x06064b50;
const LOCATOR64 = 0x07064b50;
const LOCAL_BYTES = 30;
const CENTRAL_BYTES = 46;
const END_BYTES = 22;
const END64_BYTES = 56;
const LOCATOR64_BYTES = 20;
const FULL_16 = 0xffff; // a field of which the value stands in an extension
const FULL_32 = 0xffffffff;

const STORED = 0;
const DEFLATED = 8;
const UTF8 = 0x800; // flag: the name is UTF-8
const ENCRYPTED = 0x2061; // flags: encrypted, patched, or with a masked directory
const MAX_RATIO = 1032; // deflate spends at least two bits on 258 bytes

/** A member of an archive that was checked but for its contents. */
export interface Member {
  readonly name: string;
  /** Its bytes, inflated, of the size and with the sum that the archive gives. */
  readonly contents: () => Promise<Uint8Array>;
}

interface Entry {
  readonly name: string;
  readonly method: number;
  readonly sum: number;
  /** Bytes in the archive. */
  readonly packed: number;
  /** Bytes when it is inflated. */
  readonly size: number;
  readonly offset: number;
  readonly fail: Fail;
}

/** The members, by the archive's directory. Calls the source's `fail` when deflated ones have more than `maxBytes`. */
export async function readZip(source: Source, maxBytes: number): Promise<Member[]> {
  const directory = await findDirectory(source);
  const records = readDirectory(await source.read(directory.offset, directory.size), directory.count, source.fail);
  const inflated = records.reduce((sum, { method, size }) => (method === DEFLATED ? sum + size : sum), 0);
  if (inflated > maxBytes)
    source.fail(
      `its arrays have ${inflated} bytes when they are inflated`,
      `at most ${maxBytes}; if you trust the file, say { maxBytes: ${inflated} }`,
    );
  let free = 0; // bytes up to here belong to members
  const members: Member[] = [];
  for (const record of [...records].sort((a, b) => a.offset - b.offset)) {
    if (record.offset < free)
      record.fail(`it begins at byte ${record.offset}`, `${free} or later, after another member`);
    const start = await checkLocal(source, record, directory.offset);
    free = start + record.packed;
    members.push({ name: record.name, contents: () => readContents(source, record, start) });
  }
  return members;
}

interface Directory {
  readonly count: number;
  readonly size: number;
  readonly offset: number;
}

/** Finds the directory by the record at the end of the file. */
async function findDirectory({ size, fail, read }: Source): Promise<Directory> {
  const start = Math.max(0, size - END_BYTES - FULL_16); // a comment may come last
  const tail = viewOf(await read(start, size - start));
  let at = tail.byteLength - END_BYTES;
  const isEnd = (): boolean =>
    tail.getUint32(at, true) === END && at + END_BYTES + tail.getUint16(at + 20, true) === tail.byteLength;
  while (at >= 0 && !isEnd()) at--;
  if (at < 0) return fail("it has no directory at its end", "a zip archive");
  let end = start + at;
  const disk = tail.getUint32(at + 4, true);
  let count = tail.getUint16(at + 10, true);
  let bytes = tail.getUint32(at + 12, true);
  let offset = tail.getUint32(at + 16, true);
  const here = tail.getUint16(at + 8, true);
  const locator = end - LOCATOR64_BYTES;
  const place = locator < END64_BYTES ? undefined : viewOf(await read(locator, LOCATOR64_BYTES));
  if (place?.getUint32(0, true) === LOCATOR64) {
    end = longAt(place, 8, fail);
    if (end > locator - END64_BYTES) fail(`its 64-bit directory begins at byte ${end}`, `one before byte ${locator}`);
    const record = viewOf(await read(end, END64_BYTES));
    if (record.getUint32(0, true) !== END64) fail(`there is no 64-bit directory at byte ${end}`, "one");
    [count, bytes, offset] = [longAt(record, 32, fail), longAt(record, 40, fail), longAt(record, 48, fail)];
  } else if (count === FULL_16 || bytes === FULL_32 || offset === FULL_32) {
    fail("it has no 64-bit directory", "one, by its last record");
  } else if (disk !== 0 || here !== count) fail("it is a part of an archive", "a whole one");
  if (offset + bytes !== end)
    fail(`its directory has ${bytes} bytes from byte ${offset} on`, `a directory that ends at byte ${end}`);
  return { count, size: bytes, offset };
}

function readDirectory(bytes: Uint8Array, count: number, failFile: Fail): Entry[] {
  const view = viewOf(bytes);
  const records = new Map<string, Entry>();
  let at = 0;
  while (at < bytes.length) {
    if (at + CENTRAL_BYTES > bytes.length || view.getUint32(at, true) !== CENTRAL)
      failFile(`entry ${records.size} of its directory is broken`, `${count} entries`);
    const [flags, method] = [view.getUint16(at + 8, true), view.getUint16(at + 10, true)];
    const [nameBytes, extraBytes] = [view.getUint16(at + 28, true), view.getUint16(at + 30, true)];
    const next = at + CENTRAL_BYTES + nameBytes + extraBytes + view.getUint16(at + 32, true);
    if (next > bytes.length) failFile(`entry ${records.size} of its directory is cut off`, "a whole one");
    const nameAt = at + CENTRAL_BYTES;
    const name = decodeName(bytes.subarray(nameAt, nameAt + nameBytes), (flags & UTF8) !== 0, failFile);
    const fail: Fail = (seen, wanted) => failFile(`member ${showName(name)}: ${seen}`, wanted);
    if (records.has(name)) fail("it is there twice", "each name once");
    const short = [view.getUint32(at + 24, true), view.getUint32(at + 20, true), view.getUint32(at + 42, true)];
    const extra = bytes.subarray(nameAt + nameBytes, nameAt + nameBytes + extraBytes);
    const [size, packed, offset] = widen(short, extra, fail) as [number, number, number];
    if (flags & ENCRYPTED) fail("it is encrypted", "a member without a password");
    if (method !== STORED && method !== DEFLATED)
      fail(`its compression is method ${method}`, "0 (stored) or 8 (deflate)");
    if (method === STORED ? size !== packed : size > packed * MAX_RATIO)
      fail(`it has ${size} bytes out of ${packed}`, "sizes that its compression can give");
    records.set(name, { name, method, sum: view.getUint32(at + 16, true), packed, size, offset, fail });
    at = next;
  }
  if (records.size !== count)
    failFile(`its directory has ${records.size} entries`, `${count}, as its last record says`);
  return [...records.values()];
}

function decodeName(bytes: Uint8Array, utf8: boolean, fail: Fail): string {
  if (!utf8 && bytes.some((byte) => byte > 127))
    return fail("the name of a member is neither ASCII nor UTF-8", "UTF-8");
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return fail("the name of a member is not UTF-8", "UTF-8");
  }
}

/** Fields that are full are taken from the extension with the id 1, in order. */
function widen(fields: readonly number[], extra: Uint8Array, fail: Fail): number[] {
  if (!fields.includes(FULL_32)) return [...fields];
  const view = viewOf(extra);
  for (let at = 0; at + 4 <= extra.length; at += 4 + view.getUint16(at + 2, true)) {
    if (view.getUint16(at, true) !== 1) continue;
    let from = at + 4;
    const end = Math.min(from + view.getUint16(at + 2, true), extra.length);
    return fields.map((field) => {
      if (field !== FULL_32) return field;
      from += 8;
      return from > end ? fail("its 64-bit sizes are cut off", "all of them") : longAt(view, from - 8, fail);
    });
  }
  return fail("it has no 64-bit sizes", "them, as its sizes are not in its entry");
}

/** Checks the header before a member's bytes, and gives the place where they begin. */
async function checkLocal({ read }: Source, record: Entry, limit: number): Promise<number> {
  const { name, method, packed, offset, fail } = record;
  const wanted = `a member that ends before the directory at byte ${limit}`;
  if (offset + LOCAL_BYTES > limit) fail(`it begins at byte ${offset}`, wanted);
  const header = viewOf(await read(offset, LOCAL_BYTES));
  if (header.getUint32(0, true) !== LOCAL) fail(`there is no member at byte ${offset}`, "one");
  const nameBytes = header.getUint16(26, true);
  const start = offset + LOCAL_BYTES + nameBytes + header.getUint16(28, true);
  if (start + packed > limit) fail(`it ends at byte ${start + packed}`, wanted);
  const localName = Buffer.from(await read(offset + LOCAL_BYTES, nameBytes)).toString();
  if (localName !== name || header.getUint16(8, true) !== method)
    fail(`at its place is ${showName(localName)}, of method ${header.getUint16(8, true)}`, `it, of method ${method}`);
  return start;
}

async function readContents(source: Source, { method, sum, packed, size, fail }: Entry, start: number) {
  const bytes = await source.read(start, packed);
  const contents = method === STORED ? bytes : await inflate(bytes, size, fail);
  const seen = crc32([contents]);
  if (seen !== sum) fail(`its CRC-32 is ${hex(seen)}`, `${hex(sum)}, as the directory says; the file is damaged`);
  return contents;
}

/** With `info`, the engine comes along, which knows how many bytes it read. */
type Inflated = { readonly buffer: Buffer; readonly engine: { readonly bytesWritten: number } };
const inflateWithInfo = promisify(inflateRaw) as unknown as (
  bytes: Uint8Array,
  options: ZlibOptions,
) => Promise<Inflated>;

async function inflate(bytes: Uint8Array, size: number, fail: Fail): Promise<Uint8Array> {
  const chunkSize = Math.min(Math.max(size, 64), 2 ** 20);
  let done: Inflated;
  try {
    done = await inflateWithInfo(bytes, { maxOutputLength: Math.max(size, 1), chunkSize, info: true });
  } catch (error) {
    return fail(`it cannot be inflated: ${(error as Error).message}`, `deflated data of ${size} bytes`);
  }
  const { buffer, engine } = done;
  if (buffer.length !== size || engine.bytesWritten !== bytes.length)
    fail(`${engine.bytesWritten} of its bytes inflate to ${buffer.length}`, `all ${bytes.length}, to ${size}`);
  return buffer;
}

const hex = (sum: number): string => sum.toString(16).padStart(8, "0");
const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function longAt(view: DataView, offset: number, fail: Fail): number {
  const value = view.getBigUint64(offset, true);
  return value > Number.MAX_SAFE_INTEGER ? fail(`a size in it is ${value}`, "fewer than 2^53 bytes") : Number(value);
}

const table = Uint32Array.from({ length: 256 }, (_, i) => {
  let x = i;
  for (let bit = 0; bit < 8; bit++) x = x & 1 ? (x >>> 1) ^ 0xedb88320 : x >>> 1;
  return x;
});

/** CRC-32 of the parts together. Node's own came with 20.15. */
function crc32(parts: readonly Uint8Array[]): number {
  let sum = -1;
  for (const bytes of parts) for (let i = 0; i < bytes.length; i++) sum = table[(sum ^ bytes[i]!) & 255]! ^ (sum >>> 8);
  return ~sum >>> 0;
}

/** What is to become a member. */
export interface NewMember {
  readonly name: string;
  readonly parts: readonly Uint8Array[];
}

const VERSION = 20; // of the format: members may be deflated
const UNIX = 3 << 8; // the system whose permissions are given
const DATE = 0x21; // 1980-01-01, so that the same members give the same bytes
const PERMISSIONS = 0o100644 * 2 ** 16;

/** The parts of an archive. Calls `tooLarge` for what needs the 64-bit extensions. */
export async function zipParts(
  members: readonly NewMember[],
  compress: boolean,
  tooLarge: (seen: string) => never,
): Promise<Uint8Array[]> {
  if (members.length >= FULL_16) tooLarge(`${members.length} tensors given, an archive holds fewer than ${FULL_16}`);
  const out: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let offset = 0;
  const put = (...parts: readonly Uint8Array[]): void => {
    for (const part of parts) offset += part.length;
    if (offset >= FULL_32) tooLarge(`the archive has more than ${FULL_32} bytes`);
    out.push(...parts);
  };
  for (const { name: text, parts } of members) {
    const name = Buffer.from(text);
    if (name.length >= FULL_16) tooLarge(`a name has ${name.length} bytes, an archive takes fewer than ${FULL_16}`);
    const packed = compress ? [await promisify(deflateRaw)(joined(parts))] : parts;
    const central = Buffer.alloc(CENTRAL_BYTES);
    central.writeUInt32LE(CENTRAL, 0);
    central.writeUInt16LE(UNIX | VERSION, 4);
    central.writeUInt16LE(VERSION, 6);
    central.writeUInt16LE(name.length === text.length ? 0 : UTF8, 8);
    central.writeUInt16LE(compress ? DEFLATED : STORED, 10);
    central.writeUInt16LE(DATE, 14);
    central.writeUInt32LE(crc32(parts), 16);
    central.writeUInt32LE(lengthOf(packed), 20);
    central.writeUInt32LE(lengthOf(parts), 24);
    central.writeUInt16LE(name.length, 28);
    central.writeUInt32LE(PERMISSIONS, 38);
    central.writeUInt32LE(offset, 42);
    directory.push(central, name);
    // a local header is a run of the fields of the directory's entry
    const local = Buffer.alloc(LOCAL_BYTES);
    local.writeUInt32LE(LOCAL, 0);
    central.copy(local, 4, 6, 30);
    put(local, name, ...packed);
  }
  const end = Buffer.alloc(END_BYTES);
  end.writeUInt32LE(END, 0);
  end.writeUInt16LE(members.length, 8);
  end.writeUInt16LE(members.length, 10);
  end.writeUInt32LE(lengthOf(directory), 12);
  end.writeUInt32LE(offset, 16);
  put(...directory, end);
  return out;
}

const lengthOf = (parts: readonly Uint8Array[]): number => parts.reduce((sum, { length }) => sum + length, 0);
