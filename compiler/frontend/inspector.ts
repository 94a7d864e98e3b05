// What V8's inspector tells of a function: the scopes it closes over, and where its code stands. Nothing is paused.
import type { Debugger, Runtime, Session } from "node:inspector";
import { createRequire } from "node:module";
import process from "node:process";
import type { AnyFunction } from "./source.js";

/** One scope that a function closes over. */
export interface ScopeRecord {
  /** `script`: `let`, `const` and `class` at the top of classic scripts; `local`: functions, blocks, modules. */
  readonly kind: "local" | "with" | "script" | "global";
  /** The variables with their very values, as they were when asked for; of `with` and `global` the object itself. */
  readonly variables: object;
}

/** Where the parameters of a function begin: line and column from 0, in the file that holds the script. */
export interface ScriptPosition {
  readonly scriptId: string;
  readonly line: number;
  readonly column: number;
}

export interface Script {
  readonly url: string;
  readonly source: string;
  /** What it says of its source map: an address, or the map itself as a `data:` URL. */
  readonly mapUrl: string | undefined;
  /** Where `source` begins in its file. */
  readonly startLine: number;
  readonly startColumn: number;
}

/**
 * The scopes around `fn`, innermost first, as they are now. Costs some 0.1 ms. `undefined` where the inspector is not to
 * be had; none for native and bound functions and proxies, of which V8 shows no scopes.
 */
export function scopesAround(fn: AnyFunction): readonly ScopeRecord[] | undefined {
  return inspect((session) => {
    const scopes = session.internalsOf(fn).get("[[Scopes]]");
    return scopes ? Array.from(session.fetch(scopes) as ArrayLike<Entry>, toRecord) : [];
  });
}

/** Where `fn` stands. Costs some 0.1 ms. `undefined` for functions of no script, and without an inspector. */
export function scriptPositionOf(fn: AnyFunction): ScriptPosition | undefined {
  return inspect((session) => {
    const location = session.internalsOf(fn).get("[[FunctionLocation]]")?.value as Debugger.Location | undefined;
    if (!location) return undefined;
    return { scriptId: location.scriptId, line: location.lineNumber, column: location.columnNumber ?? 0 };
  });
}

/** What `bind` was given. */
export interface BoundParts {
  readonly target: AnyFunction;
  readonly receiver: unknown;
  readonly args: readonly unknown[];
}

/** What a bound function was made of; `undefined` for any other, and without an inspector. */
export function boundParts(fn: AnyFunction): BoundParts | undefined {
  return inspect((session) => {
    const internals = session.internalsOf(fn);
    const [target, receiver, args] = ["[[TargetFunction]]", "[[BoundThis]]", "[[BoundArgs]]"].map((name) => {
      const value = internals.get(name);
      return value && session.fetch(value);
    });
    if (!target) return undefined;
    return { target: target as AnyFunction, receiver, args: Array.from(args as ArrayLike<unknown>) };
  });
}

/** The script as V8 holds it. Costs some 30 ms: V8 tells all scripts or none. */
export function readScript(scriptId: string): Script | undefined {
  return inspect((session) => {
    const scripts = session.scripts();
    keepUrls(scripts);
    const script = scripts.find((each) => each.scriptId === scriptId);
    if (!script) return undefined;
    const { url, sourceMapURL, startLine, startColumn } = script;
    const { scriptSource } = session.ask<Debugger.GetScriptSourceReturnType>("Debugger.getScriptSource", { scriptId });
    return { url, source: scriptSource, mapUrl: sourceMapURL || undefined, startLine, startColumn };
  });
}

const urls = new Map<string, string>();

/** Path or URL of a script, empty for one that has none. The first call, and one for a new script, cost some 30 ms. */
export function scriptUrl(scriptId: string): string | undefined {
  if (!urls.has(scriptId)) {
    inspect((session) => keepUrls(session.scripts()));
  }
  return urls.get(scriptId);
}

function keepUrls(scripts: readonly Debugger.ScriptParsedEventDataType[]): void {
  for (const { scriptId, url } of scripts) urls.set(scriptId, url);
}

// ---------------------------------------------------------------------------------------------------------------------

/** What V8 keeps below `[[Scopes]]`. */
interface Entry {
  readonly description: string; // "Closure (outer)", "Block", "Catch", "Eval", "Module", "Script", "With Block", "Global"
  readonly object: object;
}

function toRecord({ description, object }: Entry): ScopeRecord {
  const kind = /^(?:With|Script|Global)\b/.exec(description)?.[0].toLowerCase() as "with" | "script" | "global";
  return { kind: kind ?? "local", variables: object };
}

/** Where the object that a session shares with us stands for the moment. */
const HANDLE = Symbol.for("lanewise.inspected");

// The only texts that we ever evaluate. `process` is one object for all contexts of a thread, `globalThis` is not.
const READ_HANDLE = 'process[Symbol.for("lanewise.inspected")]';
const STORE = "function (value) { this.value = value; }";

/** A session with the inspector of this same thread, which answers before `post` returns. */
class Inspection {
  readonly #session: Session;
  readonly #shared: { value: unknown } = { value: undefined };
  #sharedId = "";

  constructor(session: Session) {
    this.#session = session;
    session.connect();
  }

  /** The internal slots that V8 shows of `fn`. */
  internalsOf(fn: AnyFunction): ReadonlyMap<string, Runtime.RemoteObject> {
    this.#sharedId ||= this.#share();
    this.#shared.value = fn;
    const own = this.#properties(this.#sharedId).result.find(({ name }) => name === "value");
    const internals = this.#properties(own!.value!.objectId!).internalProperties ?? [];
    return new Map(internals.flatMap(({ name, value }) => (value ? [[name, value]] : [])));
  }

  /** The value that the inspector means: itself, not a copy. */
  fetch({ objectId, unserializableValue, value }: Runtime.RemoteObject): unknown {
    this.ask("Runtime.callFunctionOn", {
      objectId: this.#sharedId,
      functionDeclaration: STORE,
      arguments: [objectId ? { objectId } : unserializableValue ? { unserializableValue } : { value }],
      silent: true,
    });
    return this.#shared.value;
  }

  /** All scripts that V8 holds. */
  scripts(): readonly Debugger.ScriptParsedEventDataType[] {
    const scripts: Debugger.ScriptParsedEventDataType[] = [];
    this.#session.on("Debugger.scriptParsed", ({ params }) => void scripts.push(params));
    this.ask("Debugger.enable", {}); // tells them all before it returns
    return scripts;
  }

  ask<Result>(method: string, params: object): Result {
    let answer: Result | undefined;
    let failure: Error | null = null;
    this.#session.post(method, params, (error: Error | null, result?: object) => {
      failure = error;
      answer = result as Result;
    });
    if (failure) throw failure;
    return answer!;
  }

  #share(): string {
    const holder = process as { [HANDLE]?: object };
    try {
      holder[HANDLE] = this.#shared;
      return this.ask<Runtime.EvaluateReturnType>("Runtime.evaluate", { expression: READ_HANDLE }).result.objectId!;
    } finally {
      delete holder[HANDLE];
    }
  }

  #properties(objectId: string): Runtime.GetPropertiesReturnType {
    return this.ask("Runtime.getProperties", { objectId, ownProperties: true });
  }
}

let inspector: typeof import("node:inspector") | undefined;

/**
 * Opens a session for one look: that is as cheap as keeping one, and nothing of it stays. `undefined` where there is no
 * inspector in this build of Node, or it is not permitted.
 */
function inspect<Result>(look: (inspection: Inspection) => Result): Result | undefined {
  let session: Session | undefined;
  try {
    // no plain import, which would keep the package from loading where Node was built without it
    inspector ??= createRequire(import.meta.url)("node:inspector") as typeof import("node:inspector");
    session = new inspector.Session();
    return look(new Inspection(session));
  } catch {
    return undefined;
  } finally {
    session?.disconnect();
  }
}
