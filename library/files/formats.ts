// Dictionaries of tensors in files of either format: by the name of the file, or by what is in it.
import { extname } from "node:path";
import { ValueError } from "../../compiler/core/errors.js";
import { hereText } from "../../compiler/trace/here.js";
import type { Tensor } from "../../compiler/trace/tensor.js";
import { loadNpz, saveNpz } from "./npz.js";
import { loadSafetensors, saveSafetensors } from "./safetensors.js";
import { type FileSource, isPath, withSource } from "./source.js";

/**
 * Writes a flat dictionary of tensors to a file, whole or not at all: as `saveSafetensors` where its name ends in
 * ".safetensors", as `saveNpz` where it ends in ".npz". Throws `ValueError` for other names, and as these do.
 */
export async function save(path: string | URL, tensors: Readonly<Record<string, Tensor>>): Promise<void> {
  const extension = isPath(path) ? extname(path instanceof URL ? path.pathname : path).toLowerCase() : "";
  if (extension === ".safetensors") return saveSafetensors(path, tensors);
  if (extension === ".npz") return saveNpz(path, tensors);
  const seen = isPath(path) ? JSON.stringify(String(path)) : path === null ? "null" : typeof path;
  throw new ValueError(
    `save: ${seen} given, but the path of a file that ends in .safetensors or .npz is wanted${hereText()}`,
  );
}

const isZip = (start: Uint8Array): boolean => start[0] === 0x50 && start[1] === 0x4b; // "PK"

/** Of the header's length; a safetensors header behind it begins with "{". */
const START_BYTES = 9;

/**
 * The tensors of a file, or of its bytes, as `loadNpz` reads them where it is a zip archive and `loadSafetensors`
 * otherwise. Throws as these do; an npy file is refused.
 */
export async function load(from: FileSource): Promise<Record<string, Tensor>> {
  const start = await withSource("load", from, async ({ size, fail, read }) => {
    const bytes = await read(0, Math.min(size, START_BYTES));
    if (Buffer.from(bytes).toString("latin1").startsWith("\x93NUMPY"))
      fail("it is an npy file, with one array that has no name", "safetensors or npz; loadNpy reads it");
    return bytes.slice();
  });
  return isZip(start) && start[START_BYTES - 1] !== 0x7b ? loadNpz(from) : loadSafetensors(from);
}
