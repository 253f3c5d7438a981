"""Rows of whole models: inference, training steps, optimizer steps, and the loading of data."""

from functools import partial

from benchmarks.row import Row, Work


def sgd(torch, parameters):
    return torch.optim.SGD(parameters, lr=1e-2)


def momentum(torch, parameters):
    return torch.optim.SGD(parameters, lr=1e-2, momentum=0.9)


def adam(torch, parameters):
    return torch.optim.Adam(parameters)


def adamw(torch, parameters):
    return torch.optim.AdamW(parameters)


def lecture(torch):
    """Model, data, target and loss of the lecture's regression."""
    nn = torch.nn
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(1, 10), nn.Dropout(0.5), nn.ReLU(), nn.Linear(10, 10), nn.ReLU(),
                          nn.Linear(10, 1))
    return model, torch.randn(32, 1), torch.randn(32, 1), nn.MSELoss()


def classifier(sizes, batch, torch):
    """The same of an MLP that tells ten classes apart."""
    torch.manual_seed(0)
    layers = []
    for n_in, n_out in zip(sizes, sizes[1:]):
        layers += [torch.nn.Linear(n_in, n_out), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    data, target = torch.randn(batch, sizes[0]), torch.randint(0, sizes[-1], (batch,))
    return model, data, target, torch.nn.CrossEntropyLoss()


def training_step(problem, optimizer, torch):
    def prepared():
        model, data, target, loss_of = problem(torch)
        stepper = optimizer(torch, model.parameters())

        def step():
            stepper.zero_grad()
            loss = loss_of(model(data), target)
            loss.backward()
            stepper.step()
            return loss.detach()

        return step

    def third_loss():
        step = prepared()
        step(), step()
        return step()

    return Work(prepared(), third_loss)


def inference(problem, torch):
    model, data, *_ = problem(torch)
    model.eval()

    def forward():
        with torch.no_grad():
            return model(data)

    return Work(forward)


def forward(problem, torch):
    model, data, *_ = problem(torch)

    def seeded():
        torch.manual_seed(0)
        return model(data)

    return Work(lambda: model(data), seeded)


def optimizer_step(make, tensors, size, torch):
    def prepared():
        torch.manual_seed(0)
        parameters = [torch.randn(size).requires_grad_() for _ in range(tensors)]
        for parameter in parameters:
            parameter.grad = torch.randn(size)
        return parameters, make(torch, parameters)

    def after_two():
        parameters, stepper = prepared()
        stepper.step(), stepper.step()
        return parameters[-1]

    return Work(prepared()[1].step, after_two)


def loading(workers, torch):
    from importlib import import_module

    data = import_module(torch.__name__ + ".utils.data")
    torch.manual_seed(0)
    dataset = data.TensorDataset(torch.randn(4096, 64), torch.arange(4096))
    loader = data.DataLoader(dataset, batch_size=64, num_workers=workers)

    def epoch():
        for batch in loader:
            pass
        return batch[0]

    return Work(epoch)


def rows():
    made = [
        Row("lecture Sequential, batch 32, forward", "lecture model", partial(forward, lecture)),
        Row("lecture Sequential, batch 32, inference", "lecture model", partial(inference, lecture)),
    ]
    for name, make in (("SGD", sgd), ("Adam", adam)):
        made.append(Row(f"lecture Sequential, batch 32, {name} step", "lecture model",
                        partial(training_step, lecture, make)))
    for sizes, batch in (((784, 128, 10), 64), ((784, 512, 512, 10), 128)):
        text = "MLP " + "-".join(map(str, sizes))
        for name, make in (("SGD", sgd), ("Adam", adam)):
            made.append(Row(f"{text}, batch {batch}, {name} step", "MLP",
                            partial(training_step, partial(classifier, sizes, batch), make)))
        for rows_of_data in (1, batch):
            made.append(Row(f"{text}, batch {rows_of_data}, inference", "MLP",
                            partial(inference, partial(classifier, sizes, rows_of_data))))
    steps = (("SGD", sgd, 12), ("SGD with momentum", momentum, 20), ("Adam", adam, 28), ("AdamW", adamw, 28))
    for name, make, traffic in steps:
        for tensors, size, text in ((1, 1_000_000, "1 M"), (100, 10_000, "100 x 10 K"),
                                    (1, 10_000_000, "10 M")):
            made.append(Row(f"{name}.step(), {text} parameters", "optimizer",
                            partial(optimizer_step, make, tensors, size), bytes=traffic * tensors * size))
    for workers in (0, 2):
        made.append(Row(f"DataLoader, 4096 samples of 64 floats, batch 64, {workers} workers", "data",
                        partial(loading, workers), samples=4096))
    return made
