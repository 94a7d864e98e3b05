import "../../../index.js";
import { traced } from "../../support/plain-js.js";
import { functionsOf } from "./check.js";

try {
  const f = traced(functionsOf([process.argv[2]!])[0]!, [1, 1, 1, [1, 1, 1, 1]]);
  console.log(
    JSON.stringify(f.run([1, 1, 1, [1, 1, 1, 1]])),
    JSON.stringify(functionsOf([process.argv[2]!])[0]!(1, 1, 1, [1, 1, 1, 1])),
  );
  if (process.argv[3]) console.log(String(f.graph.eqns.length));
} catch (e) {
  console.log((e as Error).stack);
}
