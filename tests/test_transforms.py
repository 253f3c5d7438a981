"""Image transforms: exact against NumPy where pixels move, against formulas in float64 where they mix."""

import colorsys
import math

import ctorch as torch
import numpy as np
import pytest
from ctorch.vision import transforms as T
from ctorch.vision.transforms import color, functional as F

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (10, 14, 3), dtype=np.uint8)
GREY = RNG.random((10, 14)).astype(np.float32)


def image():
    """PIXELS as a float tensor (3, 10, 14)."""
    return T.ToTensor()(PIXELS)


def channels_last(tensor):
    return tensor.permute(1, 2, 0).numpy()


def test_to_tensor():
    assert image().dtype == torch.float32 and image().shape == (3, 10, 14)
    assert np.array_equal(channels_last(image()), PIXELS.astype(np.float32) / np.float32(255))
    assert np.array_equal(T.ToTensor()(GREY).numpy(), GREY[None])
    assert T.ToTensor()(PIXELS[::-1, ::-1]).shape == (3, 10, 14)
    with pytest.raises(TypeError, match="pic should be PIL Image or ndarray"):
        T.ToTensor()([1, 2])
    with pytest.raises(ValueError, match="pic should be 2/3 dimensional"):
        T.ToTensor()(np.zeros(3))


def test_normalize():
    mean, std = [0.1, 0.2, 0.3], [0.5, 1.0, 2.0]
    expected = (channels_last(image()).astype(np.float64) - mean) / std
    original = image()
    assert np.allclose(channels_last(T.Normalize(mean, std)(original)), expected, atol=1e-6)
    assert np.array_equal(original.numpy(), image().numpy())
    assert T.Normalize(mean, std, inplace=True)(original) is original
    with pytest.raises(TypeError, match="should be a float tensor"):
        T.Normalize(mean, std)(torch.zeros(3, 2, 2, dtype=torch.uint8))
    with pytest.raises(ValueError, match="std evaluated to zero"):
        T.Normalize([0.0], [0.0])(image())


def test_flips_and_crops_are_numpys():
    for given, turned in ((PIXELS, lambda out: out), (image(), channels_last)):
        source = turned(given)
        assert np.array_equal(turned(F.hflip(given)), source[:, ::-1])
        assert np.array_equal(turned(F.vflip(given)), source[::-1])
        assert np.array_equal(turned(F.crop(given, 2, 3, 5, 6)), source[2:7, 3:9])
        assert np.array_equal(turned(T.CenterCrop((4, 6))(given)), source[3:7, 4:10])
        assert turned(T.CenterCrop(20)(given)).shape == (20, 20, 3)


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric"])
@pytest.mark.parametrize("padding, sides", [
    (2, (2, 2, 2, 2)), ((1, 3), (1, 3, 1, 3)), ((1, 2, 3, 4), (1, 2, 3, 4))])
def test_pad_is_numpys(mode, padding, sides):
    left, top, right, bottom = sides
    transform, frame = T.Pad(padding, padding_mode=mode), ((top, bottom), (left, right))
    assert np.array_equal(transform(PIXELS), np.pad(PIXELS, (*frame, (0, 0)), mode))
    assert np.array_equal(transform(GREY), np.pad(GREY, frame, mode))


def test_random_crop_draws_top_then_left():
    for seed in range(10):
        torch.manual_seed(seed)
        top, left = torch.randint(0, 7, (1,)).item(), torch.randint(0, 11, (1,)).item()
        torch.manual_seed(seed)
        window = T.RandomCrop((6, 6), padding=1)(PIXELS)
        assert np.array_equal(window, np.pad(PIXELS, ((1, 1), (1, 1), (0, 0)))[top:top + 6, left:left + 6])
    assert T.RandomCrop(20, pad_if_needed=True)(PIXELS).shape == (20, 20, 3)
    with pytest.raises(ValueError, match="larger than input image size"):
        T.RandomCrop(20)(PIXELS)


def test_flip_probability():
    torch.manual_seed(0)
    marked = torch.tensor([[0.0, 1.0]])
    flips = sum(T.RandomHorizontalFlip(0.3)(marked)[0, 0].item() for _ in range(2000))
    assert abs(flips - 600) < 4 * math.sqrt(2000 * 0.3 * 0.7)
    assert T.RandomVerticalFlip(0.0)(marked) is marked


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_rotation_by_quarters(mode):
    square = image()[:, :, :10]
    for quarters in range(4):
        expected = np.rot90(channels_last(square), quarters)
        assert np.allclose(channels_last(F.rotate(square, 90.0 * quarters, mode)), expected, atol=1e-5)
    whole = channels_last(F.rotate(image(), 90.0, mode, expand=True))
    assert np.allclose(whole, np.rot90(channels_last(image())), atol=1e-5)


def rotated_pixel(pixels, row, column, angle, fill):
    """One pixel of a bilinear rotation about the middle, by its formula in float64."""
    rows, columns = pixels.shape
    cos, sin = math.cos(angle), math.sin(angle)
    down, across = row - (rows - 1) / 2, column - (columns - 1) / 2
    x = across * cos - down * sin + (columns - 1) / 2
    y = across * sin + down * cos + (rows - 1) / 2
    total = 0.0
    for near_y in (math.floor(y), math.floor(y) + 1):
        for near_x in (math.floor(x), math.floor(x) + 1):
            inside = 0 <= near_y < rows and 0 <= near_x < columns
            value = float(pixels[near_y, near_x]) if inside else fill
            total += value * (1 - abs(y - near_y)) * (1 - abs(x - near_x))
    return total


def test_bilinear_rotation_formula():
    turned = F.rotate(torch.from_numpy(GREY)[None], 25.0, "bilinear", fill=0.5)[0].numpy()
    expected = [[rotated_pixel(GREY, row, column, math.radians(25.0), 0.5) for column in range(14)]
                for row in range(10)]
    assert np.allclose(turned, expected, atol=2e-5)


def test_random_rotation_draws_one_uniform():
    torch.manual_seed(3)
    angle = torch.empty(1).uniform_(-20.0, 20.0).item()
    torch.manual_seed(3)
    assert np.array_equal(T.RandomRotation(20)(PIXELS), F.rotate(PIXELS, angle))
    with pytest.raises(ValueError, match="must be positive"):
        T.RandomRotation(-1)


def test_resize():
    assert T.Resize(5)(image()).shape == (3, 5, 7)
    assert T.Resize((4, 9))(PIXELS).shape == (4, 9, 3)
    assert T.Resize(20, max_size=24)(image()).shape == (3, 17, 24)
    halves = channels_last(image()).astype(np.float64)
    nearest = channels_last(F.resize(image(), (5, 7), "nearest"))
    assert np.array_equal(nearest, halves[::2, ::2].astype(np.float32))
    plain = channels_last(F.resize(image(), (5, 7), antialias=False))
    assert np.allclose(plain, halves.reshape(5, 2, 7, 2, 3).mean((1, 3)), atol=1e-6)


@pytest.mark.parity
@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("size", [(5, 6), (20, 31), (7, 14), (1, 1)])
def test_resize_as_pytorch(size, antialias):
    oracle = pytest.importorskip("torch")
    source = oracle.from_numpy(image().numpy())[None]
    expected = oracle.nn.functional.interpolate(source, size=size, mode="bilinear", antialias=antialias)[0]
    assert np.allclose(F.resize(image(), size, antialias=antialias).numpy(), expected.numpy(), atol=2e-6)


def test_hue_is_colorsys():
    turned = channels_last(color.adjust_hue(image(), 0.2))
    for row in range(10):
        for column in range(14):
            h, s, v = colorsys.rgb_to_hsv(*(float(level) / 255 for level in PIXELS[row, column]))
            assert np.allclose(turned[row, column], colorsys.hsv_to_rgb((h + 0.2) % 1, s, v), atol=1e-5)


def test_color_formulas():
    source = channels_last(image()).astype(np.float64)
    grey = source @ [0.2989, 0.587, 0.114]
    cases = ((color.adjust_brightness, 0 * source), (color.adjust_contrast, grey.mean()),
             (color.adjust_saturation, grey[..., None]))
    for adjust, other in cases:
        for factor in (0.0, 0.6, 1.7):
            expected = np.clip(source * factor + other * (1 - factor), 0, 1)
            assert np.allclose(channels_last(adjust(image(), factor)), expected, atol=1e-6)
    torch.manual_seed(0)
    assert T.ColorJitter(0.2, 0.2, 0.2, 0.1)(PIXELS).dtype == np.uint8
    assert T.ColorJitter()(image()).tolist() == image().tolist()
    with pytest.raises(ValueError, match="hue values should be between"):
        T.ColorJitter(hue=0.7)


def test_random_erasing():
    torch.manual_seed(0)
    whole = torch.ones(3, 32, 32)
    shares = [1.0 - T.RandomErasing(1.0, value=0)(whole).mean().item() for _ in range(200)]
    assert 0.01 < min(shares) and max(shares) < 0.36 and whole.min().item() == 1.0
    assert T.RandomErasing(0.0)(whole) is whole
    assert T.RandomErasing(1.0, value=[1.0, 2.0, 3.0])(whole * 0)[2].max().item() == 3.0
    assert T.RandomErasing(1.0, value="random")(whole).shape == whole.shape


def test_compose_and_repr():
    chain = T.Compose([T.ToTensor(), T.Normalize((0.5,), (0.5,)), T.Lambda(lambda pixels: pixels.flatten())])
    assert chain(PIXELS).shape == (420,)
    assert repr(chain) == "Compose(\n    ToTensor()\n    Normalize(mean=(0.5,), std=(0.5,))\n    Lambda()\n)"
    assert repr(T.RandomCrop(8, padding=1)) == "RandomCrop(size=(8, 8), padding=1)"
    with pytest.raises(TypeError, match="should be callable"):
        T.Lambda(3)


def test_pil_images_give_the_arrays_pixels():
    Image = pytest.importorskip("PIL.Image")
    picture = Image.fromarray(PIXELS)
    assert np.array_equal(T.ToTensor()(picture).numpy(), image().numpy())
    moves = (T.RandomHorizontalFlip(1.0), T.RandomVerticalFlip(1.0), T.Pad(2),
             T.Pad(2, padding_mode="reflect"), T.RandomCrop(8, padding=1), T.CenterCrop(6), T.CenterCrop(20),
             T.RandomRotation(20))
    for transform in moves:
        torch.manual_seed(0)
        as_picture = np.asarray(transform(picture))
        torch.manual_seed(0)
        assert np.array_equal(as_picture, transform(PIXELS)), transform
    assert np.abs(np.asarray(T.Resize(5)(picture)).astype(int) - T.Resize(5)(PIXELS)).max() <= 1
    assert T.ColorJitter(0.2, 0.2, 0.2, 0.1)(picture).size == (14, 10)
