// `npm run mutants:frontend`: breaks compiler/frontend in one way after the other, and looks whether its tests notice.
//
// Each mutant is bundled with the checks of tests/frontend (frontend-judge.ts) and run by Node; no file of the sources
// is changed.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { build, type Plugin } from "esbuild";
import { type FrontendMutant, frontendMutants } from "./frontend.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const { values: options } = parseArgs({ options: { only: { type: "string", default: "" } } });
// inside of the repository, so that packages are found
const folder = mkdtempSync(join(root, "node_modules", ".frontend-mutants-"));

function changing(mutant: FrontendMutant | undefined): Plugin {
  return {
    name: "mutant",
    setup({ onLoad }) {
      onLoad({ filter: /\.ts$/ }, ({ path }) => {
        let text = readFileSync(path, "utf8");
        if (mutant && path.endsWith(join("compiler", "frontend", mutant.file)))
          text = text.replace(mutant.from, () => mutant.to);
        // files that are read at run time lie beside the sources
        return { contents: text.replaceAll("import.meta.url", JSON.stringify(pathToFileURL(path).href)), loader: "ts" };
      });
    },
  };
}

/** What the checks say: undefined where all hold. */
async function judge(mutant?: FrontendMutant): Promise<string | undefined> {
  const outfile = join(folder, "judge.mjs");
  await build({
    entryPoints: [join(root, "tests/mutants/frontend-judge.ts")],
    bundle: true,
    platform: "node",
    format: "esm",
    packages: "external",
    outfile,
    logLevel: "silent",
    keepNames: false,
    plugins: [changing(mutant)],
  });
  const { status, stdout, stderr } = spawnSync(process.execPath, [outfile], { encoding: "utf8", timeout: 120_000 });
  if (status === 0) return undefined;
  return status === null
    ? "does not end"
    : (stdout || stderr)
        .trim()
        .split("\n")
        .find((line) => !line.startsWith("node:"))!
        .slice(0, 120);
}

/** All that is to be changed, before anything runs: a text that does not stand there is an error. */
for (const { name, file, from } of frontendMutants) {
  const count = readFileSync(join(root, "compiler", "frontend", file), "utf8").split(from).length - 1;
  if (count !== 1) throw new Error(`${name}: its text stands ${count} times in ${file}`);
}
const sound = await judge();
if (sound !== undefined) throw new Error(`without any mutant: ${sound}`);
const chosen = frontendMutants.filter(({ name, file }) => `${file} ${name}`.includes(options.only));
let [caught, open] = [0, 0];
for (const mutant of chosen) {
  const found = await judge(mutant);
  const why = found ?? mutant.reason;
  if (found !== undefined) caught++;
  else if (why === undefined) open++;
  console.log(
    `${found === undefined ? "survives" : "caught"}: ${mutant.file}: ${mutant.name}${why ? ` (${why})` : ""}`,
  );
}
rmSync(folder, { recursive: true });
console.log(
  `caught ${caught} of ${chosen.length}; ${chosen.length - caught - open} survive with a reason, ${open} without`,
);
process.exitCode = open > 0 ? 1 : 0;
