// docs/transforms.md shows what the code gives.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { graphs } from "./transforms.js";

const page = readFileSync(new URL("../../docs/transforms.md", import.meta.url), "utf8");
const blocks = [...page.matchAll(/<!-- graph: ([\w ]+) -->\n\n```\n([^`]*)\n```/g)].map(([, name, text]) => [
  name,
  text,
]);

test("every Graph of docs/transforms.md is the one the transforms give", () => {
  expect(Object.fromEntries(blocks)).toEqual(graphs());
});
