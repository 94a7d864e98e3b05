// Finding an adapter: a fresh one each time, or a reason, never a crash.
import { expect, test } from "vitest";
import { DeviceError } from "../../../compiler/core/errors.js";
import { findAdapter, showAdapter } from "../../../runtime/dawn/adapter.js";
import { describeGpu, hasGpu } from "../../support/gpu.js";

describeGpu("with an adapter", () => {
  test("it says what it is", async () => {
    const found = await findAdapter();
    if ("reason" in found) throw new Error(found.reason);
    expect(found.info.device).not.toBe("");
    expect(showAdapter(found.info)).toContain(found.info.backend);
  });

  test("every call gives a fresh one, also beside one with other toggles", async () => {
    const toggles = { enable: ["allow_unsafe_apis"], disable: ["timestamp_quantization"] };
    for (const options of [{}, {}, toggles, {}]) {
      const found = await findAdapter(options);
      if ("reason" in found) throw new Error(found.reason);
      const device = await found.adapter.requestDevice(); // refused when the adapter was used before
      device.destroy();
    }
  });
});

test("without an adapter there is a reason", async () => {
  const found = await findAdapter();
  expect("reason" in found).toBe(!hasGpu);
  if ("reason" in found) expect(found.reason).toMatch(/adapter|webgpu/);
});

test("a toggle that is not one word is refused", async () => {
  await expect(findAdapter({ enable: ["a,b"] })).rejects.toThrow(DeviceError);
  await expect(findAdapter({ disable: [""] })).rejects.toThrow('"" is no Dawn toggle');
});

test("software adapters are called software", () => {
  const info = { vendor: "mesa", architecture: "software", device: "llvmpipe-256-bits-", description: "Mesa 25" };
  expect(showAdapter({ ...info, backend: "vulkan", isSoftware: true })).toBe(
    "llvmpipe-256-bits (Mesa 25, vulkan, software)",
  );
  const h100 = { vendor: "nvidia", architecture: "hopper", device: "nvidia-h100", description: "NVIDIA: 550.120" };
  expect(showAdapter({ ...h100, backend: "vulkan", isSoftware: false })).toBe("nvidia-h100 (NVIDIA: 550.120, vulkan)");
});
