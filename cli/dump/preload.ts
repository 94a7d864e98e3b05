// Loaded before the user's script, in its process: writes a record of every program that the script compiles.
import { appendFileSync } from "node:fs";
import type { Tools } from "../../index.js";
import { collectPrograms } from "./collect.js";
import { DUMP_FILE, type DumpRecord } from "./record.js";

const file = process.env[DUMP_FILE];

const write = (record: DumpRecord): void => {
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(record)}\n`);
};

// Every copy of the package that is loaded looks here; runtime/tools.ts says so.
const waiting = Symbol.for("lanewise.tools");
Object.defineProperty(globalThis, waiting, {
  configurable: true,
  value: (tools: Tools) => collectPrograms(tools, write),
});
