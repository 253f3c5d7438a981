"""Transforms that know nothing of geometry or colour: chaining, conversion, normalisation."""

from . import functional as F


class Compose:
    """Applies transforms one after another."""

    def __init__(self, transforms) -> None:
        self.transforms = transforms

    def __call__(self, image):
        for transform in self.transforms:
            image = transform(image)
        return image

    def __repr__(self) -> str:
        return "\n".join(["Compose(", *(f"    {transform}" for transform in self.transforms), ")"])


class ToTensor:
    """A tensor (C, H, W) of a PIL image or an array (H, W[, C]); 8-bit values are scaled to [0, 1]."""

    def __call__(self, image):
        return F.to_tensor(image)

    def __repr__(self) -> str:
        return "ToTensor()"


class Normalize:
    """(image - mean) / std, by channel, of a floating-point tensor image (..., C, H, W)."""

    def __init__(self, mean, std, inplace: bool = False) -> None:
        self.mean, self.std, self.inplace = mean, std, inplace

    def __call__(self, image):
        return F.normalize(image, self.mean, self.std, self.inplace)

    def __repr__(self) -> str:
        return f"Normalize(mean={self.mean}, std={self.std})"


class Lambda:
    """Applies any function of one argument."""

    def __init__(self, lambd) -> None:
        if not callable(lambd):
            raise TypeError(f"Argument lambd should be callable, got {type(lambd).__name__!r}")
        self.lambd = lambd

    def __call__(self, image):
        return self.lambd(image)

    def __repr__(self) -> str:
        return "Lambda()"
