"""Image transforms for data loading and augmentation, on tensors, NumPy arrays and (if installed) PIL images.

A tensor image is (..., height, width), channels first; an array is (height, width) or (height, width,
channels) and stays an array; a PIL image stays one. Random transforms draw from ctorch's default generator,
in torchvision's order, so that `manual_seed` fixes the augmentation.
"""

from . import functional
from .color import ColorJitter
from .functional import InterpolationMode
from .geometry import (
    CenterCrop, Pad, RandomCrop, RandomErasing, RandomHorizontalFlip, RandomRotation, RandomVerticalFlip,
    Resize)
from .general import Compose, Lambda, Normalize, ToTensor

__all__ = [
    "CenterCrop", "ColorJitter", "Compose", "InterpolationMode", "Lambda", "Normalize", "Pad", "RandomCrop",
    "RandomErasing", "RandomHorizontalFlip", "RandomRotation", "RandomVerticalFlip", "Resize", "ToTensor",
    "functional"]
