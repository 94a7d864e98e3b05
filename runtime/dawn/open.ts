// Opens the Dawn backend on the best adapter there is.
import type { Compile } from "../backend.js";
import { budget } from "../budget.js";
import { findAdapter } from "./adapter.js";
import { DawnBackend } from "./backend.js";
import { OpenDevice } from "./device.js";

/**
 * Dawn clears a buffer before its first use. Kernels write all of what they make before others read it, and pooled
 * buffers hold old elements anyhow.
 */
const DISABLED = ["lazy_clear_resource_on_first_use"];

/** A backend on a new device, or why there is no adapter. Rejects with `DeviceError` when the adapter gives no device. */
export async function openDawn(compile: Compile): Promise<DawnBackend | { readonly reason: string }> {
  const found = await findAdapter({ disable: DISABLED });
  if ("reason" in found) return found;
  const device = await OpenDevice.open(found);
  if (!found.info.isSoftware) budget.expectHardware();
  return new DawnBackend(device, compile);
}
