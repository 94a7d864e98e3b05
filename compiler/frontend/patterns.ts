// Patterns: values taken apart into variables and properties.
import type { Pattern } from "acorn";
import { Tensor } from "../trace/tensor.js";
import { type Evaluator, type Scope, type Site, Thrown, used } from "./evaluator.js";
import { iterate } from "./lists.js";
import { nameAfterKey, propertyKey, targetOf, writeVariable } from "./references.js";
import { Cell, created, setCell } from "./store.js";

/** Gives the variables of a pattern their values; `isNew` ones are declared by it. */
export function bind(run: Evaluator, pattern: Pattern, value: unknown, scope: Scope, isNew: boolean): void {
  const site: Site = { node: pattern, scope };
  switch (pattern.type) {
    case "Identifier": {
      if (!isNew) {
        writeVariable(run, pattern.name, value, site);
        return;
      }
      const cell = scope.own(pattern.name);
      if (!cell) scope.declare(new Cell(pattern.name, value));
      else {
        setCell(cell, value);
        cell.isDead = false;
      }
      return;
    }
    case "MemberExpression":
      targetOf(run, pattern, scope).write(value);
      return;
    case "AssignmentPattern": {
      // a parameter that is undefined on some path only cannot be told from one that is given
      used(run, value, site);
      if (value !== undefined) run.bind(pattern.left, value, scope, isNew);
      else {
        const made = run.evaluate(pattern.right, scope);
        if (pattern.left.type === "Identifier") nameAfterKey(made, pattern.right, pattern.left.name);
        run.bind(pattern.left, made, scope, isNew);
      }
      return;
    }
    case "ArrayPattern": {
      const source = used(run, value, site);
      const elements =
        Array.isArray(source) && !pattern.elements.some((x) => x?.type === "RestElement")
          ? undefined
          : [...iterate(source, site)];
      pattern.elements.forEach((element, i) => {
        if (!element) return;
        if (element.type === "RestElement") run.bind(element.argument, created(elements!.slice(i)), scope, isNew);
        else run.bind(element, elements ? elements[i] : run.get(source, i, site), scope, isNew);
      });
      return;
    }
    case "ObjectPattern": {
      const source = used(run, value, site);
      if (source === null || source === undefined)
        throw new Thrown(new TypeError(`Cannot destructure '${String(source)}' as it is ${String(source)}.`), site);
      const taken: PropertyKey[] = [];
      for (const property of pattern.properties) {
        if (property.type === "RestElement") {
          const rest: Record<PropertyKey, unknown> = created({});
          if (source instanceof Tensor) throw run.fail(site, "the rest of a traced value is taken");
          for (const key of Reflect.ownKeys(source as object)) {
            const isTaken = taken.some((name) => name === key);
            if (!isTaken && Object.prototype.propertyIsEnumerable.call(source, key))
              rest[key] = run.get(source, key, site);
          }
          run.bind(property.argument, rest, scope, isNew);
          continue;
        }
        const key = propertyKey(run, property.key, property.computed, scope);
        taken.push(key);
        run.bind(property.value, run.get(source, key, site), scope, isNew);
      }
      return;
    }
    case "RestElement":
      run.bind(pattern.argument, value, scope, isNew);
      return;
  }
}
