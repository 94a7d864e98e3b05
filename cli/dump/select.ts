// Which programs are shown: all, or those of one function, or those with an equation from one line.
import { resolve, sep } from "node:path";
import type { ProgramRecord } from "./record.js";

/** Whether a program is the one wanted: by a name such as `convolve` or `vmap(convolve)`, or by FILE:LINE. */
export function isWanted(program: ProgramRecord, wanted: string): boolean {
  if (program.name === wanted || program.functions.includes(wanted)) return true;
  const place = /^(.+):(\d+)$/.exec(wanted);
  if (!place) return false;
  const [, file = "", line = ""] = place;
  const exact = `${resolve(file)}:${line}`;
  const end = `${sep}${file.replaceAll("/", sep)}:${line}`;
  return program.places.some((each) => each === exact || each.endsWith(end));
}
