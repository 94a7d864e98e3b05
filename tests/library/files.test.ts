// Weights in files: what NumPy and the safetensors package wrote is read, and written in the same bytes.
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import fc from "fast-check";
import { type DType, FileError, files, setDevice, type Tensor, tensor, ValueError, vmap, where, zeros } from "lanewise";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { gpuTest } from "../support/gpu.js";

setDevice("cpu");

const golden = new URL("../files/", import.meta.url);
const bytesOf = (name: string): Uint8Array => readFileSync(new URL(name, golden));

interface Held {
  readonly dtype: DType;
  readonly shape: number[];
  readonly data: readonly (number | boolean | string)[];
}
const lines = readFileSync(new URL("golden.jsonl", golden), "utf8").trim().split("\n");
const cases = lines.map((line) => JSON.parse(line) as { file: string; holds: Held | Record<string, Held> });

const numbers = (data: Held["data"]): number[] => data.map(Number);
const plain = async (x: Tensor) => ({ dtype: x.dtype, shape: [...x.shape], data: Array.from(await x.data()) });
const plainAll = async (tensors: Record<string, Tensor>) =>
  Object.fromEntries(await Promise.all(Object.entries(tensors).map(async ([name, x]) => [name, await plain(x)])));
const wanted = (held: Held) => ({ ...held, data: numbers(held.data) });
const wantedAll = (all: Record<string, Held>) =>
  Object.fromEntries(Object.entries(all).map(([name, held]) => [name, wanted(held)]));

const load = (file: string, from: files.FileSource) =>
  file.endsWith(".npz") ? files.loadNpz(from) : files.loadSafetensors(from);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "lanewise-files-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("files of NumPy and of the safetensors package", () => {
  test.each(cases.filter(({ file }) => file.endsWith(".npy")))("$file", async ({ file, holds }) => {
    expect(await plain(await files.loadNpy(new URL(file, golden)))).toEqual(wanted(holds as Held));
    expect(await plain(await files.loadNpy(bytesOf(file)))).toEqual(wanted(holds as Held));
  });

  test.each(cases.filter(({ file }) => !file.endsWith(".npy")))("$file", async ({ file, holds }) => {
    const all = wantedAll(holds as Record<string, Held>);
    expect(await plainAll(await load(file, new URL(file, golden)))).toEqual(all);
    expect(await plainAll(await load(file, bytesOf(file)))).toEqual(all);
  });

  test("are written in the same bytes", async () => {
    const tensors = await files.loadSafetensors(bytesOf("ours.safetensors"));
    const written = await files.saveSafetensors(tensors, { metadata: { format: "pt" } });
    expect(Buffer.from(written)).toEqual(bytesOf("ours.safetensors"));
    for (const file of ["weight.npy", "scalar.npy"])
      expect(Buffer.from(await files.saveNpy(await files.loadNpy(bytesOf(file))))).toEqual(bytesOf(file));
  });

  test("keep texts beside the tensors", async () => {
    expect(await files.loadSafetensorsMetadata(bytesOf("ours.safetensors"))).toEqual({ format: "pt" });
    expect(await files.loadSafetensorsMetadata(bytesOf("others.safetensors"))).toEqual({});
  });

  test.each([
    ["objects.npy", /objects\.npy: it holds Python objects.*\n {2}wanted: .*astype/],
    ["fields.npy", /fields\.npy: its dtype has fields/],
    ["complex.npy", /complex\.npy: its dtype is "<c8"/],
  ])("%s is refused", async (file, message) => {
    const error = await files.loadNpy(new URL(file, golden)).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(FileError);
    expect((error as Error).message).toMatch(message);
  });
});

const state = () => ({
  w: tensor([
    [1, -0, Number.NaN],
    [Number.POSITIVE_INFINITY, 1e-45, 3],
  ]),
  b: tensor([true, false]),
  "10": tensor([7, -7], { dtype: "i32" }),
  "2": tensor(4294967295, { dtype: "u32" }),
  constructor: zeros([2, 0]),
});

describe("round trips", () => {
  const shape = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 });
  const array = fc.record({ dtype: fc.constantFrom<DType>("f32", "i32", "u32", "bool"), shape }).chain((type) => {
    const size = type.shape.reduce((a, b) => a * b, 1);
    const element = {
      f32: fc.float(),
      i32: fc.integer(),
      u32: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      bool: fc.integer({ min: 0, max: 1 }),
    }[type.dtype];
    return fc.record({
      dtype: fc.constant(type.dtype),
      shape: fc.constant(type.shape),
      data: fc.array(element, { minLength: size, maxLength: size }),
    });
  });
  const text = fc.string({ unit: "grapheme" }).filter((name) => name !== "__proto__");
  const dictionary = fc.dictionary(text, array, { maxKeys: 5, noNullPrototype: true });

  test("any dictionary of tensors comes back the same, and gives the same bytes in any order", async () => {
    await fc.assert(
      fc.asyncProperty(dictionary, fc.dictionary(text, text, { maxKeys: 3 }), async (arrays, metadata) => {
        const make = (entries: [string, { dtype: DType; shape: number[]; data: number[] }][]) =>
          Object.fromEntries(
            entries.map(([name, { dtype, shape, data }]) => [
              name,
              tensor(new Float64Array(data), { dtype }).reshape(shape),
            ]),
          );
        const tensors = make(Object.entries(arrays));
        const turned = make(Object.entries(arrays).reverse());
        const written = await Promise.all([
          files.saveSafetensors(tensors, { metadata }),
          files.saveNpz(tensors),
          files.saveNpz(tensors, { compress: true }),
        ]);
        expect(await Promise.all([files.saveSafetensors(turned, { metadata }), files.saveNpz(turned)])).toEqual(
          written.slice(0, 2),
        );
        expect(await plainAll(await files.loadSafetensors(written[0]))).toEqual(arrays);
        expect(await files.loadSafetensorsMetadata(written[0])).toEqual({ ...metadata });
        for (const bytes of written.slice(1)) expect(await plainAll(await files.loadNpz(bytes))).toEqual(arrays);
        for (const [name, x] of Object.entries(tensors))
          expect(await plain(await files.loadNpy(await files.saveNpy(x)))).toEqual(arrays[name]);
      }),
      { numRuns: 60 },
    );
  });

  test("go by files, named by paths or URLs", async () => {
    const all = await plainAll(state());
    const path = join(folder, "state.safetensors");
    await files.saveSafetensors(path, state(), { metadata: { epoch: "3" } });
    expect(await plainAll(await files.loadSafetensors(path))).toEqual(all);
    const url = pathToFileURL(join(folder, "state.npz"));
    await files.saveNpz(url, state(), { compress: true });
    expect(await plainAll(await files.loadNpz(url))).toEqual(all);
    await files.saveNpy(join(folder, "w.npy"), state().w);
    expect(await plain(await files.loadNpy(join(folder, "w.npy")))).toEqual(all.w);
    expect(readdirSync(folder).sort()).toEqual(["state.npz", "state.safetensors", "w.npy"]);
  });

  test("elements begin at multiples of their size", async () => {
    const bytes = Buffer.from(await files.saveSafetensors({ a: tensor(true), b: tensor(1), "": tensor([2]) }));
    const start = 8 + Number(bytes.readBigUInt64LE());
    expect(start % 8).toBe(0);
    expect(JSON.parse(bytes.toString("utf8", 8, start))).toMatchObject({
      "": { data_offsets: [0, 4] },
      b: { data_offsets: [4, 8] },
      a: { data_offsets: [8, 9] },
    });
  });
});

describe("writing", () => {
  test("keeps the old file until the new one is whole, and leaves nothing behind", async () => {
    const inside = mkdtempSync(join(folder, "writing-"));
    const path = join(inside, "kept.npz");
    await files.saveNpz(path, state());
    const before = readFileSync(path);
    const disposed = tensor([1]);
    disposed.dispose();
    await expect(files.saveNpz(path, { ...state(), disposed })).rejects.toThrow("was disposed");
    expect(readFileSync(path)).toEqual(before);
    await expect(files.saveNpz(inside, state())).rejects.toThrow(FileError); // a folder cannot be replaced
    await expect(files.saveNpz(join(inside, "missing", "x.npz"), state())).rejects.toThrow(/x\.npz: cannot be written/);
    expect(readdirSync(inside)).toEqual(["kept.npz"]);
  });

  test("keeps the permissions of the file it replaces", async () => {
    const path = join(folder, "private.npy");
    writeFileSync(path, "", { mode: 0o600 });
    await files.saveNpy(path, zeros([1]));
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test("follows a link", async () => {
    const inside = mkdtempSync(join(folder, "link-"));
    writeFileSync(join(inside, "real.npz"), "old");
    symlinkSync("real.npz", join(inside, "link.npz"));
    await files.saveNpz(join(inside, "link.npz"), state());
    expect(Object.keys(await files.loadNpz(join(inside, "real.npz")))).toHaveLength(5);
    expect(readdirSync(inside, { withFileTypes: true }).map((entry) => entry.isSymbolicLink())).toEqual([true, false]);
  });

  test.each<[string, () => Promise<unknown>, RegExp]>([
    [
      "a nested dictionary",
      () => files.saveNpz({ a: { b: zeros(1) } } as never),
      /saveNpz: "a" is an object, but a Tensor/,
    ],
    ["a list", () => files.saveSafetensors([zeros(1)] as never), /a Array given, but a flat dictionary of tensors/],
    ["a number", () => files.saveNpy(3 as never), /saveNpy: the value is number, but a Tensor/],
    ["a map", () => files.saveNpz("x.npz", new Map() as never), /a Map given/],
    ["an own __proto__", () => files.saveNpz(JSON.parse('{"__proto__": 1}')), /"__proto__" cannot be a name/],
    ["half a character", () => files.saveNpz({ "\ud800": zeros(1) }), /cannot be a name/],
    ["the header's name", () => files.saveSafetensors({ __metadata__: zeros(1) }), /cannot be called __metadata__/],
    ["metadata that is no text", () => files.saveSafetensors({}, { metadata: { a: 1 as never } }), /"a" is no text/],
    ["an unknown option", () => files.saveNpz({}, { compressed: true } as never), /no option 'compressed'/],
    ["a long name", () => files.saveNpz({ ["x".repeat(65_535)]: zeros(1) }), /65539 bytes.*\n {2}use saveSafetensors/],
    ["shared memory", () => files.loadNpy(new Uint8Array(new SharedArrayBuffer(8))), /shared memory/],
    ["no path", () => files.loadNpz(3 as never), /loadNpz: number given, but the path of a file or a Uint8Array/],
    [
      "a web address",
      () => files.loadNpz(new URL("https://example.org/x.npz")),
      /"https:.*given, but the path of a file/,
    ],
    ["a limit that is none", () => files.loadNpz("x.npz", { maxBytes: Number.NaN }), /maxBytes is NaN/],
  ])("refuses %s", async (_, call, message) => {
    const error = await call().catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ValueError);
    expect((error as Error).message).toMatch(message);
  });

  test("refuses a traced tensor", async () => {
    let saved: Promise<unknown> | undefined;
    const save = (x: Tensor): Tensor => {
      saved = files.saveNpz({ x });
      saved.catch(() => {});
      return x;
    };
    vmap(save, { frontend: "trace" })(zeros([2]));
    await expect(saved).rejects.toThrow("only known when the kernel runs");
  });
});

gpuTest("tensors of a GPU are saved as those of the CPU, and loaded to it", async () => {
  const computed = () => ({ sums: tensor([[1, 2]]).add(tensor([3, 4])), above: tensor([1, 2]).gt(1) });
  const bytes = await Promise.all([files.saveSafetensors(computed()), files.saveNpz(computed())]);
  setDevice("gpu");
  try {
    expect(await Promise.all([files.saveSafetensors(computed()), files.saveNpz(computed())])).toEqual(bytes);
    for (const { sums, above } of [await files.loadSafetensors(bytes[0]!), await files.loadNpz(bytes[1]!)])
      expect(await where(above!, sums!, -1).toArray()).toEqual([[-1, 6]]);
  } finally {
    setDevice("cpu");
  }
});
