#!/usr/bin/env node
// The command `lanewise`: one subcommand in each file beside this one.
import { createRequire } from "node:module";
import { Command } from "commander";
import { doctorCommand } from "./doctor.js";
import { dumpCommand } from "./dump.js";

const { version, description } = createRequire(import.meta.url)("lanewise/package.json") as Record<string, string>;

const program = new Command("lanewise").description(description!).version(version!);
program.addCommand(dumpCommand());
program.addCommand(doctorCommand());
await program.parseAsync();
