// Networks: initialisers, losses and measures.
export * as initialisers from "./initialisers.js";
export * from "./losses.js";
