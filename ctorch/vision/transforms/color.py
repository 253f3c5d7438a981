"""Random changes of brightness, contrast, saturation and hue, on images of three channels or one."""

from ... import Tensor, maximum, minimum, randperm, stack, where
from . import functional as F
from .geometry import uniform


class ColorJitter:
    """Changes brightness, contrast, saturation and hue by random amounts, in a random order.

    Each amount is a number, for a factor from [max(0, 1 - amount), 1 + amount] (hue: a shift from [-amount,
    amount], at most 0.5), or a range. 0 leaves that property alone.
    """

    def __init__(self, brightness=0, contrast=0, saturation=0, hue=0) -> None:
        self.brightness = _range("brightness", brightness)
        self.contrast = _range("contrast", contrast)
        self.saturation = _range("saturation", saturation)
        self.hue = _range("hue", hue, middle=0.0, limits=(-0.5, 0.5))

    def __call__(self, image):
        order = randperm(4).tolist()
        ranges = (self.brightness, self.contrast, self.saturation, self.hue)
        amounts = [None if bounds is None else uniform(*bounds) for bounds in ranges]
        for which in order:
            if amounts[which] is not None:
                image = (adjust_brightness, adjust_contrast, adjust_saturation, adjust_hue)[which](
                    image, amounts[which])
        return image

    def __repr__(self) -> str:
        return (f"ColorJitter(brightness={self.brightness}, contrast={self.contrast}, "
                f"saturation={self.saturation}, hue={self.hue})")


def adjust_brightness(image, factor: float):
    """Blends with black: 0 is black, 1 the image, 2 twice as bright."""
    if F.is_pil(image):
        return _enhance(image, "Brightness", factor)
    return _blend(image, lambda pixels: pixels * 0, factor)


def adjust_contrast(image, factor: float):
    """Blends with the mean grey."""
    if F.is_pil(image):
        return _enhance(image, "Contrast", factor)
    return _blend(image, lambda pixels: _grey(pixels).mean((-3, -2, -1), keepdim=True), factor)


def adjust_saturation(image, factor: float):
    """Blends with the grey image."""
    if F.is_pil(image):
        return _enhance(image, "Color", factor)
    return _blend(image, _grey, factor)


def adjust_hue(image, shift: float):
    """Turns the colours by shift (1 is the whole circle); a grey image stays as it is."""
    if F.is_pil(image):
        return _shift_pil_hue(image, shift)
    if _channels(image) == 1:
        return image
    return _in_unit(image, lambda pixels: _from_hsv(*_turned(_to_hsv(pixels), shift)))


def _range(name: str, value, middle: float = 1.0, limits=(0.0, float("inf"))):
    """(low, high), or None if nothing is to change."""
    if isinstance(value, (int, float)):
        if value < 0:
            raise ValueError(f"If {name} is a single number, it must be non negative.")
        low, high = middle - value, middle + value
        if middle == 1.0:
            low = max(low, 0.0)
    else:
        low, high = value
    if not limits[0] <= low <= high <= limits[1]:
        raise ValueError(f"{name} values should be between {limits}, but got {(low, high)}.")
    return None if low == high == middle else (low, high)


def _enhance(image, name: str, factor: float):
    from PIL import ImageEnhance
    return getattr(ImageEnhance, name)(image).enhance(factor)


def _channels(image) -> int:
    if isinstance(image, Tensor):
        return image.shape[-3]
    return image.shape[2] if image.ndim == 3 else 1


def _in_unit(image, work):
    """work on pixels scaled to [0, 1], the result limited to it and scaled back."""
    def scaled(pixels):
        if pixels.dim() == 2:
            return scaled(pixels[None])[0]
        if pixels.is_floating_point():
            return work(pixels).clamp(0.0, 1.0)
        return F._in_float(pixels, lambda values: (work(values / 255.0) * 255.0).clamp(0.0, 255.0))
    return F._on_tensor(image, scaled)


def _blend(image, other, factor: float):
    return _in_unit(image, lambda pixels: pixels * factor + other(pixels) * (1.0 - factor))


def _grey(pixels):
    """Luma of ITU-R BT.601, one channel."""
    if pixels.shape[-3] == 1:
        return pixels
    red, green, blue = pixels.unbind(-3)
    return (0.2989 * red + 0.587 * green + 0.114 * blue).unsqueeze(-3)


def _to_hsv(pixels):
    """Hue, saturation and value, each in [0, 1], of channels red, green, blue (Smith, 1978)."""
    red, green, blue = pixels.unbind(-3)
    value = maximum(maximum(red, green), blue)
    spread = value - minimum(minimum(red, green), blue)
    flat = spread == 0
    saturation = spread / where(flat, 1.0 + value * 0, value)
    divisor = where(flat, 1.0 + value * 0, spread)
    sixth = where(value == red, (green - blue) / divisor,
                  where(value == green, 2.0 + (blue - red) / divisor, 4.0 + (red - green) / divisor))
    return sixth / 6.0 % 1.0, saturation, value


def _turned(hsv, shift: float):
    hue, saturation, value = hsv
    return (hue + shift) % 1.0, saturation, value


def _from_hsv(hue, saturation, value):
    """The inverse of _to_hsv: channel n is v - v s max(0, min(k, 4 - k, 1)) with k = (n + 6 h) mod 6."""
    channels = []
    for n in (5.0, 3.0, 1.0):
        k = (n + hue * 6.0) % 6.0
        channels.append(value - value * saturation * minimum(k, 4.0 - k).clamp(0.0, 1.0))
    return stack(channels, -3)


def _shift_pil_hue(image, shift: float):
    from PIL import Image
    if image.mode in ("L", "1", "I", "F"):
        return image
    hue, saturation, value = image.convert("HSV").split()
    turned = hue.point(lambda level: (level + round(shift * 255)) % 256)
    return Image.merge("HSV", (turned, saturation, value)).convert(image.mode)
