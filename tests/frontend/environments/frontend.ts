// What the environments need of the front-end, as one module.
export { capturedScope, checkVisible, freeVariables } from "../../../compiler/frontend/captured.js";
export { isNative, isOurs, registerOurs } from "../../../compiler/frontend/ours.js";
export { locationOf, showPlace } from "../../../compiler/frontend/place.js";
export { childrenOf } from "../../../compiler/frontend/scopes.js";
export { functionSource } from "../../../compiler/frontend/source.js";
