"""Whatever lies in a folder: the right pixels, or an error that names the file."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from contract.errors import ImageError
from contract.image import list_images, read_image

RED, GREEN, BLUE, GREY = (255, 0, 0), (0, 255, 0), (0, 0, 255), (100, 100, 100)
COLOURS = np.array([[RED, GREEN, BLUE], [GREY, RED, GREEN]], dtype=np.uint8)


def written(path: Path, image: Image.Image, **options: Any) -> Path:
    image.save(path, **options)
    return path


def test_rgb(tmp_path: Path) -> None:
    pixels = read_image(written(tmp_path / "x.png", Image.fromarray(COLOURS)))
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, COLOURS)


@pytest.mark.parametrize("suffix", [".bmp", ".png", ".tif", ".webp"])
def test_lossless_formats(tmp_path: Path, suffix: str) -> None:
    path = written(tmp_path / f"x{suffix}", Image.fromarray(COLOURS), lossless=True)
    np.testing.assert_array_equal(read_image(path), COLOURS)


def test_jpeg(tmp_path: Path) -> None:
    flat = np.full((16, 16, 3), (200, 100, 50), dtype=np.uint8)
    path = written(tmp_path / "x.jpg", Image.fromarray(flat), quality=100)
    assert np.abs(read_image(path).astype(int) - flat).max() <= 2


def test_grey_is_repeated(tmp_path: Path) -> None:
    grey = np.array([[0, 100, 255]], dtype=np.uint8)
    pixels = read_image(written(tmp_path / "x.png", Image.fromarray(grey)))
    np.testing.assert_array_equal(pixels, grey[..., None].repeat(3, axis=2))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize(
    "values", [[0, 257, 25_700, 65_535], [0, 1, 100, 255]], ids=["bright", "dark"]
)
def test_16_bit_grey_is_divided_by_257(tmp_path: Path, suffix: str, values: list[int]) -> None:
    deep = np.array([values], dtype=np.uint16)
    pixels = read_image(written(tmp_path / f"x{suffix}", Image.fromarray(deep)))
    np.testing.assert_array_equal(pixels[0, :, 0], deep[0] // 257)
    assert pixels.shape == (1, 4, 3)


def test_one_bit(tmp_path: Path) -> None:
    bits = Image.fromarray(np.array([[0, 255]], dtype=np.uint8)).convert("1")
    np.testing.assert_array_equal(read_image(written(tmp_path / "x.png", bits))[0, :, 0], [0, 255])


def test_alpha_lies_over_black(tmp_path: Path) -> None:
    rgba = np.array([[(255, 0, 0, 255), (255, 255, 255, 0), (200, 100, 0, 128)]], dtype=np.uint8)
    pixels = read_image(written(tmp_path / "x.png", Image.fromarray(rgba)))
    np.testing.assert_array_equal(pixels[0], [(255, 0, 0), (0, 0, 0), (100, 50, 0)])


def test_grey_with_alpha(tmp_path: Path) -> None:
    grey = np.array([[(200, 255), (200, 0)]], dtype=np.uint8)
    pixels = read_image(written(tmp_path / "x.png", Image.fromarray(grey, "LA")))
    np.testing.assert_array_equal(pixels[0], [(200, 200, 200), (0, 0, 0)])


def test_palette(tmp_path: Path) -> None:
    image = Image.fromarray(COLOURS).convert("P", palette=Image.Palette.ADAPTIVE, colors=8)
    np.testing.assert_array_equal(read_image(written(tmp_path / "x.png", image)), COLOURS)


def test_palette_with_a_transparent_colour(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.putdata([0, 1])
    path = written(tmp_path / "x.png", image, transparency=1)
    np.testing.assert_array_equal(read_image(path)[0], [(255, 0, 0), (0, 0, 0)])


def test_cmyk(tmp_path: Path) -> None:
    image = Image.new("CMYK", (2, 2), (0, 255, 255, 0))
    path = written(tmp_path / "x.tif", image)
    np.testing.assert_allclose(read_image(path)[0, 0], RED, atol=3)


def test_float_tiff(tmp_path: Path) -> None:
    deep = np.array([[-5.0, 7.9, 300.0]], dtype=np.float32)
    path = written(tmp_path / "x.tif", Image.fromarray(deep))
    np.testing.assert_array_equal(read_image(path)[0, :, 0], [0, 7, 255])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int) -> None:
    """The same picture of a part, however the camera was held."""
    undo: dict[int, Callable[[Image.Image], Image.Image]] = {
        1: lambda image: image,
        2: lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: lambda image: image.transpose(Image.Transpose.ROTATE_180),
        4: lambda image: image.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: lambda image: image.transpose(Image.Transpose.TRANSPOSE),
        6: lambda image: image.transpose(Image.Transpose.ROTATE_90),
        7: lambda image: image.transpose(Image.Transpose.TRANSVERSE),
        8: lambda image: image.transpose(Image.Transpose.ROTATE_270),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    held = undo[orientation](Image.fromarray(COLOURS))
    path = written(tmp_path / "x.png", held, exif=exif)
    np.testing.assert_array_equal(read_image(path), COLOURS)


def test_the_content_counts_and_not_the_name(tmp_path: Path) -> None:
    path = written(tmp_path / "x.jpg", Image.fromarray(COLOURS), format="PNG")
    np.testing.assert_array_equal(read_image(path), COLOURS)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "does not exist"),
        (b"", r"is empty \(0 bytes\)"),
        (b"just text, renamed", r"is not an image that can be read: expected \.bmp, \.jpeg"),
        (b"\x89PNG\r\n\x1a\n", "is (not an image|damaged)"),
    ],
    ids=["missing", "empty", "text", "only a signature"],
)
def test_no_image(tmp_path: Path, content: bytes | None, complaint: str) -> None:
    path = tmp_path / "part 7.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ImageError, match=rf"part 7\.png {complaint}"):
        read_image(path)


def test_a_folder_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=str(tmp_path)):
        read_image(tmp_path)


def _encoded(file_format: str) -> bytes:
    noise = np.random.default_rng(1).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    stream = BytesIO()
    Image.fromarray(noise).save(stream, file_format)
    return stream.getvalue()


FORMATS = {name: _encoded(name) for name in ("PNG", "JPEG", "BMP", "TIFF", "WEBP")}


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "BMP", "TIFF"])
def test_a_file_that_was_cut_off(tmp_path: Path, file_format: str) -> None:
    content = FORMATS[file_format]
    path = tmp_path / "x.img"
    path.write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(ImageError, match="is damaged or cut off"):
        read_image(path)


def test_a_picture_of_a_billion_pixels_is_refused(tmp_path: Path) -> None:
    """A few bytes that unpack to gigabytes."""
    content = bytearray(_encoded("BMP"))
    content[18:26] = (40_000).to_bytes(4, "little") * 2
    path = tmp_path / "x.bmp"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r"x\.bmp"):
        read_image(path)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # Pillow warns before it gives up
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@settings(max_examples=100)
@given(
    st.sampled_from(sorted(FORMATS)),
    st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), max_size=6),
    st.integers(1, 5000),
)
def test_damage_gives_pixels_or_an_image_error(
    tmp_path_factory: pytest.TempPathFactory,
    file_format: str,
    changes: list[tuple[int, int]],
    length: int,
) -> None:
    content = bytearray(FORMATS[file_format])
    for place, value in changes:
        content[place % min(len(content), 200)] = value
    path = tmp_path_factory.getbasetemp() / "damaged.img"
    path.write_bytes(content[:length])
    try:
        pixels = read_image(path)
    except ImageError as error:
        assert "damaged.img" in str(error)
    else:
        assert pixels.dtype == np.uint8
        assert pixels.shape[2] == 3


def test_images_of_a_folder(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.jpg", "c.txt", ".hidden.png", "d.tiff"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "folder").mkdir()
    assert [path.name for path in list_images(tmp_path)] == ["a.jpg", "b.PNG", "d.tiff"]


def test_a_folder_without_images(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"no image in .*expected files ending in \.bmp"):
        list_images(tmp_path)
    with pytest.raises(ImageError, match="is not a folder"):
        list_images(tmp_path / "nowhere")
