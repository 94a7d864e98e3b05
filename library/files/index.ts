// Weights in files: safetensors, npz and npy.
export { load, save } from "./formats.js";
export { loadNpy, saveNpy } from "./npy.js";
export { type LoadNpzOptions, loadNpz, type SaveNpzOptions, saveNpz } from "./npz.js";
export {
  loadSafetensors,
  loadSafetensorsMetadata,
  type SafetensorsOptions,
  saveSafetensors,
} from "./safetensors.js";
export type { FileSource } from "./source.js";
