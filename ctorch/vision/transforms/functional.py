"""What the transforms do once their random numbers are drawn.

Every function takes a tensor (..., H, W), an array (H, W[, C]) or a PIL image and returns the same kind. The
work is written once, for tensors; an array is looked at as one, and PIL images use PIL. Neither NumPy nor PIL
is imported here: an image can only be theirs if somebody has imported them.
"""

import math
import sys

from ... import Tensor, arange, as_tensor, from_numpy, get_default_dtype, int64, lerp, tensor, uint8


class InterpolationMode:
    """How pixels between pixels are valued."""

    NEAREST = "nearest"
    BILINEAR = "bilinear"


def is_pil(image) -> bool:
    pil = sys.modules.get("PIL.Image")
    return pil is not None and isinstance(image, pil.Image)


def is_array(image) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(image, numpy.ndarray)


def image_size(image) -> "tuple[int, int]":
    """(height, width)."""
    if is_pil(image):
        return image.height, image.width
    if is_array(image):
        return image.shape[0], image.shape[1]
    if isinstance(image, Tensor) and image.dim() >= 2:
        return image.shape[-2], image.shape[-1]
    raise TypeError("an image is a tensor (..., H, W), an array (H, W) or (H, W, C) or a PIL Image. "
                    f"Got {type(image)}")


def to_tensor(image):
    """(C, H, W) of a PIL image or an array (H, W[, C]); 8-bit values are scaled to [0, 1]."""
    if is_pil(image):
        import numpy
        # PIL's own modes: "1" is bool, "I" 32-bit, "F" float32, "I;16" 16-bit, the rest 8-bit.
        array = numpy.array(image, copy=True)
        image = array.astype(numpy.uint8) * 255 if array.dtype == bool else array
    elif not is_array(image):
        raise TypeError(f"pic should be PIL Image or ndarray. Got {type(image)}")
    if image.ndim not in (2, 3):
        raise ValueError(f"pic should be 2/3 dimensional. Got {image.ndim} dimensions.")
    if image.ndim == 2:
        image = image[:, :, None]
    result = from_numpy(image.copy() if min(image.strides) < 0 else image).permute(2, 0, 1).contiguous()
    return result.to(get_default_dtype()).div(255) if result.dtype == uint8 else result


def normalize(image, mean, std, inplace: bool = False):
    """(image - mean) / std by channel. Raises TypeError for integers, ValueError for a zero std."""
    if not isinstance(image, Tensor):
        raise TypeError(f"img should be Tensor Image. Got {type(image)}; put ToTensor before Normalize")
    if not image.is_floating_point():
        raise TypeError(f"Input tensor should be a float tensor. Got {image.dtype}.")
    if image.dim() < 3:
        raise ValueError("Expected tensor to be a tensor image of size (..., C, H, W). "
                         f"Got tensor.size() = {tuple(image.shape)}.")
    mean, std = (as_tensor(value, dtype=image.dtype, device=image.device) for value in (mean, std))
    if (std == 0).any():
        raise ValueError(f"std evaluated to zero after conversion to {image.dtype}, leading to division by "
                         "zero.")
    mean, std = (value.view(-1, 1, 1) if value.dim() == 1 else value for value in (mean, std))
    return (image if inplace else image.clone()).sub_(mean).div_(std)


def hflip(image):
    """Left and right exchanged."""
    if is_pil(image):
        return image.transpose(0)   # PIL's FLIP_LEFT_RIGHT
    return _on_tensor(image, lambda pixels: pixels.flip(-1))


def vflip(image):
    """Top and bottom exchanged."""
    if is_pil(image):
        return image.transpose(1)   # PIL's FLIP_TOP_BOTTOM
    return _on_tensor(image, lambda pixels: pixels.flip(-2))


def crop(image, top: int, left: int, height: int, width: int):
    """A window of the image; what lies outside is 0."""
    if is_pil(image):
        return image.crop((left, top, left + width, top + height))
    rows, columns = image_size(image)
    outside = [max(-left, 0), max(-top, 0), max(left + width - columns, 0), max(top + height - rows, 0)]
    if any(outside):
        image = pad(image, outside)
    top, left = max(top, 0), max(left, 0)
    return _on_tensor(image, lambda pixels: pixels[..., top:top + height, left:left + width])


def center_crop(image, size):
    """The middle of the image, of (height, width); a smaller image is padded with 0 first."""
    height, width = pair(size)
    rows, columns = image_size(image)
    if height > rows or width > columns:
        across, down = max(width - columns, 0), max(height - rows, 0)
        image = pad(image, [across // 2, down // 2, (across + 1) // 2, (down + 1) // 2])
        rows, columns = image_size(image)
    return crop(image, int(round((rows - height) / 2.0)), int(round((columns - width) / 2.0)), height, width)


def pad(image, padding, fill=0, padding_mode: str = "constant"):
    """A frame around the image.

    padding: one number, (left and right, top and bottom) or (left, top, right, bottom).
    padding_mode: "constant" (of value fill), "edge", "reflect" (edge not repeated) or "symmetric" (repeated).
    """
    left, top, right, bottom = four_sides(padding)
    if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
        raise ValueError("Padding mode should be either constant, edge, reflect or symmetric")
    if is_pil(image):
        return _pad_pil(image, (left, top, right, bottom), fill, padding_mode)
    if padding_mode == "constant":
        return _on_tensor(image, lambda pixels: _frame(pixels, left, top, right, bottom, fill))
    rows, columns = image_size(image)
    down = tensor(_mirrored(rows, top, bottom, padding_mode))
    across = tensor(_mirrored(columns, left, right, padding_mode))
    return _on_tensor(image, lambda pixels: pixels.index_select(-2, down).index_select(-1, across))


def resize(image, size, interpolation: str = InterpolationMode.BILINEAR, max_size: "int | None" = None,
           antialias: bool = True):
    """The image at another size: (height, width), or one number for the shorter side.

    antialias: average over all pixels that a smaller result covers (a triangle filter); PIL always does.
    """
    rows, columns = image_size(image)
    height, width = _target_size(rows, columns, size, max_size)
    if is_pil(image):
        return image.resize((width, height), 0 if interpolation == InterpolationMode.NEAREST else 2)
    if interpolation == InterpolationMode.NEAREST:
        down = tensor([row * rows // height for row in range(height)])
        across = tensor([column * columns // width for column in range(width)])
        return _on_tensor(image, lambda pixels: pixels.index_select(-2, down).index_select(-1, across))
    down = _triangle_weights(rows, height, antialias)
    across = _triangle_weights(columns, width, antialias).t()
    return _on_tensor(image, lambda pixels: _in_float(
        pixels, lambda values: down.to(values.dtype) @ values @ across.to(values.dtype)))


def rotate(image, angle: float, interpolation: str = InterpolationMode.NEAREST, expand: bool = False,
           center=None, fill=0):
    """The image turned by angle degrees, counter-clockwise.

    expand: make the result large enough for all of it. center: (x, y) from the top left corner, the middle by
    default. fill: the value of what comes from outside.
    """
    if is_pil(image):
        return image.rotate(angle, 0 if interpolation == InterpolationMode.NEAREST else 2, expand, center,
                            fillcolor=fill)
    rows, columns = image_size(image)
    height, width, y, x = _turned_grid(rows, columns, math.radians(angle), expand, center)
    if interpolation == InterpolationMode.NEAREST:
        return _on_tensor(image, lambda pixels: _sample_nearest(pixels, height, width, y, x, fill))
    return _on_tensor(image, lambda pixels: _in_float(
        pixels, lambda values: _sample_bilinear(values, height, width, y, x, fill)))


def erase(image, top: int, left: int, height: int, width: int, value, inplace: bool = False):
    """A window of a tensor image replaced by value, a tensor that broadcasts to it."""
    if not isinstance(image, Tensor):
        raise TypeError(f"img should be Tensor Image. Got {type(image)}; put ToTensor before RandomErasing")
    image = image if inplace else image.clone()
    image[..., top:top + height, left:left + width] = value
    return image


def pair(size) -> "tuple[int, int]":
    """(height, width) of one number or a sequence of one or two."""
    if isinstance(size, int):
        return size, size
    size = tuple(size)
    if len(size) not in (1, 2):
        raise ValueError(f"Please provide only two dimensions (h, w) for size. Got {size}")
    return size * 2 if len(size) == 1 else size


def four_sides(padding) -> "tuple[int, int, int, int]":
    """(left, top, right, bottom) of one number or of a sequence of one, two or four."""
    if isinstance(padding, int):
        return (padding,) * 4
    padding = tuple(padding)
    if len(padding) not in (1, 2, 4):
        raise ValueError(f"Padding must be an int or a 1, 2, or 4 element tuple, not a {len(padding)} "
                         "element tuple")
    return padding * (4 // len(padding))


def _on_tensor(image, work):
    """work(tensor image), for an array on a tensor that shares its memory, with the result turned back."""
    if isinstance(image, Tensor):
        return work(image)
    if not is_array(image):
        raise TypeError(f"img should be a tensor, an ndarray or a PIL Image. Got {type(image)}")
    pixels = from_numpy(image.copy() if min(image.strides) < 0 or not image.flags.writeable else image)
    if image.ndim == 2:
        return work(pixels).contiguous().numpy()
    return work(pixels.permute(2, 0, 1)).permute(1, 2, 0).contiguous().numpy()


def _in_float(pixels, work):
    """work(pixels) in floating point; the result rounded to the dtype of integer pixels."""
    if pixels.is_floating_point():
        return work(pixels)
    result = work(pixels.to(get_default_dtype())).round()
    return (result.clamp(0, 255) if pixels.dtype == uint8 else result).to(pixels.dtype)


def _frame(pixels, left: int, top: int, right: int, bottom: int, fill):
    rows, columns = pixels.shape[-2:]
    if min(left, top, right, bottom) < 0:
        # A negative side crops.
        pixels = pixels[..., max(-top, 0):rows - max(-bottom, 0), max(-left, 0):columns - max(-right, 0)]
        return _frame(pixels, max(left, 0), max(top, 0), max(right, 0), max(bottom, 0), fill)
    shape = (*pixels.shape[:-2], top + rows + bottom, left + columns + right)
    result = pixels.new_zeros(shape) if isinstance(fill, (list, tuple)) else pixels.new_full(shape, fill)
    if isinstance(fill, (list, tuple)):
        result += as_tensor(fill, dtype=pixels.dtype).view(-1, 1, 1)
    result[..., top:top + rows, left:left + columns] = pixels
    return result


def _mirrored(count: int, before: int, after: int, mode: str) -> "list[int]":
    """Which of `count` rows stands at each place of the padded image."""
    places = range(-before, count + after)
    if mode == "edge":
        return [min(max(place, 0), count - 1) for place in places]
    period = 2 * count if mode == "symmetric" else 2 * count - 2
    if mode == "reflect" and max(before, after) >= count:
        raise RuntimeError("Padding size should be less than the corresponding input dimension, "
                           f"but got padding {max(before, after)} for a side of {count}")
    wrapped = (place % period for place in places)
    return [place if place < count else period - place - (mode == "symmetric") for place in wrapped]


def _pad_pil(image, sides, fill, mode: str):
    import numpy
    from PIL import Image, ImageOps
    if mode == "constant":
        return ImageOps.expand(image, border=tuple(sides), fill=fill)
    left, top, right, bottom = sides
    pixels = numpy.asarray(image)
    frame = ((top, bottom), (left, right)) + ((0, 0),) * (pixels.ndim - 2)
    return Image.fromarray(numpy.pad(pixels, frame, mode=mode))


def _target_size(rows: int, columns: int, size, max_size: "int | None") -> "tuple[int, int]":
    if not isinstance(size, int) and len(size) == 2:
        return tuple(size)
    short = size if isinstance(size, int) else size[0]
    long = int(short * max(rows, columns) / min(rows, columns))
    if max_size is not None and long > max_size:
        short, long = int(max_size * short / long), max_size
    return (short, long) if rows <= columns else (long, short)


def _triangle_weights(count: int, target: int, antialias: bool):
    """(target, count): how much each old pixel gives to each new one; the rows sum to 1.

    Linear interpolation between pixel centres; when shrinking with antialias the triangle is widened to the
    scale, so that every old pixel contributes.
    """
    scale = count / target
    width = max(scale, 1.0) if antialias else 1.0
    rows = []
    for place in range(target):
        centre = (place + 0.5) * scale - 0.5
        if not antialias:
            centre = min(max(centre, 0.0), count - 1.0)
        row = [max(0.0, 1.0 - abs(old - centre) / width) for old in range(count)]
        total = sum(row)
        rows.append([weight / total for weight in row])
    return tensor(rows)


def _turned_grid(rows: int, columns: int, angle: float, expand: bool, center):
    """(height, width, y, x): the result's size and the old place, in pixels, of each of its pixels."""
    cos, sin = math.cos(angle), math.sin(angle)
    height, width = rows, columns
    if expand:
        # The corners' bounding box; the small number keeps rounding noise from adding a row.
        height = math.ceil(abs(rows * cos) + abs(columns * sin) - 1e-6)
        width = math.ceil(abs(columns * cos) + abs(rows * sin) - 1e-6)
    away_x = 0.0 if center is None or expand else center[0] - columns / 2
    away_y = 0.0 if center is None or expand else center[1] - rows / 2
    down = (arange(height) - ((height - 1) / 2 + away_y)).view(-1, 1)
    across = (arange(width) - ((width - 1) / 2 + away_x)).view(1, -1)
    x = across * cos - down * sin + ((columns - 1) / 2 + away_x)
    y = across * sin + down * cos + ((rows - 1) / 2 + away_y)
    return height, width, y.view(-1), x.view(-1)


def _sample_nearest(pixels, height: int, width: int, y, x, fill):
    """The pixel nearest to each place (y, x); outside of the image, fill."""
    rows, columns = pixels.shape[-2:]
    # One pixel of frame stands for everything outside.
    flat = _frame(pixels, 1, 1, 1, 1, fill).flatten(-2)
    row, column = y.round().clamp(-1, rows) + 1, x.round().clamp(-1, columns) + 1
    index = (row * (columns + 2) + column).to(int64)
    return flat.index_select(-1, index).view(*pixels.shape[:-2], height, width)


def _sample_bilinear(pixels, height: int, width: int, y, x, fill):
    """Linear interpolation between the four pixels around each place (y, x); outside of the image, fill."""
    rows, columns = pixels.shape[-2:]
    flat = _frame(pixels, 1, 1, 1, 1, fill).flatten(-2)
    y, x = y.clamp(-1, rows) + 1, x.clamp(-1, columns) + 1
    row, column = y.floor().clamp(max=rows), x.floor().clamp(max=columns)
    index = (row * (columns + 2) + column).to(int64)
    below = index + (columns + 2)
    across = x - column
    upper = lerp(flat.index_select(-1, index), flat.index_select(-1, index + 1), across)
    lower = lerp(flat.index_select(-1, below), flat.index_select(-1, below + 1), across)
    return lerp(upper, lower, y - row).view(*pixels.shape[:-2], height, width)
