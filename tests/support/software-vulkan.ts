// A Vulkan for machines without one: SwiftShader and a loader, taken out of the npm package @sparticuz/chromium.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliDecompressSync } from "node:zlib";

/** The variables under which a new process finds SwiftShader, or why it cannot be had here. */
export type SoftwareVulkan = { readonly env: Readonly<Record<string, string>> } | { readonly reason: string };

const CACHE = fileURLToPath(new URL("../../node_modules/.cache/lanewise", import.meta.url));
const FILES = ["libvulkan.so.1", "libvk_swiftshader.so", "vk_swiftshader_icd.json"];

/**
 * Unpacks SwiftShader once. The loader is found by LD_LIBRARY_PATH, which glibc reads when a process starts:
 * it holds for the test workers and for every process they start, not for this one.
 */
export function softwareVulkan(): SoftwareVulkan {
  const platform = `${process.platform}-${process.arch}`;
  if (platform !== "linux-x64")
    return { reason: `@sparticuz/chromium brings SwiftShader for linux-x64, this is ${platform}` };
  let home: string;
  try {
    // Its exports hide everything but the entry, build/cjs/index.cjs.
    home = join(dirname(createRequire(import.meta.url).resolve("@sparticuz/chromium")), "../..");
  } catch {
    return { reason: "the dev dependency @sparticuz/chromium, which brings SwiftShader, is not installed" };
  }
  const { version } = JSON.parse(readFileSync(join(home, "package.json"), "utf8"));
  const folder = join(CACHE, `swiftshader-${version}`);
  if (!existsSync(folder)) unpack(join(home, "bin/swiftshader.tar.br"), folder);
  const manifest = join(folder, "vk_swiftshader_icd.json");
  const libraries = [folder, process.env.LD_LIBRARY_PATH].filter((path) => path).join(delimiter);
  return { env: { LD_LIBRARY_PATH: libraries, VK_DRIVER_FILES: manifest, VK_ICD_FILENAMES: manifest } };
}

/** Through a folder of its own and a rename: two runs may do it at once, and one may be cut off. */
function unpack(archive: string, folder: string): void {
  mkdirSync(CACHE, { recursive: true });
  const fresh = mkdtempSync(join(CACHE, "unpacking-"));
  for (const [name, content] of readTar(brotliDecompressSync(readFileSync(archive)))) {
    if (FILES.includes(name)) writeFileSync(join(fresh, name), content);
  }
  try {
    renameSync(fresh, folder);
  } catch (error) {
    rmSync(fresh, { recursive: true });
    if (!existsSync(folder)) throw error;
  }
}

/** The files of a plain tar archive: blocks of 512 bytes, a header with name and octal size before each file. */
function* readTar(tar: Buffer): Generator<[name: string, content: Buffer]> {
  const text = (from: number, to: number): string => tar.toString("latin1", from, to).split("\0", 1)[0]!;
  for (let at = 0; at + 512 <= tar.length; ) {
    const name = text(at, at + 100);
    if (name === "") return;
    const size = Number.parseInt(text(at + 124, at + 136), 8);
    yield [name, tar.subarray(at + 512, at + 512 + size)];
    at += 512 + Math.ceil(size / 512) * 512;
  }
}
