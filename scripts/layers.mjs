// Checks who imports whom by .dependency-cruiser.cjs. Fails also when there was nothing to check.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { cruise } from "dependency-cruiser";
import extractDepcruiseOptions from "dependency-cruiser/config-utl/extract-depcruise-options";
import extractTSConfig from "dependency-cruiser/config-utl/extract-ts-config";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));

const places = ["index.ts", "compiler", "kernels", "library", "runtime", "cli", "examples", "bench", "tests"];
const options = await extractDepcruiseOptions("./.dependency-cruiser.cjs");
const { output } = await cruise(places.filter(existsSync), { ...options, validate: true }, undefined, {
  tsConfig: extractTSConfig("./tsconfig.json"),
});
const { violations, totalCruised, totalDependenciesCruised } = output.summary;
const comments = new Map(options.ruleSet.forbidden.map(({ name, comment }) => [name, comment]));

for (const { rule, from, to, cycle } of violations) {
  const way = cycle ? cycle.map((step) => step.name ?? step).join("\n    -> ") : to;
  console.error(`${rule.name}: ${comments.get(rule.name)}\n  ${from}\n    -> ${way}`);
}
const sources = output.modules.filter(({ source }) => source.endsWith(".ts") && !source.startsWith("node_modules/"));
if (sources.length === 0) {
  console.error(`layers: no module was cruised under ${places.join(", ")}`);
  process.exit(1);
}
console.log(
  `layers: ${sources.length} modules of ours (${totalCruised} in all), ${totalDependenciesCruised} imports, ${violations.length} violations`,
);
process.exit(violations.length === 0 ? 0 : 1);
