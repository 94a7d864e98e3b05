// dce: drops equations nobody reads.
import type { Graph } from "../ir/graph.js";
import { dropDead } from "../ir/live.js";

/** Before: any Graph. After: every equation has a result that an output depends on; regions compute no other ones. */
export const dce = (graph: Graph): Graph => dropDead(graph);
