"""Every call of op_calls.py on a CUDA device beside the CPU, forwards and backwards: what `make cuda-hostile` runs on the
simulated device under one detector after another.

    python tests/cuda_walk.py [N]               every Nth call
    python tests/cuda_walk.py --failures [N]    each call again and again, with its 1st, 2nd, 3rd ... request to CUDA failing
    python tests/cuda_walk.py --mixed [N]       each call with one operand on another device than the others

Launches are not waited for, and the calls run in a stream that is not the default one.
"""

import itertools
import os
import re
import sys
import warnings

from device_calls import CALLS as FURTHER
from op_calls import CALLS, scope

import ctorch as torch

# Out of memory for good, and out of resources at one launch; what one call of cudaMalloc lacks is there after a retry.
FAILURES = [("cudaMalloc:{}+:2", torch.cuda.OutOfMemoryError), ("cudaLaunchKernel:{}:701", RuntimeError)]


# A device writes one of the values that are for one place, it is not said which.
WALKED = [text for text in CALLS + FURTHER if text != "torch.index_put(x, (i,), v)"]
DRAWN = re.compile(r"ropout|nn\.Linear|Sequential|rand|normal|uniform|bernoulli|poisson\(|multinomial|exponential|geometric|"
                   r"cauchy|random|empty|resize")


def is_drawn(text):
    """Whether the call's numbers are of the device's own stream, or nobody's."""
    return DRAWN.search(text) is not None


def outcome(text, device):
    """The call's results and the gradients of its operands, as tensors there."""
    torch.set_default_device(device)
    names = scope(torch)
    leaves = [t for t in names.values() if isinstance(t, torch.Tensor) and t.requires_grad]
    result = eval(text, names)
    results = [part if isinstance(part, torch.Tensor) else torch.tensor(part)
               for part in (result if isinstance(result, (tuple, list)) else [result])]
    for part in results:
        if part.requires_grad:
            part.sum().backward(retain_graph=True)
    return [part.detach() for part in results] + [leaf.grad for leaf in leaves if leaf.grad is not None]


def outcome_in_a_stream(text):
    stream, current = torch.cuda.Stream(), torch.cuda.current_stream()
    stream.wait_stream(current)
    with torch.cuda.stream(stream):
        tensors = outcome(text, "cuda")
    current.wait_stream(stream)
    return [tensor.cpu() for tensor in tensors]


def check(text, tensors, expected):
    assert [t.shape for t in tensors] == [t.shape for t in expected], text
    for ours, theirs in zip(tensors, expected, strict=True):
        same = torch.allclose(ours.double(), theirs.double(), rtol=1e-4, atol=1e-5, equal_nan=True)
        assert same or is_drawn(text), f"{text}: {ours.tolist()} on cuda, {theirs.tolist()} on the CPU"


def training(device):
    """The loss before and after a few steps."""
    torch.set_default_device(device)
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
    losses = []
    for kind in (torch.optim.SGD, torch.optim.Adam):
        optimizer = kind(model.parameters(), lr=0.05)
        for _ in range(5):
            x, target = torch.arange(48.0).reshape(12, 4) / 48, torch.arange(12) % 3
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(x), target)
            loss.backward()
            optimizer.step()
            losses.append(loss)
    return losses[0].item(), losses[-1].item()


def fails(text, plan, kind):
    """Whether the plan stopped the call, which must then raise what it should, leave nothing, and succeed afterwards."""
    before = torch.cuda.memory_allocated()
    os.environ["CTSIM_FAIL"] = plan
    try:
        outcome(text, "cuda")
        torch.cuda.synchronize()
        stopped = False
    except kind:
        stopped = True
    os.environ["CTSIM_FAIL"] = ""
    torch.cuda.synchronize()
    assert torch.cuda.memory_allocated() == before, f"{text}: {plan} leaves memory behind"
    return stopped


def walk_with_failures(calls):
    count = 0
    for text in calls:
        torch.set_default_device("cpu")
        expected = outcome(text, "cpu")
        for plan, kind in FAILURES:
            stopped = next(n for n in itertools.count() if not fails(text, plan.format(n + 1), kind))
            count += stopped
            check(text, outcome_in_a_stream(text), expected)
    print(f"{len(calls)} calls, {count} failures")


REFUSED = re.compile("Expected all tensors to be on the same device|indices should be either on cpu or on the same device")


def mixed_outcome(text, odd, device, others):
    """The call's results as tensors on the CPU; None if it is refused for its operands' devices."""
    names = scope(torch)
    names |= {name: operand.detach().to(device if name == odd else others) for name, operand in names.items()
              if isinstance(operand, torch.Tensor)}
    try:
        result = eval(text, names)
        torch.cuda.synchronize()
    except RuntimeError as problem:
        assert REFUSED.search(str(problem)), f"{text}, {odd} on {device}: {problem}"
        return None
    parts = result if isinstance(result, (tuple, list)) else [result]
    return [part.cpu() if isinstance(part, torch.Tensor) else torch.tensor(part) for part in parts]


def walk_mixed(calls):
    torch.set_default_device("cpu")
    refused = 0
    for text in calls:
        for odd in sorted(name for name in set(re.findall(r"\b[a-z]\b", text)) if isinstance(scope(torch).get(name), torch.Tensor)):
            for device, others in (("cpu", "cuda"), ("cuda", "cpu")):
                tensors = mixed_outcome(text, odd, device, others)
                if tensors is None:
                    refused += 1
                else:
                    check(text, tensors, mixed_outcome(text, odd, "cpu", "cpu"))
    print(f"{len(calls)} calls, {refused} refused")


def walk(calls):
    for text in calls:
        check(text, outcome_in_a_stream(text), outcome(text, "cpu"))
    first, last = training("cuda")
    assert last < first
    print(f"{len(calls)} calls, training")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    every = int(sys.argv[-1]) if sys.argv[-1].isdigit() else 1
    kind = walk_with_failures if "--failures" in sys.argv else walk_mixed if "--mixed" in sys.argv else walk
    kind(WALKED[::every])
