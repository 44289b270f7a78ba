"""One image file as an array."""
import re
import struct
import warnings

import numpy as np
from PIL import Image, ImageOps

from .samples import Unusable

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}
BYTES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "LAB"}  # Pillow's modes of 8 bits
GREY = {"1", "L", "LA"}
BITS_PER_SAMPLE = 258  # a tag of TIFF


def is_wide(image):
    """Whether Pillow would cut its pixels to 8 bits, which the mode doesn't show."""
    first = [args if isinstance(args, tuple) else (args,) for *_, args in image.tile]
    by_layout = any(re.search(r";16[BLN]", str(args[:1])) for args in first)
    by_maximum = image.format == "PPM" and any(maximum > 255 for args in first for maximum in args[1:2])
    return by_layout or by_maximum or max(getattr(image, "tag_v2", {}).get(BITS_PER_SAMPLE, (8,))) > 8


def load(path, size, channels):
    """The first frame, upright as its EXIF orientation says; `size` (height, width) and `channels`, where None, are the image's own."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                if image.mode not in BYTES:
                    raise Unusable(f"its pixels are not of 8 bits (Pillow's mode {image.mode})")
                if is_wide(image):
                    raise Unusable("its pixels are not of 8 bits, but wider")
                image = ImageOps.exif_transpose(image)
                grey = image.mode in GREY if channels is None else channels == 1
                image = image.convert("L" if grey else "RGB")
                if size is not None and image.size != (size[1], size[0]):
                    image = image.resize((size[1], size[0]), Image.BILINEAR)
                pixels = np.asarray(image)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as problem:
        raise Unusable("it has too many pixels") from problem
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, TypeError, struct.error) as problem:  # Pillow's ways to fail
        raise Unusable("Pillow can't read it") from problem
    return pixels[np.newaxis] if grey else np.moveaxis(pixels, 2, 0)
