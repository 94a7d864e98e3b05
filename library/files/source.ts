// Where bytes come from and go to: files and arrays of bytes, read in parts, written whole or not at all.
import { randomUUID } from "node:crypto";
import { type FileHandle, open, realpath, rename, rm, stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { FileError, MemoryError, ValueError } from "../../compiler/core/errors.js";
import { checkMemory } from "../../compiler/core/host.js";
import { hereText } from "../../compiler/trace/here.js";

/** What is read: the path of a file, or its bytes. */
export type FileSource = string | URL | Uint8Array;

/** Throws `FileError`: what was seen in the file, and what was wanted. */
export type Fail = (seen: string, wanted: string) => never;

/** Bytes that can be read in parts. */
export interface Source {
  readonly size: number;
  readonly fail: Fail;
  /** Bytes from `offset` on, all of them in the source. They may be the caller's own: do not change them. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** An error for each file, or part of one, called `name`. */
const failFor =
  (name: string): Fail =>
  (seen, wanted) => {
    throw new FileError(`${name}: ${seen}\n  wanted: ${wanted}`);
  };

/** A name out of a file, fit for a message. */
export const showName = (name: string): string => JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name);

export const isPath = (x: unknown): x is string | URL => typeof x === "string" || x instanceof URL;

/** Opens `from` while `use` reads it. `caller` is the function that was called, for messages. */
export async function withSource<T>(caller: string, from: FileSource, use: (source: Source) => Promise<T>): Promise<T> {
  if (from instanceof Uint8Array) {
    checkMemory(from);
    return use(inMemory(`${caller}(bytes)`, from));
  }
  const path = pathOf(caller, from);
  let file: FileHandle;
  let size: number;
  try {
    // asked before it is opened, as opening a pipe would wait for its other end
    if (!(await stat(path)).isFile()) throw new Error("it is not a file");
    file = await open(path);
    size = (await file.stat()).size;
  } catch (cause) {
    throw new FileError(`${path}: cannot be read: ${(cause as Error).message}`, { cause });
  }
  try {
    return await use(inFile(path, file, size));
  } finally {
    await file.close();
  }
}

function inMemory(name: string, bytes: Uint8Array): Source {
  return {
    size: bytes.length,
    fail: failFor(name),
    read: async (offset, length) => bytes.subarray(offset, offset + length),
  };
}

const MAX_READ_BYTES = 2 ** 30; // Node reads fewer than 2^31 bytes at once

function inFile(path: string, file: FileHandle, size: number): Source {
  const fail = failFor(path);
  const read = async (offset: number, length: number): Promise<Uint8Array> => {
    const bytes = newBytes(path, length);
    for (let done = 0; done < length; ) {
      const { bytesRead } = await file.read(bytes, done, Math.min(length - done, MAX_READ_BYTES), offset + done);
      if (bytesRead === 0) fail(`it ended at byte ${offset + done} while it was read`, `${size} bytes`);
      done += bytesRead;
    }
    return bytes;
  };
  return { size, fail, read };
}

function newBytes(path: string, length: number): Uint8Array {
  try {
    return new Uint8Array(length);
  } catch (cause) {
    throw new MemoryError(`${path}: there is no memory for ${length} bytes of it`, { cause });
  }
}

/** Puts `parts` together. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Writes a file beside `to` and gives it that name when it is complete: what was there before is whole until then. */
export async function writeFile(caller: string, to: string | URL, parts: readonly Uint8Array[]): Promise<void> {
  const path = pathOf(caller, to);
  const target = await realpath(path).catch(() => path); // a link stays a link
  const temporary = `${target}.${randomUUID()}.tmp`;
  try {
    const mode = await stat(target).then(
      (old) => old.mode,
      () => 0o666,
    ); // what was private stays so
    const file = await open(temporary, "wx", mode);
    try {
      for (const part of parts)
        for (let done = 0; done < part.length; )
          done += (await file.write(part, done, Math.min(part.length - done, MAX_READ_BYTES))).bytesWritten;
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, target);
  } catch (cause) {
    await rm(temporary, { force: true });
    throw new FileError(`${path}: cannot be written: ${(cause as Error).message}`, { cause });
  }
}

function pathOf(caller: string, path: unknown): string {
  if (typeof path === "string" && path !== "" && !path.includes("\0")) return path;
  if (path instanceof URL && path.protocol === "file:") return fileURLToPath(path);
  const seen = isPath(path) ? JSON.stringify(String(path)) : path === null ? "null" : typeof path;
  throw new ValueError(`${caller}: ${seen} given, but the path of a file or a Uint8Array is wanted${hereText()}`);
}
