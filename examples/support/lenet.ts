// LeNet-5, and a module that trains it.
import { nn, optim, relu, type Tensor, valueAndGrad } from "lanewise";

/** LeNet-5: f32[…, 1, 32, 32] -> f32[…, 10], the logits of ten classes. After LeCun et al. 1998, with max-pooling. */
export class LeNet extends nn.Module {
  readonly layers: nn.Sequential;

  /** The weights are drawn from `weight`; without it, each layer has its own default. */
  constructor(weight?: nn.initialisers.Initialiser) {
    super();
    const options = weight ? { weight } : {};
    this.layers = new nn.Sequential(
      new nn.Conv2d(1, 6, 5, options),
      relu,
      new nn.MaxPool(2),
      new nn.Conv2d(6, 16, 5, options),
      relu,
      new nn.MaxPool(2),
      new nn.Flatten(),
      new nn.Dense(400, 120, options),
      relu,
      new nn.Dense(120, 84, options),
      relu,
      new nn.Dense(84, 10, options),
    );
  }

  forward(images: Tensor): Tensor {
    return this.layers.forward(images);
  }
}

/** A net with its loss and its optimiser, Adam with AMSGrad: called on a minibatch, it takes a step and gives the loss. */
export class TrainOneStep extends nn.Module {
  readonly optimiser: nn.Optimiser;

  constructor(
    readonly net: LeNet,
    learningRate: number,
  ) {
    super();
    this.optimiser = new nn.Optimiser(optim.adam({ learningRate, amsgrad: true }), net.parameters());
  }

  forward(images: Tensor, labels: Tensor): Tensor {
    const loss = (): Tensor => nn.softmaxCrossEntropy(this.net.forward(images), labels);
    const [value, gradients] = valueAndGrad(loss, { wrt: this.net.parameters() })();
    this.optimiser.forward(gradients);
    return value;
  }
}
