// A convolutional layer's forward step and the gradient by its filters: images [8, 32, n, n], filters [64, 32, 3, 3].
import { grad as jaxGrad, jit as jaxJit, lax, numpy as np, type numpy } from "@jax-js/jax";
import { conv, grad, jit, type Tensor, tensor } from "lanewise";
import { type Case, type Machine, numbers } from "../case.js";
import { jaxJs } from "../jax-js.js";
import { lanewise } from "../lanewise.js";

const sizeOn = ({ isQuick, isSoftware }: Machine): number => (isQuick ? 8 : isSoftware ? 32 : 64);

const ours = (x: Tensor, w: Tensor): Tensor => conv(x, w, { padding: "same" });
const theirs = (x: numpy.Array, w: numpy.Array): numpy.Array => lax.convGeneralDilated(x, w, [1, 1], "SAME");

/** Images and filters for both. */
function inputs(machine: Machine) {
  const n = sizeOn(machine);
  const [images, filters] = [
    [8, 32, n, n],
    [64, 32, 3, 3],
  ];
  const [dataX, dataW] = [numbers(8 * 32 * n * n, 1), numbers(64 * 32 * 9, 2)];
  return {
    ours: [tensor(dataX, { shape: images }), tensor(dataW, { shape: filters })] as const,
    theirs: [np.array(dataX, { shape: images }), np.array(dataW, { shape: filters })] as const,
  };
}

const common = { timed: "run", calls: 2, repeats: 1, tolerance: 1e-4 } as const;

export const convForward: Case = {
  ...common,
  name: "conv",
  title: "convolution of [8, 32, 64, 64], on software adapters [8, 32, 32, 32], with [64, 32, 3, 3]",
  contestants(machine) {
    const {
      ours: [x, w],
      theirs: [jaxX, jaxW],
    } = inputs(machine);
    const [mine, other] = [jit(ours), jaxJit(theirs)];
    return [lanewise(() => mine(x, w)), jaxJs(() => other(jaxX.ref, jaxW.ref))];
  },
};

export const convGradient: Case = {
  ...common,
  name: "conv-gradient",
  title: "gradient of Σ of its squares by the filters",
  contestants(machine) {
    const {
      ours: [x, w],
      theirs: [jaxX, jaxW],
    } = inputs(machine);
    const mine = jit((x: Tensor, w: Tensor) => grad((w: Tensor) => ours(x, w).square().sum())(w));
    const other = jaxJit((x: numpy.Array, w: numpy.Array) =>
      jaxGrad((w: numpy.Array) => np.square(theirs(x, w)).sum())(w),
    );
    return [lanewise(() => mine(x, w)), jaxJs(() => other(jaxX.ref, jaxW.ref))];
  },
};
