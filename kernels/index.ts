// Kernel templates: WGSL files that are valid by themselves, with holes that the compiler fills.
import { readFileSync } from "node:fs";

const read = (name: string): string => readFileSync(new URL(`./${name}.wgsl`, import.meta.url), "utf8");

/** Every template's text, by name. */
export const templates = {
  copy: read("copy"),
  map: read("map"),
  "reduce-row": read("reduce-row"),
  matmul: read("matmul"),
  skinny: read("skinny"),
  cumulative: read("cumulative"),
  "cumulative-rows": read("cumulative-rows"),
  "sort-tile": read("sort-tile"),
  "sort-merge": read("sort-merge"),
} as const;

export type TemplateName = keyof typeof templates;

/** What goes into a template: lines for `// <name> … // </name>`, numbers and types for a line marked `// <name>`. */
export type Holes = Readonly<Record<string, readonly string[] | number | string>>;

/**
 * Fills a template. A hole is a block between `// <name>` and `// </name>`, whose lines are replaced (and take over its
 * indentation), or a declaration `const NAME = value; // <name>` whose value is. Throws when a hole is left or a name
 * has no hole.
 */
export function fillTemplate(name: TemplateName, holes: Holes): string {
  const out: string[] = [];
  const filled = new Set<string>();
  const lines = templates[name].trimEnd().split("\n");
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i]!;
    const block = /^(\s*)\/\/ <([a-z0-9]+)>$/.exec(line);
    const value = /^(.* = )([^;]*)(;) \/\/ <([a-z0-9]+)>$/.exec(line);
    if (block) {
      const hole = block[2]!;
      out.push(...(take(hole) as readonly string[]).map((text) => (text === "" ? "" : block[1] + text)));
      while (lines[++i]?.trim() !== `// </${hole}>`)
        if (i >= lines.length) throw new Error(`template ${name}: <${hole}> has no end`);
    } else if (value) {
      const given = take(value[4]!);
      out.push(`${value[1]}${typeof given === "number" ? `${given}u` : String(given)};`);
    } else out.push(line);
  }
  for (const key of Object.keys(holes)) if (!filled.has(key)) throw new Error(`template ${name} has no hole <${key}>`);
  return `${out.join("\n").replace(/\n{3,}/g, "\n\n")}\n`;

  function take(hole: string): Holes[string] {
    const given = holes[hole];
    if (given === undefined) throw new Error(`template ${name}: nothing given for <${hole}>`);
    filled.add(hole);
    return given;
  }
}
