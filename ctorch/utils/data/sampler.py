"""Samplers: iterables of indices, or of lists of indices. Their draws are PyTorch's, in PyTorch's order."""

from itertools import islice
from types import GenericAlias

from ... import Generator, as_tensor, empty, float64, int64, multinomial, randint, randperm


class Sampler:
    """Base of samplers: subclasses define `__iter__`, and `__len__` where the number of indices is known."""

    __class_getitem__ = classmethod(GenericAlias)

    def __init__(self, data_source=None) -> None:
        """data_source: not used; older scripts pass it."""

    def __iter__(self):
        raise NotImplementedError


class SequentialSampler(Sampler):
    """0, 1, ..., len(data_source) - 1."""

    def __init__(self, data_source) -> None:
        self.data_source = data_source

    def __iter__(self):
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler):
    """A random order of the indices of data_source; with replacement, num_samples independent draws.

    Without replacement num_samples may exceed the length: further permutations follow. generator: where the
    numbers come from; if None, every epoch seeds a generator of its own from the default one.
    """

    def __init__(self, data_source, replacement: bool = False, num_samples: "int | None" = None,
                 generator=None) -> None:
        if not isinstance(replacement, bool):
            raise TypeError(f"replacement should be a boolean value, but got replacement={replacement}")
        self.data_source, self.replacement, self.generator = data_source, replacement, generator
        self._num_samples = num_samples
        if not isinstance(self.num_samples, int) or self.num_samples <= 0:
            raise ValueError("num_samples should be a positive integer value, but got "
                             f"num_samples={self.num_samples}"
                             + ("; the dataset is empty" if num_samples is None else ""))

    @property
    def num_samples(self) -> int:
        """The number asked for, or the data set's present length."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self):
        generator = self.generator
        if generator is None:
            generator = Generator()
            generator.manual_seed(draw_seed())
        n, count, device = len(self.data_source), self.num_samples, device_of(generator)
        if self.replacement:
            # Chunks of 32, and an empty last one: the stream's position after an epoch is PyTorch's.
            for _ in range(count // 32):
                yield from randint(n, (32,), dtype=int64, generator=generator, device=device).tolist()
            yield from randint(n, (count % 32,), dtype=int64, generator=generator, device=device).tolist()
        else:
            for _ in range(count // n):
                yield from randperm(n, generator=generator, device=device).tolist()
            yield from randperm(n, generator=generator, device=device).tolist()[:count % n]

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler):
    """The given indices in a random order."""

    def __init__(self, indices, generator=None) -> None:
        self.indices, self.generator = indices, generator

    def __iter__(self):
        device = device_of(self.generator)
        for i in randperm(len(self.indices), generator=self.generator, device=device).tolist():
            yield self.indices[i]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler):
    """num_samples indices of `weights`, each drawn with a probability proportional to its weight."""

    def __init__(self, weights, num_samples: int, replacement: bool = True, generator=None) -> None:
        _check_positive_int("num_samples", num_samples)
        _check_bool("replacement", replacement)
        self.weights = as_tensor(weights, dtype=float64, device=device_of(generator))
        if self.weights.dim() != 1:
            raise ValueError("weights should be a 1d sequence but given weights have shape "
                             f"{tuple(self.weights.shape)}")
        self.num_samples, self.replacement, self.generator = num_samples, replacement, generator

    def __iter__(self):
        drawn = multinomial(self.weights, self.num_samples, self.replacement, generator=self.generator)
        yield from drawn.tolist()

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler):
    """Lists of batch_size indices from `sampler`, any iterable; drop_last leaves out a shorter last one."""

    def __init__(self, sampler, batch_size: int, drop_last: bool) -> None:
        _check_positive_int("batch_size", batch_size)
        _check_bool("drop_last", drop_last)
        self.sampler, self.batch_size, self.drop_last = sampler, batch_size, drop_last

    def __iter__(self):
        indices = iter(self.sampler)
        size = self.batch_size
        while batch := list(islice(indices, size)):
            if len(batch) < size and self.drop_last:
                return
            yield batch

    def __len__(self) -> int:
        if self.drop_last:
            return len(self.sampler) // self.batch_size
        return (len(self.sampler) + self.batch_size - 1) // self.batch_size


def draw_seed(generator=None) -> int:
    """A non-negative 63-bit seed: one int64 draw of `random_`."""
    return empty((), dtype=int64, device=device_of(generator)).random_(generator=generator).item()


def device_of(generator):
    """Where indices are drawn: the CPU, whatever the default device, unless the generator belongs elsewhere."""
    return "cpu" if generator is None else generator.device


def _check_positive_int(name: str, value) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise ValueError(f"{name} should be a positive integer value, but got {name}={value}")


def _check_bool(name: str, value) -> None:
    if not isinstance(value, bool):
        raise ValueError(f"{name} should be a boolean value, but got {name}={value}")
