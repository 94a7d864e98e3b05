// Files that are damaged or meant to do harm: a typed error that names the file, or the same tensors; nothing else.
import { closeSync, ftruncateSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateRawSync } from "node:zlib";
import fc from "fast-check";
import { FileError, files, setDevice, type Tensor, tensor } from "lanewise";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

setDevice("cpu");

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "lanewise-hostile-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function expectRefused(loading: Promise<unknown>, message: RegExp): Promise<void> {
  const error = await loading.then(
    () => "it was loaded",
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(FileError);
  expect((error as Error).message).toMatch(message);
  expect((error as Error).message).toMatch(/\n {2}wanted: .|cannot be read/);
  expect((error as Error).message.length).toBeLessThan(600);
}

/** A safetensors file. */
function safetensors(header: unknown, dataBytes = 0, length?: bigint): Buffer {
  const text = Buffer.isBuffer(header)
    ? header
    : Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const head = Buffer.alloc(8);
  head.writeBigUInt64LE(length ?? BigInt(text.length));
  return Buffer.concat([head, text, Buffer.alloc(dataBytes)]);
}

const entry = (dtype: unknown, shape: unknown, data_offsets: unknown) => ({ dtype, shape, data_offsets });

describe("safetensors", () => {
  const a = '{"dtype":"F32","shape":[1],"data_offsets":[0,4]}';
  test.each<[string, Buffer, RegExp]>([
    ["nothing", Buffer.alloc(0), /loadSafetensors\(bytes\): it has 0 bytes/],
    ["half a length", Buffer.alloc(7), /it has 7 bytes/],
    ["a header longer than the file", safetensors("{}", 0, 3n), /length is 3, but 2 bytes follow/],
    ["a header of 2^64 - 1 bytes", safetensors("{}", 0, 2n ** 64n - 1n), /length is 18446744073709551615/],
    ["a header of 100 MB and a byte", safetensors("{}", 0, 100_000_001n), /at most 100000000 bytes/],
    ["an empty header", safetensors(""), /not JSON: the end at character 0/],
    ["text behind the header", safetensors("{} {}"), /"\{\}" at character 3/],
    ["a header that is a list", safetensors("[]"), /the header is no object/],
    ["bytes that are not UTF-8", safetensors(Buffer.from([0x7b, 0xff, 0x7d])), /not UTF-8/],
    ["a byte order mark", safetensors("\ufeff{}"), /not JSON/],
    ["a deep nest", safetensors("[".repeat(1_000_000)), /nested more than 4 levels/],
    ["a deep nest of objects", safetensors('{"a":'.repeat(1_000_000)), /nested more than 4 levels/],
    ["three million values", safetensors(`{"a":[${"0,".repeat(3_000_000)}0]}`), /more than 2000000 values/],
    ["a long number", safetensors(`{"a":${"9".repeat(1_000_000)}}`), /at character 29/],
    ["an open string", safetensors(`{"${'\\"'.repeat(500_000)}`), /a closing "/],
    ["a broken escape", safetensors('{"\\x":1}'), /JSON's escapes/],
    ["a bare control character", safetensors('{"\n":1}'), /JSON's escapes/],
    ["a comma too many", safetensors(`{"a":${a},}`, 4), /wanted: a name in quotes/],
    ["a comma too few", safetensors(`{"a":${a} "b":${a}}`, 4), /wanted: "," or "\}"/],
    ["a comma alone", safetensors("{,}"), /a name in quotes/],
    ["no colon", safetensors(`{"a" ${a}}`, 4), /wanted: ":"/],
    ["a name without quotes", safetensors(`{a:${a}}`, 4), /a name in quotes/],
    ["a name twice", safetensors(`{"a":${a},"\\u0061":${a}}`, 4), /the name "a" twice/],
    ["a field twice", safetensors(a.replace("{", '{"a":{"dtype":"I32",').concat("}"), 4), /the name "dtype" twice/],
    ["a name of all objects", safetensors(`{"__proto__":${a}}`, 4), /called __proto__/],
    ["metadata with a name of all objects", safetensors('{"__metadata__":{"__proto__":"x"}}'), /called __proto__/],
    ["metadata that is no text", safetensors('{"__metadata__":{"x":1}}'), /metadata "x" is no text/],
    ["metadata that is no object", safetensors('{"__metadata__":"x"}'), /__metadata__ is no object/],
    ["an entry that is no object", safetensors('{"a":3}'), /tensor "a": its entry is no object/],
    ["an unknown field", safetensors({ a: { ...JSON.parse(a), x: 1 } }, 4), /its entry has "x"/],
    ["no dtype", safetensors({ a: { shape: [1], data_offsets: [0, 4] } }, 4), /its dtype is no text/],
    [
      "an unknown dtype",
      safetensors({ a: entry("F8_E4M3", [4], [0, 4]) }, 4),
      /"F8_E4M3"\n {2}wanted: one of BOOL, U8/,
    ],
    ["a small dtype", safetensors({ a: entry("f32", [1], [0, 4]) }, 4), /its dtype is "f32"/],
    ["a shape that is no list", safetensors({ a: entry("F32", 1, [0, 4]) }, 4), /its shape is no list/],
    ["a negative size", safetensors({ a: entry("F32", [-1, -1], [0, 4]) }, 4), /the size -1/],
    ["half a size", safetensors('{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,6]}}', 6), /not JSON: "1.5/],
    ["a size in words", safetensors({ a: entry("F32", ["1"], [0, 4]) }, 4), /the size 1\n/],
    ["a size beyond i32", safetensors({ a: entry("F32", [2 ** 31, 0], [0, 0]) }), /the size 2147483648/],
    ["sizes whose product is 2^64", safetensors({ a: entry("F32", [2 ** 30, 2 ** 30, 16], [0, 0]) }), /too large/],
    [
      "a huge array of nothing",
      safetensors({ a: entry("F32", Array(63).fill(2147483647).concat(0), [0, 0]) }),
      /too large/,
    ],
    ["65 axes", safetensors({ a: entry("F32", Array(65).fill(1), [0, 4]) }, 4), /65 axes/],
    ["a shape that asks for more", safetensors({ a: entry("F32", [2], [0, 4]) }, 4), /it has 4 bytes\n {2}wanted: 8/],
    ["a shape that asks for less", safetensors({ a: entry("U8", [2], [0, 4]) }, 4), /it has 4 bytes\n {2}wanted: 2/],
    ["a scalar of no bytes", safetensors({ a: entry("F32", [], [0, 0]) }), /wanted: 4/],
    ["one offset", safetensors({ a: entry("F32", [1], [0]) }, 4), /no pair/],
    ["an offset below 0", safetensors({ a: entry("F32", [1], [-4, 0]) }, 4), /no pair/],
    [
      "offsets beyond 2^53",
      safetensors('{"a":{"dtype":"U8","shape":[1],"data_offsets":[9007199254740993,9007199254740994]}}'),
      /no pair/,
    ],
    ["an end before the begin", safetensors({ a: entry("F32", [1], [4, 0]) }, 4), /\[4, 0\]/],
    ["offsets behind the file", safetensors({ a: entry("F32", [2], [0, 8]) }, 4), /end at byte \d+, the file at/],
    ["bytes that nobody names", safetensors({ a: entry("F32", [1], [0, 4]) }, 8), /tensors that fill the file/],
    [
      "a hole",
      safetensors({ a: entry("F32", [1], [0, 4]), b: entry("F32", [1], [8, 12]) }, 12),
      /tensor "b": it begins at/,
    ],
    [
      "an overlap",
      safetensors({ a: entry("F32", [2], [0, 8]), b: entry("F32", [2], [4, 12]) }, 12),
      /tensor "b": it begins at/,
    ],
    [
      "two for the same bytes",
      safetensors({ a: entry("F32", [1], [0, 4]), b: entry("F32", [1], [0, 4]) }, 4),
      /"b": it begins/,
    ],
  ])("%s", async (_, bytes, message) => expectRefused(files.loadSafetensors(bytes), message));

  test("a long name is cut in the message", () =>
    expectRefused(files.loadSafetensors(safetensors({ ["x".repeat(100_000)]: 1 })), /tensor "x{80}…": its entry/));

  test("the order of the header is free, and spaces behind it are", async () => {
    const bytes = safetensors(`${JSON.stringify({ b: entry("U8", [1], [4, 5]), a: entry("F32", [1], [0, 4]) })}   `, 5);
    expect(Object.keys(await files.loadSafetensors(bytes))).toEqual(["a", "b"]);
  });

  test.each<[string, string, (data: DataView) => void, RegExp]>([
    [
      "an I64 that i32 cannot hold",
      "I64",
      (data) => data.setBigInt64(0, 2n ** 31n, true),
      /tensor "a": element 0 is 2147483648\n.*i32/,
    ],
    ["the least I64", "I64", (data) => data.setBigInt64(0, -(2n ** 63n), true), /is -9223372036854775808/],
    ["an I64 beyond 2^53", "I64", (data) => data.setBigInt64(0, 2n ** 53n + 1n, true), /is 9007199254740993/],
    ["a U64 that u32 cannot hold", "U64", (data) => data.setBigUint64(0, 2n ** 32n, true), /is 4294967296\n.*u32/],
    ["an F64 that f32 cannot hold", "F64", (data) => data.setFloat64(0, -1e39, true), /is -1e\+39\n.*f32/],
  ])("%s", async (_, dtype, write, message) => {
    const bytes = safetensors({ a: entry(dtype, [1], [0, 8]) }, 8);
    write(new DataView(bytes.buffer, bytes.byteOffset + bytes.length - 8, 8));
    await expectRefused(files.loadSafetensors(bytes), message);
  });

  test("a bool that is 2", async () => {
    const bytes = safetensors({ a: entry("BOOL", [3], [0, 3]) }, 3);
    bytes[bytes.length - 1] = 2;
    await expectRefused(files.loadSafetensors(bytes), /tensor "a": element 2 is 2\n {2}wanted: 0 or 1/);
  });

  test("what is no file, or is none of ours", async () => {
    await expectRefused(files.loadSafetensors("/dev/zero"), /zero: cannot be read: it is not a file/);
    await expectRefused(files.loadSafetensors(folder), /cannot be read: it is not a file/);
    await expectRefused(files.loadNpz(join(folder, "missing.npz")), /missing\.npz: cannot be read: ENOENT/);
    const path = join(folder, "text.safetensors");
    writeFileSync(path, "no weights at all");
    await expectRefused(files.loadSafetensors(path), /text\.safetensors: the header's length is \d+/);
  });

  test("a file whose claims are huge costs nothing", async () => {
    const path = join(folder, "sparse.safetensors");
    writeFileSync(path, safetensors(`{"a":{"dtype":"U8","shape":[2147483647],"data_offsets":[0,2147483646]}}`));
    const file = openSync(path, "r+");
    ftruncateSync(file, 2 ** 40);
    closeSync(file);
    await expectRefused(files.loadSafetensors(path), /tensor "a": it has 2147483646 bytes/);
  });
});

/** An npy file. */
function npy(header: string, dataBytes = 0, { version = 1, length = header.length } = {}): Buffer {
  const head = Buffer.alloc(version === 1 ? 10 : 12);
  head.write("\x93NUMPY", "latin1");
  head[6] = version;
  if (version === 1) head.writeUInt16LE(length, 8);
  else head.writeUInt32LE(length, 8);
  return Buffer.concat([head, Buffer.from(header, "latin1"), Buffer.alloc(dataBytes)]);
}

describe("npy", () => {
  const header = (descr: string, shape: string, order = "False") =>
    `{'descr': ${descr}, 'fortran_order': ${order}, 'shape': ${shape}, }\n`;

  test.each<[string, Buffer, RegExp]>([
    ["nothing", Buffer.alloc(0), /loadNpy\(bytes\): it has 0 bytes/],
    ["another format", Buffer.from("PK\x03\x04 and so on and on"), /begins with the bytes 504b0304/],
    ["version 4", npy(header("'<f4'", "()"), 4, { version: 4 }), /its version is 4\.0/],
    ["a header longer than the file", npy("{}", 4, { length: 500 }), /length is 500, but 6 bytes follow/],
    ["a header of 4 GB", npy("{}", 4, { version: 2, length: 2 ** 32 - 1 }), /at most 65536 bytes/],
    ["code", npy("__import__('os').system('true')\n"), /not a Python literal: "__import__\('" at character 0/],
    ["a call within", npy(header("'<f4'", "tuple([1])"), 4), /not a Python literal: "tuple/],
    ["a sum", npy(header("'<f4'", "(1+1,)"), 8), /not a Python literal: "\+1,\)/],
    ["a power", npy(header("'<f4'", "(9**9**9,)"), 8), /not a Python literal/],
    ["two strings in a row", npy(header("'<' 'f4'", "(1,)"), 4), /not a Python literal/],
    ["an escape", npy(header("'\\x3cf4'", "(1,)"), 4), /a string without escapes/],
    ["a deep nest", npy("(".repeat(60_000)), /nested more than 4/],
    ["a key twice", npy(header("'<f4', 'descr': '<f4'", "(1,)"), 4), /the name "descr" twice/],
    ["a key too few", npy("{'descr': '<f4', 'shape': (1,)}", 4), /its header has "descr, shape"/],
    ["a key too many", npy(header("'<f4', '__proto__': 1", "(1,)"), 4), /__proto__, descr/],
    ["no dict", npy("(1, 2)"), /no dict/],
    ["a number as a key", npy("{1: 2}", 4), /a name in quotes/],
    ["an order in words", npy(header("'<f4'", "(1,)", "'no'"), 4), /fortran_order is no bool/],
    ["an order as a number", npy(header("'<f4'", "(1,)", "1"), 4), /fortran_order is no bool/],
    ["a shape in parentheses", npy(header("'<f4'", "(1)"), 4), /a comma in a tuple of one/],
    ["a shape without", npy(header("'<f4'", "1"), 4), /its shape is no list/],
    ["a negative size", npy(header("'<f4'", "(-1,)"), 4), /the size -1/],
    ["a bool as a size", npy(header("'<f4'", "(True,)"), 4), /the size true/],
    ["a size of 20 digits", npy(header("'<f4'", "(18446744073709551616,)"), 4), /the size 18446744073709552000/],
    ["a product that overflows", npy(header("'<f4'", "(2147483647, 2147483647, 4)"), 4), /too large/],
    ["text", npy(header("'<U4'", "(1,)"), 16), /its dtype is "<U4"/],
    ["objects of either order", npy(header("'|O'", "(1,)"), 8), /Python objects/],
    ["f4 of no order", npy(header("'|f4'", "(1,)"), 4), /its dtype is "\|f4"/],
    ["a float of one byte", npy(header("'<f1'", "(1,)"), 1), /its dtype is "<f1"/],
    ["a bool of four bytes", npy(header("'<b4'", "(1,)"), 4), /its dtype is "<b4"/],
    ["a null", npy(header("None", "(1,)"), 4), /its dtype has fields/],
    ["too few elements", npy(header("'<f4'", "(2,)"), 4), /it has 4 bytes\n {2}wanted: 8/],
    ["too many", npy(header("'<f4'", "(2,)"), 12), /it has 12 bytes\n {2}wanted: 8/],
  ])("%s", async (_, bytes, message) => expectRefused(files.loadNpy(bytes), message));
});

const contents = () => ({
  b: tensor([
    [1, 2],
    [3, 4],
  ]),
  a: tensor([5, -6], { dtype: "i32" }),
});
const equalTo = async (tensors: Record<string, Tensor>) =>
  Promise.all(Object.entries(tensors).map(async ([name, x]) => [name, x.dtype, x.shape, await x.toArray()]));

describe("npz", () => {
  // where the fields of the first member lie; "a" comes first
  const central = (bytes: Buffer) => bytes.indexOf("PK\x01\x02");
  const end = (bytes: Buffer) => bytes.lastIndexOf("PK\x05\x06");
  type Change = (bytes: Buffer) => unknown;

  test.each<[string, Change, RegExp]>([
    ["nothing", () => Buffer.alloc(0), /loadNpz\(bytes\): it has no directory at its end/],
    ["no directory", (bytes) => bytes.subarray(0, -1), /no directory at its end/],
    ["bytes behind the end", (bytes) => Buffer.concat([bytes, Buffer.alloc(3)]), /no directory at its end/],
    [
      "bytes before the first member",
      (bytes) => Buffer.concat([Buffer.alloc(3), bytes]),
      /a directory that ends at byte/,
    ],
    [
      "a damaged element",
      (bytes) => bytes.writeUInt8(bytes[central(bytes) - 1]! ^ 1, central(bytes) - 1),
      /member "b\.npy": its CRC-32 is/,
    ],
    [
      "a wrong sum",
      (bytes) => bytes.writeUInt32LE(1, central(bytes) + 16),
      /member "a\.npy": its CRC-32.*\n.*00000001/,
    ],
    ["a part of an archive", (bytes) => bytes.writeUInt16LE(1, end(bytes) + 4), /part of an archive/],
    [
      "more members than it has",
      (bytes) => bytes.fill("\x03\0\x03\0", end(bytes) + 8, end(bytes) + 12),
      /has 2 entries/,
    ],
    ["a directory outside", (bytes) => bytes.writeUInt32LE(2 ** 31, end(bytes) + 16), /a directory that ends at/],
    ["no 64-bit directory", (bytes) => bytes.writeUInt32LE(2 ** 32 - 1, end(bytes) + 16), /no 64-bit directory/],
    ["a broken entry", (bytes) => bytes.writeUInt8(0, central(bytes)), /entry 0 of its directory is broken/],
    ["an entry beyond the directory", (bytes) => bytes.writeUInt16LE(60_000, central(bytes) + 32), /is cut off/],
    ["encryption", (bytes) => bytes.writeUInt16LE(1, central(bytes) + 8), /it is encrypted/],
    ["an unknown method", (bytes) => bytes.writeUInt16LE(93, central(bytes) + 10), /method 93/],
    ["a stored size that differs", (bytes) => bytes.writeUInt32LE(9, central(bytes) + 24), /9 bytes out of/],
    ["no 64-bit size", (bytes) => bytes.writeUInt32LE(2 ** 32 - 1, central(bytes) + 24), /no 64-bit sizes/],
    ["a place outside", (bytes) => bytes.writeUInt32LE(2 ** 30, central(bytes) + 42), /it begins at byte 1073741824/],
    ["a place without a member", (bytes) => bytes.writeUInt32LE(1, central(bytes) + 42), /no member at byte 1/],
    ["another name at its place", (bytes) => bytes.write("c", 30), /at its place is "c\.npy"/],
    ["a name twice", (bytes) => bytes.write("a", bytes.lastIndexOf("b.npy")), /member "a\.npy": it is there twice/],
    [
      "a member that is no array",
      (bytes) => bytes.fill("a.txt", 30, 35) && bytes.fill("a.txt", central(bytes) + 46, central(bytes) + 51),
      /member "a\.txt": it is no array/,
    ],
    ["a name that is not UTF-8", (bytes) => bytes.writeUInt8(0xff, central(bytes) + 46), /neither ASCII nor UTF-8/],
    [
      "two members at one place",
      (bytes) => {
        const second = bytes.indexOf("PK\x01\x02", central(bytes) + 1);
        bytes.copy(bytes, second + 16, central(bytes) + 16, central(bytes) + 28);
        bytes.writeUInt32LE(0, second + 42);
      },
      /member "b\.npy": it begins at byte 0/,
    ],
  ])("%s", async (_, change, message) => {
    const bytes = Buffer.from(await files.saveNpz(contents()));
    const changed = change(bytes);
    await expectRefused(files.loadNpz(Buffer.isBuffer(changed) && !changed.equals(bytes) ? changed : bytes), message);
  });

  test("paths in names are only names", async () => {
    const bytes = await files.saveNpz({ "../../etc/x": tensor([1]), "/y": tensor([2]) });
    expect(Object.keys(await files.loadNpz(bytes))).toEqual(["../../etc/x", "/y"]);
  });

  test("a comment at the end is no harm", async () => {
    const bytes = Buffer.concat([await files.saveNpz(contents()), Buffer.from("PK\x05\x06 comment")]);
    bytes.writeUInt16LE(12, end(bytes.subarray(0, -12)) + 20);
    expect(await equalTo(await files.loadNpz(bytes))).toEqual(await equalTo({ a: contents().a, b: contents().b }));
  });

  /** One deflated member, of which the archive says what it is told to. */
  async function deflated(data: Uint8Array, size: number): Promise<Buffer> {
    const bytes = Buffer.from(await files.saveNpz({ a: tensor(1) }));
    const entry = Buffer.from(bytes.subarray(central(bytes), end(bytes)));
    entry.writeUInt16LE(8, 10);
    entry.writeUInt32LE(data.length, 20);
    entry.writeUInt32LE(size, 24);
    const local = Buffer.from(bytes.subarray(0, 35));
    entry.copy(local, 4, 6, 30);
    const last = Buffer.from(bytes.subarray(end(bytes)));
    last.writeUInt32LE(local.length + data.length, 16);
    return Buffer.concat([local, data, entry, last]);
  }

  test("a member that inflates to more than it says", async () => {
    const bomb = deflateRawSync(Buffer.alloc(100_000_000));
    await expectRefused(files.loadNpz(await deflated(bomb, 1000)), /member "a\.npy": it cannot be inflated/);
    await expectRefused(files.loadNpz(await deflated(bomb, 2 ** 31)), /sizes that its compression can give/);
  });

  test("a member that inflates to less, has bytes left over, or is no deflated data", async () => {
    const data = deflateRawSync(Buffer.alloc(500));
    await expectRefused(files.loadNpz(await deflated(data, 501)), /inflate to 500\n/);
    await expectRefused(
      files.loadNpz(await deflated(Buffer.concat([data, Buffer.of(0)]), 500)),
      /of its bytes inflate/,
    );
    await expectRefused(files.loadNpz(await deflated(data.subarray(0, -1), 500)), /cannot be inflated/);
    await expectRefused(files.loadNpz(await deflated(Buffer.alloc(40, 0xff), 500)), /cannot be inflated/);
  });

  test("a bomb that is honest stops at the limit, before it is inflated", async () => {
    const bytes = await deflated(Buffer.alloc(3_000_000), 2 ** 31);
    await expectRefused(
      files.loadNpz(bytes),
      /2147483648 bytes when they are inflated\n.*at most 1073741824.*maxBytes: 2147483648/,
    );
    const small = await files.saveNpz(contents(), { compress: true });
    await expectRefused(files.loadNpz(small, { maxBytes: 100 }), /at most 100/);
  });
});

describe("changed at random", () => {
  const golden = (name: string) => readFileSync(new URL(`../files/${name}`, import.meta.url));
  const mutation = fc.record({ at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), byte: fc.nat(255) });

  /** Loads it, or gives undefined where it is refused as it should be. */
  async function loaded(load: () => Promise<Record<string, Tensor>>): Promise<unknown> {
    try {
      return await equalTo(await load());
    } catch (error) {
      if (error instanceof FileError) return undefined;
      throw error;
    }
  }

  const kinds: [string, (bytes: Uint8Array) => Promise<Record<string, Tensor>>][] = [
    ["ours.npz", files.loadNpz],
    ["zip64.npz", files.loadNpz],
    ["compressed.npz", files.loadNpz],
    ["others.safetensors", files.loadSafetensors],
    ["fortran.npy", async (bytes) => ({ x: await files.loadNpy(bytes) })],
  ];

  test.each(kinds)("%s, cut off anywhere", async (name, load) => {
    const bytes = golden(name);
    for (let n = 0; n < bytes.length; n += 1 + (n % 3)) await expectRefused(load(bytes.subarray(0, n)), /./);
  });

  test.each(kinds)("%s, bytes changed", async (name, load) => {
    const bytes = golden(name);
    const before = await loaded(() => load(bytes));
    await fc.assert(
      fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 3 }), async (mutations) => {
        const changed = Buffer.from(bytes);
        for (const { at, byte } of mutations) changed[Math.floor(at * bytes.length)] = byte;
        const after = await loaded(() => load(changed));
        // only npz has sums, by which a changed element is found
        if (after !== undefined && name.endsWith(".npz")) expect(after).toEqual(before);
      }),
      { numRuns: 400 },
    );
  });

  test.each(kinds)("%s, parts moved", async (name, load) => {
    const bytes = golden(name);
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length), fc.nat(bytes.length), fc.nat(40), async (from, to, count) => {
        const part = bytes.subarray(from, from + count);
        const changed = Buffer.concat([bytes.subarray(0, to), part, bytes.subarray(to)]);
        await loaded(() => load(changed));
      }),
      { numRuns: 200 },
    );
  });
});
