// Builds dist/: JavaScript, declarations and source maps of the package, and the WGSL templates beside them.

import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, rmdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const dist = join(root, "dist");

const emitted = compile();
for (const file of filesUnder(join(root, "kernels")).filter((path) => path.endsWith(".wgsl"))) {
  const copy = join(dist, relative(root, file));
  mkdirSync(dirname(copy), { recursive: true });
  cpSync(file, copy);
  emitted.add(copy);
}
removeAllBut(emitted);

const main = join(dist, "cli/main.js");
if (existsSync(main)) chmodSync(main, 0o755);

/** Runs tsc, and gives the files it wrote. A type error ends the build with the old dist/ still in place. */
function compile() {
  let tsc;
  try {
    tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
  } catch {
    stop("build: the package typescript is not installed\n  run `npm ci` without --omit=dev");
  }
  const run = spawnSync(process.execPath, [tsc, "-p", "tsconfig.build.json", "--listEmittedFiles"], {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines = (run.stdout ?? "").split(/\r?\n/);
  if (run.status !== 0) {
    stop(
      lines.filter((line) => line !== "" && !line.startsWith("TSFILE: ")).join("\n") ||
        `build: tsc ended with ${run.signal ?? run.error}`,
    );
  }
  return new Set(
    lines.filter((line) => line.startsWith("TSFILE: ")).map((line) => join(line.slice("TSFILE: ".length))),
  );
}

/** Deletes what an earlier build left, file by file, so that a dist/ in use is at no moment missing. */
function removeAllBut(kept) {
  for (const file of filesUnder(dist)) if (!kept.has(file)) rmSync(file);
  const prune = (folder) => {
    for (const entry of readdirSync(folder, { withFileTypes: true }))
      if (entry.isDirectory()) prune(join(folder, entry.name));
    if (readdirSync(folder).length === 0) rmdirSync(folder);
  };
  prune(dist);
}

function filesUnder(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesUnder(path) : [path];
  });
}

function stop(message) {
  console.error(message);
  process.exit(1);
}
