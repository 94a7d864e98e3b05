// A module of one's own, called on examples one by one and mapped over a batch.
//
//   npx tsx examples/dense-module.ts
//
// A dense layer from three features to four is written for one example; vmap gives the batched layer. Every result is
// printed beside what is expected. The program ends with exit code 1 if anything differs.
import { dot, grad, jit, nn, type Tensor, tensor, vmap } from "lanewise";
import { check, finish, heading, showDevice } from "./support/check.js";

/** weight · x + bias, for one example: f32[inputs] -> f32[outputs]. */
class Dense extends nn.Module {
  readonly weight: nn.Parameter;
  readonly bias: nn.Parameter;

  constructor(inputs: number, outputs: number) {
    super();
    const at = (row: number, column: number): number => (row * inputs + column + 1) / 10;
    const rows = Array.from({ length: outputs }, (_, row) => row);
    const weight = rows.map((row) => Array.from({ length: inputs }, (_, column) => at(row, column)));
    this.weight = new nn.Parameter(tensor(weight));
    this.bias = new nn.Parameter(tensor(rows));
  }

  forward(x: Tensor): Tensor {
    return dot(this.weight, x).add(this.bias);
  }
}

const batch = [
  [1, 2, 3],
  [4, 5, 6],
  [7, 8, 9],
];

await showDevice();
const net = new Dense(3, 4);
net.summary();

heading("One by one, and all at once");

const examples = batch.map((example) => tensor(example));
const xs = tensor(batch);
const expected = batch.map((x) => linear(x, [0, 1, 2, 3]));
for (const [i, x] of examples.entries()) await check(`net.forward(x${i})`, net.forward(x), expected[i]!);
await check("vmap(net)(xs)", vmap(net)(xs), expected);
await check("jit(vmap(net))(xs)", jit(vmap(net))(xs), expected);
await check(
  "vmap(net, { inAxes: 1, outAxes: 1 })(xs.T)",
  vmap(net, { inAxes: 1, outAxes: 1 })(xs.transpose()),
  transposed(expected),
);

const ready = new nn.Dense(3, 4); // random weights
const alone = await Promise.all(examples.map((x) => ready.forward(x).toArray()));
await check("vmap(new nn.Dense(3, 4))(xs), beside one by one", vmap(ready)(xs), alone);

heading("Parameters: free in the module, shared by all examples");

const loss = (x: Tensor): Tensor => net.forward(x).sum();
const slopes = vmap(grad(loss, { wrt: net.parameters() }))(xs);
await check(
  "the gradient of each example by the weight",
  slopes.weight!,
  batch.map((x) => [x, x, x, x]),
);
await check(
  "and by the bias",
  slopes.bias!,
  batch.map(() => [1, 1, 1, 1]),
);

const mapped = jit(vmap(net));
mapped(xs);
net.bias.assign(tensor([0, 10, 20, 30]));
await check(
  "compiled calls read the bias of the time",
  mapped(xs),
  batch.map((x) => linear(x, [0, 10, 20, 30])),
);

finish();

/** The layer once more, in plain JavaScript. */
function linear(x: readonly number[], bias: readonly number[]): number[] {
  return bias.map((b, row) => x.reduce((sum, value, column) => sum + ((row * x.length + column + 1) / 10) * value, b));
}

function transposed(rows: readonly (readonly number[])[]): number[][] {
  return rows[0]!.map((_, column) => rows.map((row) => row[column]!));
}
