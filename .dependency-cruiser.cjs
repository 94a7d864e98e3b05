// Who may import whom: the layers of docs/architecture.md, as a table. Types count, and circles are refused.
const layers = {
  "compiler/core": [],
  "compiler/ir": ["compiler/core"],
  "compiler/scalar": ["compiler/core", "compiler/ir"],
  "compiler/trace": ["compiler/core", "compiler/ir", "compiler/scalar"],
  "compiler/ops": ["compiler/core", "compiler/ir", "compiler/scalar", "compiler/trace", "kernels"],
  "compiler/frontend": ["compiler/core", "compiler/ir", "compiler/scalar", "compiler/trace", "compiler/ops"],
  "compiler/transforms": [
    "compiler/core",
    "compiler/ir",
    "compiler/scalar",
    "compiler/trace",
    "compiler/ops",
    "compiler/frontend",
  ],
  "compiler/passes": ["compiler/core", "compiler/ir", "compiler/scalar", "compiler/trace", "compiler/ops"],
  "compiler/codegen": ["compiler/core", "compiler/ir", "compiler/scalar", "compiler/trace", "compiler/ops", "kernels"],
  "compiler/compile.ts": ["compiler", "kernels"],
  "compiler/report.ts": ["compiler"],
  kernels: [],
  library: ["compiler/core", "compiler/ir", "compiler/scalar", "compiler/trace", "compiler/ops", "compiler/transforms"],
  runtime: ["compiler", "kernels"],
  "cli/doctor": ["cli", "runtime/dawn/adapter.ts"],
  "cli/doctor.ts": ["cli", "runtime/dawn/adapter.ts"],
  cli: ["index.ts"],
  "index.ts": ["compiler", "kernels", "library", "runtime"],
};

/** The npm packages that shipped code uses, and the one place of each. */
const packages = {
  acorn: "compiler/frontend",
  commander: "cli",
  webgpu: "runtime/dawn/adapter.ts",
};

const literally = (path) => path.replaceAll(".", "\\.");
const inside = (path) => (path.endsWith(".ts") ? `^${literally(path)}$` : `^${literally(path)}/`);
const LOCAL = "^(compiler|kernels|library|runtime|cli|examples|bench|tests|scripts|docs)/|^[^/]+\\.ts$";
const SHIPPED = "^(compiler|kernels|library|runtime|cli)/|^index\\.ts$";

/** A layer reaches itself and what the table gives it; a row for a part of a layer comes in place of the layer's. */
const layerRules = Object.entries(layers).map(([layer, below]) => ({
  name: `layer ${layer}`,
  comment: `${layer} may import only itself and: ${below.join(", ") || "nothing"} (.dependency-cruiser.cjs)`,
  severity: "error",
  from: {
    path: inside(layer),
    pathNot: Object.keys(layers)
      .filter((other) => other !== layer && other.startsWith(`${layer}/`))
      .map(inside),
  },
  to: { path: LOCAL, pathNot: [layer, ...below].map(inside) },
}));

module.exports = {
  forbidden: [
    ...layerRules,
    {
      name: "no layer",
      comment: "a source file stands in one of the layers of .dependency-cruiser.cjs",
      severity: "error",
      from: { path: SHIPPED, pathNot: Object.keys(layers).map(inside) },
      to: {},
    },
    {
      name: "public face only",
      comment: 'examples and bench import the package by its name, "lanewise", as a user does',
      severity: "error",
      from: { path: "^(examples|bench)/" },
      to: { path: LOCAL, pathNot: "^(examples|bench)/", dependencyTypesNot: ["aliased"] },
    },
    {
      name: "no circle",
      comment: "what both need belongs lower, or is handed in by the caller",
      severity: "error",
      from: { pathNot: "^index\\.ts$" }, // which looks at its own exports; a circle with others shows from them
      to: { circular: true },
    },
    {
      name: "not found",
      comment: "an import that resolves to no file would slip past every other rule",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
    ...Object.entries(packages).map(([name, place]) => ({
      name: `package ${name}`,
      comment: `${name} is imported only in ${place}`,
      severity: "error",
      from: { path: SHIPPED, pathNot: inside(place) },
      to: { path: `^node_modules/${literally(name)}/` },
    })),
    {
      name: "unlisted package",
      comment: `shipped code uses only the packages ${Object.keys(packages).join(", ")}`,
      severity: "error",
      from: { path: SHIPPED },
      to: { path: "^node_modules/", pathNot: Object.keys(packages).map((name) => `^node_modules/${literally(name)}/`) },
    },
  ],
  options: {
    doNotFollow: { path: "^(node_modules|dist)/" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "types", "node", "default"],
      extensionAlias: { ".js": [".ts", ".js"] },
    },
  },
};
