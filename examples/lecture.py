"""The lecture on multi-layer perceptrons, typed along: its four snippets, then a network that reads digits.

Run it as `python examples/lecture.py`. examples/lecture.ipynb holds the same cells; tools/make_notebook.py
makes it from this file.
"""

# %% [markdown]
# # Deep learning, multi-layer perceptrons: what frameworks are about
#
# 1. Automatic differentiation
# 2. Computations on different hardware
# 3. Layer modules
# 4. Data loading and handling
#
# At the end these four come together: a perceptron, then a multi-layer perceptron, learns handwritten digits.

# %%
import argparse
import os
import time

os.environ.setdefault("MPLBACKEND", "Agg")     # draws into a file; a notebook has set its own by now

import ctorch as torch
import matplotlib.pyplot as plt
from ctorch import nn, optim
from ctorch.utils.data import DataLoader, Dataset, TensorDataset
from ctorch.vision import transforms
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from tqdm import tqdm

# %% options
parser = argparse.ArgumentParser(description="The lecture on multi-layer perceptrons, with ctorch.")
parser.add_argument("--seed", type=int, default=0, help="of the network's weights, the dropout and the "
                                                        "augmentation")
parser.add_argument("--epochs", type=int, help="20; on a simulated device, which is slow, 5")
parser.add_argument("--shuffle-labels", action="store_true", help="nothing is left to learn: expect about 10 "
                                                                  "%%")
parser.add_argument("--device", default="cuda:0" if torch.cuda.is_available() else "cpu")
parser.add_argument("--plot", default="lecture.png", help="file for the figure")
options = parser.parse_args()
if options.epochs is None:
    simulated = torch.device(options.device).type == "cuda" and os.environ.get("CTORCH_CUDA", "").startswith("sim")
    options.epochs = 5 if simulated else 20

# %% [markdown]
# ## 1. Automatic differentiation
#
# Each operation knows its gradient with respect to its inputs, and chains of them compose. Here
# $o = \frac14 \sum_i 3 (x_i + 2)^2$, so $\frac{\partial o}{\partial x_i} = \frac32 (x_i + 2) = 4.5$.

# %%
x = torch.ones(2, 2, requires_grad=True)
print("x =", x)
y = x + 2
print("y =", y)
z = y * y * 3
print("z =", z)
o = z.mean()
print("o =", o)
o.backward()
print("x.grad =", x.grad)

# %% [markdown]
# ## 2. Hardware
#
# If both model and data reside on the GPU, computations happen there. If only one of both is there, an
# exception is thrown. A tensor whose gradient is wanted cannot become an array: this part runs under
# `no_grad`.

# %%
device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
data = torch.randn(3, 1)
model = nn.Linear(1, 2)

data = data.to(device)
model = model.to(device)
with torch.no_grad():
    output = model(data)
output = output.cpu()
output = output.numpy()
print(f"computed on {device}: {type(output).__name__} of shape {output.shape}")

try:
    model(data).numpy()
except RuntimeError as error:
    print("without no_grad:", error)

# %% [markdown]
# ## 3. Layer modules
#
# A network is a chain of layers.

# %%
model = torch.nn.Sequential(
    torch.nn.Linear(1, 10),
    torch.nn.Dropout(0.5),
    torch.nn.ReLU(),
    torch.nn.Linear(10, 10),
    torch.nn.ReLU(),
    torch.nn.Linear(10, 1),
)
output = model(torch.randn(5, 1))
print(model)
print("output:", tuple(output.shape), "parameters:", sum(p.numel() for p in model.parameters()))

# %% [markdown]
# ## 4. Data: loading it, iterating over it, shuffling it, augmenting it

# %%
numbers = TensorDataset(torch.arange(10))
for (batch,) in DataLoader(numbers, batch_size=4, shuffle=True):
    print("a batch:", batch.tolist())

arrow = torch.tensor([[0.0, 1.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0], [0.0, 1.0, 0.0, 0.0]])
print("augmented:", transforms.RandomHorizontalFlip(p=1.0)(arrow), sep="\n")

# %% [markdown]
# ## Reading digits: from the perceptron to the multi-layer perceptron
#
# 1797 handwritten digits of 8 x 8 pixels; a fifth of each class is kept for the test.

# %%
device = torch.device(options.device)
print("training on", torch.cuda.get_device_name(device) if device.type == "cuda" else "the CPU")
torch.manual_seed(options.seed)
digits = load_digits()
images = torch.tensor(digits.images / 16.0, dtype=torch.float32).unsqueeze(1)
labels = torch.tensor(digits.target)
if options.shuffle_labels:
    labels = labels[torch.randperm(len(labels))]
train, test = train_test_split(
    list(range(len(images))), test_size=0.2, stratify=digits.target, random_state=0)


class Digits(Dataset):
    """Images with their labels; each image is transformed anew whenever it is asked for."""

    def __init__(self, images, labels, transform):
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.transform(self.images[index]), self.labels[index]


augment = transforms.RandomRotation(8, interpolation=transforms.InterpolationMode.BILINEAR)
plain = TensorDataset(images[train], labels[train])
augmented = Digits(images[train], labels[train], augment)
test_images, test_labels = images[test].to(options.device), labels[test].to(options.device)


# %%
def accuracy(model, images, labels):
    """The share of images whose greatest output is at their label."""
    model.eval()
    with torch.no_grad():
        return (model(images).argmax(1) == labels).float().mean().item()


def fit(name, model, dataset, epochs, lr):
    """Trains by stochastic gradient descent; returns the test accuracy after each epoch."""
    model.to(options.device)
    loader = DataLoader(dataset, batch_size=32, shuffle=True)
    optimizer = optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    loss_of = nn.CrossEntropyLoss()
    history = []
    start = time.perf_counter()
    progress = tqdm(range(1, epochs + 1), desc=name)
    for epoch in progress:
        model.train()
        total = 0.0
        for batch, targets in loader:
            batch, targets = batch.to(options.device), targets.to(options.device)
            optimizer.zero_grad()
            loss = loss_of(model(batch), targets)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(targets)
        schedule.step()
        history.append(accuracy(model, test_images, test_labels))
        progress.write(f"{name} epoch {epoch:2d}: loss {total / len(dataset):.4f}, "
                       f"test accuracy {100 * history[-1]:.2f} %")
    print(f"{name}: {epochs} epochs in {time.perf_counter() - start:.2f} s, "
          f"test accuracy {100 * history[-1]:.2f} %")
    return history


# %% [markdown]
# A perceptron has one layer: it can only draw straight lines between the classes.

# %%
perceptron = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
perceptron_history = fit("perceptron", perceptron, plain, options.epochs, lr=0.1)

# %% [markdown]
# Two hidden layers bend the lines; dropout and turned images keep the network from learning its examples by
# heart.

# %%
mlp = nn.Sequential(
    nn.Flatten(),
    nn.Linear(64, 256),
    nn.ReLU(),
    nn.Dropout(0.2),
    nn.Linear(256, 128),
    nn.ReLU(),
    nn.Dropout(0.2),
    nn.Linear(128, 10),
)
mlp_history = fit("MLP", mlp, augmented, options.epochs, lr=0.1)

# %% [markdown]
# ## What it has learnt

# %%
figure, (curve, gallery) = plt.subplots(1, 2, figsize=(10, 4), constrained_layout=True)
for name, history in (("perceptron", perceptron_history), ("MLP", mlp_history)):
    curve.plot(range(1, len(history) + 1), [100 * share for share in history], label=name)
curve.set(xlabel="epoch", ylabel="test accuracy (%)", title="Learning digits")
curve.xaxis.get_major_locator().set_params(integer=True)
curve.legend()

with torch.no_grad():
    guesses = mlp(test_images).argmax(1).cpu()
shown = torch.cat([image[0] for image in images[test[:10]]], dim=1)
gallery.imshow(shown, cmap="gray_r")
gallery.set(title="read as " + " ".join(str(guess) for guess in guesses[:10].tolist()), xticks=[], yticks=[])
figure.savefig(options.plot)
print("the figure is in", options.plot)
