"""Transforms that move pixels: flips, crops, padding, resizing, rotation, erasing.

What is random is drawn here; the moving is functional.py's.
"""

import math

from ... import empty, exp, float32, log, rand, randint, tensor
from . import functional as F
from .functional import InterpolationMode


def uniform(low: float, high: float) -> float:
    """One draw from [low, high) of the default generator."""
    return empty(1).uniform_(low, high).item()


class RandomHorizontalFlip:
    """Exchanges left and right with probability p."""

    def __init__(self, p: float = 0.5) -> None:
        self.p = p

    def __call__(self, image):
        return F.hflip(image) if rand(1).item() < self.p else image

    def __repr__(self) -> str:
        return f"RandomHorizontalFlip(p={self.p})"


class RandomVerticalFlip:
    """Exchanges top and bottom with probability p."""

    def __init__(self, p: float = 0.5) -> None:
        self.p = p

    def __call__(self, image):
        return F.vflip(image) if rand(1).item() < self.p else image

    def __repr__(self) -> str:
        return f"RandomVerticalFlip(p={self.p})"


class Pad:
    """Puts a frame around the image: see functional.pad."""

    def __init__(self, padding, fill=0, padding_mode: str = "constant") -> None:
        F.four_sides(padding)
        self.padding, self.fill, self.padding_mode = padding, fill, padding_mode

    def __call__(self, image):
        return F.pad(image, self.padding, self.fill, self.padding_mode)

    def __repr__(self) -> str:
        return f"Pad(padding={self.padding}, fill={self.fill}, padding_mode={self.padding_mode})"


class CenterCrop:
    """The middle of the image, of size (height, width) or a square."""

    def __init__(self, size) -> None:
        self.size = F.pair(size)

    def __call__(self, image):
        return F.center_crop(image, self.size)

    def __repr__(self) -> str:
        return f"CenterCrop(size={self.size})"


class RandomCrop:
    """A window of size (height, width) at a random place, after padding if asked for.

    pad_if_needed: frame an image that is too small. Raises ValueError for an image smaller than the window.
    """

    def __init__(self, size, padding=None, pad_if_needed: bool = False, fill=0,
                 padding_mode: str = "constant") -> None:
        self.size = F.pair(size)
        self.padding, self.pad_if_needed = padding, pad_if_needed
        self.fill, self.padding_mode = fill, padding_mode

    def __call__(self, image):
        if self.padding is not None:
            image = F.pad(image, self.padding, self.fill, self.padding_mode)
        height, width = self.size
        rows, columns = F.image_size(image)
        if self.pad_if_needed and columns < width:
            image = F.pad(image, [width - columns, 0], self.fill, self.padding_mode)
        if self.pad_if_needed and rows < height:
            image = F.pad(image, [0, height - rows], self.fill, self.padding_mode)
        top, left = self.get_params(image, self.size)
        return F.crop(image, top, left, height, width)

    @staticmethod
    def get_params(image, size) -> "tuple[int, int]":
        """A random (top, left); nothing is drawn where there is no choice."""
        (rows, columns), (height, width) = F.image_size(image), size
        if rows < height or columns < width:
            raise ValueError(f"Required crop size {(height, width)} is larger than input image size "
                             f"{(rows, columns)}")
        if (rows, columns) == (height, width):
            return 0, 0
        top = randint(0, rows - height + 1, (1,)).item()
        return top, randint(0, columns - width + 1, (1,)).item()

    def __repr__(self) -> str:
        return f"RandomCrop(size={self.size}, padding={self.padding})"


class Resize:
    """The image at another size: see functional.resize."""

    def __init__(self, size, interpolation: str = InterpolationMode.BILINEAR, max_size: "int | None" = None,
                 antialias: bool = True) -> None:
        self.size, self.interpolation = size, interpolation
        self.max_size, self.antialias = max_size, antialias

    def __call__(self, image):
        return F.resize(image, self.size, self.interpolation, self.max_size, self.antialias)

    def __repr__(self) -> str:
        return (f"Resize(size={self.size}, interpolation={self.interpolation}, max_size={self.max_size}, "
                f"antialias={self.antialias})")


class RandomRotation:
    """Turns the image by an angle drawn from [-degrees, degrees], or from a pair (low, high)."""

    def __init__(self, degrees, interpolation: str = InterpolationMode.NEAREST, expand: bool = False,
                 center=None, fill=0) -> None:
        if isinstance(degrees, (int, float)):
            if degrees < 0:
                raise ValueError(f"If degrees is a single number, it must be positive. Got {degrees}")
            degrees = (-degrees, degrees)
        if len(degrees) != 2:
            raise ValueError(f"degrees should be a sequence of length 2. Got {degrees}")
        self.degrees = [float(degree) for degree in degrees]
        self.interpolation, self.expand, self.center, self.fill = interpolation, expand, center, fill

    def __call__(self, image):
        angle = uniform(*self.degrees)
        return F.rotate(image, angle, self.interpolation, self.expand, self.center, self.fill)

    def __repr__(self) -> str:
        center = "" if self.center is None else f", center={self.center}"
        return (f"RandomRotation(degrees={self.degrees}, interpolation={self.interpolation}, "
                f"expand={self.expand}{center}, fill={self.fill})")


class RandomErasing:
    """With probability p replaces a random window of a tensor image (Zhong et al., 2020).

    scale: range of the window's share of the area; ratio: range of its height to width. value: a number, one
    per channel, or "random" for normal noise.
    """

    def __init__(self, p: float = 0.5, scale=(0.02, 0.33), ratio=(0.3, 3.3), value=0,
                 inplace: bool = False) -> None:
        if not 0 <= p <= 1:
            raise ValueError("Random erasing probability should be between 0 and 1")
        if isinstance(value, str) and value != "random":
            raise ValueError("If value is str, it should be 'random'")
        self.p, self.scale, self.ratio, self.value, self.inplace = p, scale, ratio, value, inplace

    def __call__(self, image):
        if rand(1).item() >= self.p:
            return image
        window = self._window(image)
        return image if window is None else F.erase(image, *window, self.inplace)

    def _window(self, image) -> "tuple | None":
        """(top, left, height, width, value) after at most ten tries; None if none of them fits."""
        channels, (rows, columns) = image.shape[-3], F.image_size(image)
        low, high = log(tensor(self.ratio, dtype=float32)).tolist()
        for _ in range(10):
            area = rows * columns * uniform(*self.scale)
            aspect = exp(empty(1).uniform_(low, high)).item()
            height, width = int(round(math.sqrt(area * aspect))), int(round(math.sqrt(area / aspect)))
            if height >= rows or width >= columns:
                continue
            value = self._value(channels, height, width)
            top = randint(0, rows - height + 1, (1,)).item()
            return top, randint(0, columns - width + 1, (1,)).item(), height, width, value
        return None

    def _value(self, channels: int, height: int, width: int):
        if self.value == "random":
            return empty(channels, height, width).normal_()
        values = list(self.value) if isinstance(self.value, (list, tuple)) else [self.value]
        if len(values) not in (1, channels):
            raise ValueError("If value is a sequence, it should have either a single value or "
                             f"{channels} (number of input channels)")
        return tensor(values, dtype=float32).view(-1, 1, 1)

    def __repr__(self) -> str:
        return (f"RandomErasing(p={self.p}, scale={self.scale}, ratio={self.ratio}, value={self.value}, "
                f"inplace={self.inplace})")
