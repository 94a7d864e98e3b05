// npz: a zip archive of npy files, one for each array.
import { ValueError } from "../../compiler/core/errors.js";
import { hereText } from "../../compiler/trace/here.js";
import type { Tensor } from "../../compiler/trace/tensor.js";
import { checkOptions } from "../numpy/statistics.js";
import { byName, checkName, collect, type Named, tensorsOf } from "./dictionary.js";
import { npyParts, parseNpy } from "./npy.js";
import { type Fail, type FileSource, isPath, joined, showName, withSource, writeFile } from "./source.js";
import { readZip, zipParts } from "./zip.js";

export interface SaveNpzOptions {
  /** Deflate the arrays, as `numpy.savez_compressed` does; false. */
  readonly compress?: boolean;
}

export interface LoadNpzOptions {
  /** Most bytes that the arrays may have when they are inflated; 2³⁰. */
  readonly maxBytes?: number;
}

const MAX_BYTES = 2 ** 30;
const EXTENSION = ".npy";
const PICKLE_WAY_OUT = "arrays; in Python, save the state_dict by safetensors.torch.save_file";

/**
 * Writes a flat dictionary of tensors to the file `path`, whole or not at all, for `numpy.load`; without a path gives
 * the file's bytes. The same tensors give the same bytes. Throws `ValueError` for anything but tensors by name, or for
 * more than an archive without extensions holds (65,534 tensors, 4 GiB); `FileError` when the file cannot be written.
 */
export function saveNpz(
  path: string | URL,
  tensors: Readonly<Record<string, Tensor>>,
  options?: SaveNpzOptions,
): Promise<void>;
export function saveNpz(tensors: Readonly<Record<string, Tensor>>, options?: SaveNpzOptions): Promise<Uint8Array>;
export async function saveNpz(...args: readonly unknown[]): Promise<unknown> {
  const [path, tensors, options = {}] = isPath(args[0]) ? args : [undefined, ...args];
  checkOptions("saveNpz", options as object, ["compress"]);
  const { compress = false } = options as SaveNpzOptions;
  const entries = await collect("saveNpz", tensors);
  const members = entries.map(({ name, array }) => ({ name: `${name}${EXTENSION}`, parts: npyParts(array) }));
  const parts = await zipParts(members, compress, (seen) => {
    throw new ValueError(`saveNpz: ${seen}\n  use saveSafetensors, which has no such limit${hereText()}`);
  });
  if (path === undefined) return joined(parts);
  await writeFile("saveNpz", path as string | URL, parts);
  return undefined;
}

/**
 * The tensors of a file of `numpy.savez` or `savez_compressed`, or of its bytes, converted as `loadNpy` does. Throws
 * `FileError` for an archive or a member that is not as its format says, and when the members have more than
 * `maxBytes` once they are inflated, which is known before any is; no tensor is made then.
 */
export async function loadNpz(from: FileSource, options: LoadNpzOptions = {}): Promise<Record<string, Tensor>> {
  checkOptions("loadNpz", options, ["maxBytes"]);
  const { maxBytes = MAX_BYTES } = options;
  if (!(typeof maxBytes === "number" && maxBytes >= 0))
    throw new ValueError(`loadNpz: maxBytes is ${String(maxBytes)}, but a number of bytes is wanted${hereText()}`);
  const arrays = await withSource("loadNpz", from, async (source) => {
    const read: Named[] = [];
    for (const { name, contents } of await readZip(source, maxBytes)) {
      const fail: Fail = (seen, wanted) => source.fail(`member ${showName(name)}: ${seen}`, wanted);
      if (name.endsWith("data.pkl")) fail("it is a pickle of PyTorch, which may hold code", PICKLE_WAY_OUT);
      if (!name.endsWith(EXTENSION)) fail("it is no array", `only members that end in ${EXTENSION}`);
      const key = name.slice(0, -EXTENSION.length);
      checkName(key, fail);
      read.push({ name: key, array: parseNpy(await contents(), fail) });
    }
    return read.sort(byName);
  });
  return tensorsOf(arrays);
}
