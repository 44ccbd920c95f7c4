"""Makes tests/golden/pixels: what Pillow and transformers make of pictures.

Run with Pillow, numpy and transformers installed (any recent version; the versions used are
written into cases.json):

    python tests/golden/make_pixels.py

Three groups:
  cases.json        pictures given by a formula (the same in pixels.rs), so that only hashes of
                    the 8-bit square and of the normalised floats are kept
  formats/          small files of every lossless kind, with the hash of convert("RGB")
  jpeg/             small JPEGs and WebPs (decoders may differ by rounding) with the square that
                    Pillow makes, as PNG
"""

import hashlib
import json
import struct
import sys
import warnings
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, ImageOps

HERE = Path(__file__).parent / "pixels"
MEAN = [0.48145466, 0.4578275, 0.40821073]
STD = [0.26862954, 0.26130258, 0.27577711]
PAD = tuple(int(m * 255) for m in MEAN)


def formula(width, height, style, seed):
    """The test picture (height, width, 3); pixels.rs has the same formula."""
    y, x, c = np.meshgrid(
        np.arange(height, dtype=np.uint32),
        np.arange(width, dtype=np.uint32),
        np.arange(3, dtype=np.uint32),
        indexing="ij",
    )
    with np.errstate(over="ignore"):
        mixed = x * np.uint32(374761393) + y * np.uint32(668265263)
        mixed = mixed + c * np.uint32(2246822519) + np.uint32(seed * 3266489917 % 2**32)
        mixed = (mixed ^ (mixed >> np.uint32(13))) * np.uint32(1274126177)
        noise = (mixed ^ (mixed >> np.uint32(16))) & np.uint32(255)
        smooth = ((x * np.uint32(5) + y * np.uint32(3) + c * np.uint32(80)) >> np.uint32(2)) & np.uint32(255)
        blocks = ((x // np.uint32(7) + y // np.uint32(5) + c) & np.uint32(1)) * np.uint32(255)
    picked = {"noise": noise, "smooth": smooth, "blocks": blocks,
              "mixed": np.where((x ^ y) & 32 > 0, noise, (smooth + blocks) // 2)}
    return picked[style].astype(np.uint8)


def pad(image):
    """LLaVA-1.5's expand2square, restated: centred on the mean colour, remainder at the end."""
    width, height = image.size
    side = max(width, height)
    square = Image.new("RGB", (side, side), PAD)
    square.paste(image, ((side - width) // 2, (side - height) // 2))
    return square


def processor(size):
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    return CLIPImageProcessorPil(size={"shortest_edge": size}, crop_size={"height": size, "width": size})


def square(image, size, aspect):
    """The 8-bit square (size, size, 3): everything up to rescaling, by transformers itself."""
    image = pad(image) if aspect == "pad" else image
    out = processor(size)(image, do_rescale=False, do_normalize=False)["pixel_values"][0]
    return np.ascontiguousarray(np.asarray(out).transpose(1, 2, 0)).astype(np.uint8)


def floats(image, size, aspect):
    image = pad(image) if aspect == "pad" else image
    out = np.asarray(processor(size)(image)["pixel_values"][0])
    assert out.dtype == np.float32 and out.shape == (3, size, size)
    return np.ascontiguousarray(out)


def sha(array):
    array = array.astype("<f4") if array.dtype == np.float32 else array
    return hashlib.sha256(array.tobytes()).hexdigest()


def formula_cases():
    sizes = [
        (1, 1), (1, 2), (2, 1), (2, 3), (3, 3), (5, 7), (13, 1), (1, 13), (16, 16), (27, 31), (31, 27), (64, 64),
        (83, 85), (84, 84), (84, 83), (100, 60), (60, 100), (167, 168), (224, 224), (225, 223), (300, 200),
        (335, 337), (336, 336), (336, 335), (337, 336), (336, 1), (640, 480), (480, 640), (641, 479), (672, 672),
        (1000, 3), (3, 1000), (1024, 768), (1280, 720), (1, 4000), (4000, 1), (1920, 1080), (2000, 1999),
        (2501, 17), (17, 2501), (3000, 2000), (2000, 3001), (4000, 300), (4000, 3000),
    ]
    styles = ["noise", "smooth", "blocks", "mixed"]
    cases = []
    for index, (width, height) in enumerate(sizes):
        plans = [(336, "pad")]
        plans += [[(224, "pad"), (84, "pad"), (336, "crop")][index % 3]]
        if index % 4 == 0:
            plans += [(84, "crop")]
        for size, aspect in plans:
            # A crop of an extreme strip makes transformers build it whole: gigabytes.
            if aspect == "crop" and max(width, height) > 1100 * min(width, height):
                continue
            style = styles[(index + size) % 4]
            image = Image.fromarray(formula(width, height, style, index))
            cases.append({
                "width": width, "height": height, "style": style, "seed": index, "size": size, "aspect": aspect,
                "square": sha(square(image, size, aspect)), "floats": sha(floats(image, size, aspect)),
            })
    return cases


def save(files, name, image, **options):
    """Writes a small file and notes what convert("RGB") makes of it."""
    path = HERE / "formats" / name
    image.save(path, **options)
    note(files, name)


def note(files, name, rgb=None):
    with Image.open(HERE / "formats" / name) as opened:
        mode = opened.mode
        rgb = np.asarray(opened.convert("RGB")) if rgb is None else rgb
    image = Image.fromarray(rgb)
    files.append({
        "file": name, "mode": mode, "width": image.width, "height": image.height, "rgb": sha(rgb),
        "square": sha(square(image, 84, "pad")),
    })


def png(name, width, height, depth, colour, rows, extra=b""):
    """A PNG of a kind that Pillow does not write."""
    import zlib

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    data = b"".join(b"\0" + row for row in rows)
    (HERE / "formats" / name).write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b""))


def format_files():
    files = []
    rgb = formula(37, 23, "mixed", 7)
    image = Image.fromarray(rgb)
    alpha = Image.fromarray(formula(37, 23, "blocks", 9)[:, :, 0])
    rgba = image.copy()
    rgba.putalpha(alpha)
    grey = Image.fromarray(rgb[:, :, 1])
    la = Image.merge("LA", (grey, alpha))
    bits = Image.fromarray(formula(37, 23, "noise", 3)[:, :, 0]).point(lambda v: 255 * (v > 127)).convert("1")
    palette = image.quantize(64)
    for name, picture in [("rgb", image), ("rgba", rgba), ("l", grey), ("la", la), ("p", palette), ("1", bits)]:
        save(files, f"{name}.png", picture, optimize=True)
    save(files, "p-transparent.png", palette, transparency=5, optimize=True)
    save(files, "p4.png", image.quantize(16), bits=4, optimize=True)
    save(files, "p2.png", image.quantize(4), bits=2, optimize=True)
    save(files, "p1.png", image.quantize(2), bits=1, optimize=True)
    save(files, "rgb-transparent.png", image, transparency=tuple(int(v) for v in rgb[0, 0]), optimize=True)
    # 16 bits, and 2- and 4-bit grey. The reference for 16-bit grey is the high byte: old Pillow
    # clips at 255 (nearly everything turns white), newer does not; see llava's image::colour.
    wide = (rgb.astype(np.uint16) << 8) | formula(37, 23, "noise", 11)
    be = wide.astype(">u2")
    a16 = (np.asarray(alpha).astype(np.uint16) * 257).astype(">u2")
    png("rgb16.png", 37, 23, 16, 2, [row.tobytes() for row in be])
    note(files, "rgb16.png")
    png("rgba16.png", 37, 23, 16, 6, [row.astype(">u2").tobytes() for row in np.concatenate([be, a16[:, :, None]], axis=2)])
    note(files, "rgba16.png")
    png("la16.png", 37, 23, 16, 4, [row.astype(">u2").tobytes() for row in np.stack([be[:, :, 1], a16], axis=2)])
    note(files, "la16.png")
    png("l16.png", 37, 23, 16, 0, [row.tobytes() for row in be[:, :, 1]])
    note(files, "l16.png", np.repeat((wide[:, :, 1] >> 8).astype(np.uint8)[:, :, None], 3, axis=2))
    l4 = rgb[:, :36, 1] >> 4
    png("l4.png", 36, 23, 4, 0, [((row[::2] << 4) | row[1::2]).tobytes() for row in l4])
    note(files, "l4.png")
    l2 = rgb[:, :36, 1] >> 6
    png("l2.png", 36, 23, 2, 0, [((r[::4] << 6) | (r[1::4] << 4) | (r[2::4] << 2) | r[3::4]).tobytes() for r in l2])
    note(files, "l2.png")

    for name, picture in [("rgb", image), ("rgba", rgba), ("l", grey), ("p", palette), ("1", bits)]:
        save(files, f"{name}.bmp", picture)
    for name, picture, how in [
        ("rgb", image, None), ("rgb-lzw", image, "tiff_lzw"), ("rgb-deflate", image, "tiff_adobe_deflate"),
        ("rgba-packbits", rgba, "packbits"), ("l", grey, None), ("p", palette, None), ("p-lzw", palette, "tiff_lzw"),
        ("1", bits, None), ("1-group4", bits, "group4"), ("cmyk", image.convert("CMYK"), None),
    ]:
        save(files, f"{name}.tif", picture, compression=how)
    second = Image.fromarray(255 - rgb)
    save(files, "pages.tif", image, save_all=True, append_images=[second], compression="tiff_lzw")

    save(files, "p.gif", palette, interlace=0)
    save(files, "l.gif", grey, interlace=0)
    save(files, "interlaced.gif", palette, interlace=1)
    save(files, "animated.gif", palette, save_all=True, append_images=[second.quantize(64)], duration=50)
    save(files, "transparent.gif", palette, transparency=5)
    # A first frame smaller than its canvas: the rest is the first palette colour.
    data = bytearray((HERE / "formats" / "p.gif").read_bytes())
    data[6:10] = struct.pack("<HH", 45, 30)
    at = data.index(b"\x2c", 13 + 3 * 64)
    data[at + 1:at + 5] = struct.pack("<HH", 5, 3)
    (HERE / "formats" / "inset.gif").write_bytes(data)
    note(files, "inset.gif")
    # And one that reaches over its canvas: the canvas grows.
    data[6:10] = struct.pack("<HH", 37, 23)
    (HERE / "formats" / "over-edge.gif").write_bytes(data)
    note(files, "over-edge.gif")

    save(files, "rgb.webp", image, lossless=True, quality=100, exact=True)
    save(files, "rgba.webp", rgba, lossless=True, quality=100, exact=True)
    save(files, "animated.webp", image, lossless=True, save_all=True, append_images=[second], duration=50)
    save(files, "animated-rgba.webp", rgba, lossless=True, exact=True, save_all=True, append_images=[second], duration=50)
    return files


def photo(width, height):
    """Something between smooth and busy, as photographs are."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    planes = []
    for c in range(3):
        wave = np.sin(x / (9.0 + c) + c) * 60 + np.cos(y / (13.0 - 2 * c)) * 50 + ((x - 40) ** 2 + (y - 30) ** 2 < 400) * 70
        planes.append(np.clip(110 + wave + 20 * c, 0, 255))
    return Image.fromarray(np.stack(planes, axis=2).round().astype(np.uint8))


def lossy_files():
    files = []
    image = photo(120, 86)

    def keep(name, picture, size=84, adobe=None, **options):
        path = HERE / "jpeg" / name
        picture.save(path, **options)
        if adobe is not None:
            # Pillow writes no YCCK; the transform byte of the Adobe segment says how to read.
            data = bytearray(path.read_bytes())
            data[data.index(b"Adobe") + 11] = adobe
            path.write_bytes(data)
        with Image.open(path) as opened:
            mode = opened.mode
            seen = ImageOps.exif_transpose(opened).convert("RGB")
        expected = f"{name}.expected.png"
        Image.fromarray(square(seen, size, "pad")).save(HERE / "jpeg" / expected, optimize=True)
        files.append({"file": name, "mode": mode, "expected": expected, "size": size,
                      "width": seen.width, "height": seen.height})

    keep("444.jpg", image, quality=90, subsampling=0)
    keep("422.jpg", image, quality=85, subsampling=1)
    keep("420.jpg", image, quality=85, subsampling=2)
    keep("420-odd.jpg", photo(119, 85), quality=80, subsampling=2)
    keep("low.jpg", image, quality=20)
    keep("progressive.jpg", image, quality=85, progressive=True)
    keep("grey.jpg", image.convert("L"), quality=85)
    keep("cmyk.jpg", image.convert("CMYK"), quality=90)
    keep("ycck.jpg", image.convert("CMYK"), quality=90, adobe=2)
    keep("rgb.jpg", image, quality=90, keep_rgb=True)
    keep("restart.jpg", image, quality=85, restart_marker_blocks=3)
    keep("lossy.webp", image, quality=80)
    keep("lossy-alpha.webp", Image.merge("RGBA", (*image.split(), image.split()[0])), quality=80, exact=True)
    small = photo(48, 32)
    for turn in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = turn
        keep(f"exif-{turn}.jpg", small, size=28, quality=90, exif=exif)
    exif = Image.Exif()
    exif[0x0112] = 6
    keep("exif-6.png", small, size=28, exif=exif)
    keep("exif-6.webp", small, size=28, exif=exif, lossless=True)
    return files


def main():
    warnings.simplefilter("ignore")
    for folder in ("formats", "jpeg"):
        (HERE / folder).mkdir(parents=True, exist_ok=True)
        for old in (HERE / folder).iterdir():
            old.unlink()
    import transformers

    cases = {
        "made_with": {"pillow": PIL.__version__, "numpy": np.__version__, "transformers": transformers.__version__},
        "formula": formula_cases(), "formats": format_files(), "lossy": lossy_files(),
    }
    # One case a line keeps differences readable.
    lines = []
    for key, value in cases.items():
        if isinstance(value, list):
            body = ",\n    ".join(json.dumps(item) for item in value)
            lines.append(f'  "{key}": [\n    {body}\n  ]')
        else:
            lines.append(f'  "{key}": {json.dumps(value)}')
    (HERE / "cases.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(len(cases["formula"]), "formula,", len(cases["formats"]), "formats,", len(cases["lossy"]), "lossy")


if __name__ == "__main__":
    sys.exit(main())
