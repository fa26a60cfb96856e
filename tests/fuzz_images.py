"""Mutants of images in every format, thrown at `open_image`: `python tests/fuzz_images.py --count 20000`.

A child process makes and opens the mutants, each from its number alone; the parent watches over its time and memory,
sees it crash or hang, and goes on with the next one. Whatever the bytes, the answer is an image or an ImageError.
"""

from __future__ import annotations

import argparse
import io
import json
import queue
import random
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from helpers import ExtraMemory
from PIL import Image, ImageCms, PngImagePlugin
from pillow_heif import register_heif_opener

from cnnrnn.data.images import MAX_SIDE, ImageError, open_image

register_heif_opener()  # to write such files

PHOTOGRAPH = Path(__file__).resolve().parent.parent / "dashboard" / "samples" / "000000196393.jpg"
SECONDS = 2.0  # that opening may take, of the processor
MEGABYTES = 500  # that it may take beside what the program takes anyway
PATIENCE = 20  # seconds without an answer: it hangs
LARGEST = 8_000_000  # bytes of a mutant

Mutator = Callable[[random.Random, bytes], bytes]


# ---- what is mutated ------------------------------------------------------------------------------------------


@cache
def originals() -> dict[str, bytes]:
    """Small files of a photograph in every format, mode and compression that people have."""
    rgb = Image.open(PHOTOGRAPH).convert("RGB").resize((72, 54))
    turned = rgb.rotate(90, expand=True).resize(rgb.size)
    alpha = rgb.convert("RGBA")
    alpha.putalpha(rgb.convert("L"))
    grey, palette = rgb.convert("L"), rgb.quantize(64)
    deep = grey.convert("I").point(lambda value: value * 257).convert("I;16")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes().replace(b"s\0R\0G\0B", b"x\0R\0G\0B")
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a camera"
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "a cat " * 50, zip=True)

    def many() -> dict[str, Any]:
        return {"save_all": True, "append_images": [turned.copy(), turned.copy()]}

    made: dict[str, tuple[Image.Image, str, dict[str, Any]]] = {
        "jpeg": (rgb, "JPEG", {"exif": exif, "icc_profile": b"profile" * 40}),
        "jpeg of another color space": (rgb, "JPEG", {"icc_profile": profile}),
        "jpeg progressive": (rgb, "JPEG", {"progressive": True, "subsampling": 0}),
        "jpeg grey": (grey, "JPEG", {"restart_marker_blocks": 4}),
        "jpeg cmyk": (rgb.convert("CMYK"), "JPEG", {}),
        "jpeg of many (mpo)": (rgb, "MPO", many()),
        "png": (rgb, "PNG", {"exif": exif, "pnginfo": text}),
        "png alpha": (alpha, "PNG", {"icc_profile": b"profile" * 40}),
        "png palette": (palette, "PNG", {"transparency": 3}),
        "png grey": (grey.convert("LA"), "PNG", {}),
        "png 16 bits": (deep, "PNG", {}),
        "png black and white": (rgb.convert("1"), "PNG", {}),
        "png animated": (rgb, "PNG", many()),
        "gif": (palette, "GIF", {}),
        "gif animated": (rgb, "GIF", {**many(), "loop": 0, "transparency": 2}),
        "webp": (rgb, "WEBP", {"exif": exif}),
        "webp lossless": (alpha, "WEBP", {"lossless": True}),
        "webp animated": (rgb, "WEBP", many()),
        "tiff": (rgb, "TIFF", {"exif": exif}),
        "tiff of many": (rgb, "TIFF", many()),
        "tiff float": (grey.convert("F"), "TIFF", {}),
        "tiff 16 bits": (deep, "TIFF", {"compression": "tiff_lzw"}),
        "tiff big": (rgb, "TIFF", {"big_tiff": True}),
        **{f"tiff {name}": (rgb, "TIFF", {"compression": name}) for name in ("jpeg", "packbits", "tiff_adobe_deflate")},
        **{f"tiff {name}": (rgb.convert("1"), "TIFF", {"compression": name}) for name in ("group3", "group4")},
        "tiff cmyk": (rgb.convert("CMYK"), "TIFF", {"compression": "tiff_lzw"}),
        "tiff lab": (rgb.convert("LAB"), "TIFF", {}),
        "avif": (rgb, "AVIF", {"exif": exif}),
        "avif alpha": (alpha, "AVIF", {"icc_profile": profile}),
        "heif": (rgb, "HEIF", {"exif": exif}),
        "heif alpha": (alpha, "HEIF", {"icc_profile": profile}),
        "heif of many": (rgb, "HEIF", many()),
        "bmp": (rgb, "BMP", {}),
        "bmp palette": (palette, "BMP", {}),
        "bmp alpha": (alpha, "BMP", {}),
    }
    files = {}
    for name, (image, format, options) in made.items():
        buffer = io.BytesIO()
        image.copy().save(buffer, format, **options)  # saving leaves settings behind
        files[name] = buffer.getvalue()
    return files


# ---- how ------------------------------------------------------------------------------------------------------


def flip_bits(rng: random.Random, data: bytes) -> bytes:
    mutated = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        mutated[rng.randrange(len(mutated))] ^= 1 << rng.randrange(8)
    return bytes(mutated)


def flip_header(rng: random.Random, data: bytes) -> bytes:
    return flip_bits(rng, data[:64]) + data[64:]


def truncate(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randrange(1, len(data))]


def overwrite(rng: random.Random, data: bytes) -> bytes:
    start = rng.randrange(len(data))
    length = rng.choice((1, 4, 16, 256))
    filling = rng.choice((b"\0", b"\xff", b"\x7f", rng.randbytes(1))) * length
    return data[:start] + rng.choice((filling, rng.randbytes(length))) + data[start + length :]


def remove(rng: random.Random, data: bytes) -> bytes:
    start, end = sorted(rng.randrange(1, len(data)) for _ in range(2))
    return data[:start] + data[end:]


def repeat(rng: random.Random, data: bytes) -> bytes:
    start, end = sorted(rng.randrange(len(data)) for _ in range(2))
    times = rng.choice((1, 2, 200))
    return data[:end] + data[start:end] * min(times, LARGEST // (end - start + 1)) + data[end:]


def splice(rng: random.Random, data: bytes) -> bytes:
    other = rng.choice(list(originals().values()))
    return data[: rng.randrange(1, len(data))] + other[rng.randrange(len(other)) :]


def extreme_number(rng: random.Random, data: bytes) -> bytes:
    """A length, a count, an offset or a size somewhere becomes absurd."""
    layout = rng.choice(("B", "<H", ">H", "<I", ">I", "<Q", ">Q"))
    top = 256 ** struct.calcsize(layout) - 1
    number = rng.choice((0, 1, top, top // 2, top // 2 + 1, 0xFFFF & top, 24_000_000 & top, len(data) & top))
    start = rng.randrange(max(1, len(data) - 8))
    if rng.random() < 0.5:
        start %= 128
    packed = struct.pack(layout, number)
    return data[:start] + packed + data[start + len(packed) :]


def absurd_dimensions(rng: random.Random, data: bytes) -> bytes:
    """The header's width and height, wherever the format has them; the pixels stay as few as they are."""
    sides = (0, 1, 72, 4899, 4000, 8000, 16_383, 30_000, 65_535, 2**24 - 1, 2**31 - 1, 2**32 - 1)
    width, height = rng.choice(sides), rng.choice(sides)
    mutated = bytearray(data)
    if data.startswith(b"\x89PNG"):
        mutated[16:24] = struct.pack(">II", width, height)
        return with_checksums(bytes(mutated))
    if data.startswith(b"GIF"):
        mutated[6:10] = struct.pack("<HH", width & 0xFFFF, height & 0xFFFF)
        if (frame := data.find(b",", 13)) > 0 and rng.random() < 0.7:
            mutated[frame + 5 : frame + 9] = mutated[6:10]
    elif data.startswith(b"BM"):
        mutated[18:26] = struct.pack("<II", width, height)
    elif data.startswith(b"RIFF") and data[12:16] == b"VP8X":
        mutated[24:30] = struct.pack("<I", width & 0xFFFFFF)[:3] + struct.pack("<I", height & 0xFFFFFF)[:3]
    elif data.startswith(b"RIFF"):
        mutated[26:30] = struct.pack("<HH", width & 0x3FFF, height & 0x3FFF)
    elif data.startswith(b"\xff\xd8"):
        for marker in (b"\xff\xc0", b"\xff\xc2"):
            if (frame := data.find(marker)) > 0:
                mutated[frame + 5 : frame + 9] = struct.pack(">HH", height & 0xFFFF, width & 0xFFFF)
    else:  # TIFF: the entries for width (256) and height (257)
        for tag, side in ((256, width), (257, height)):
            if (entry := data.find(struct.pack("<HH", tag, 4))) > 0 or (
                entry := data.find(struct.pack("<HH", tag, 3))
            ) > 0:
                mutated[entry + 2 : entry + 12] = struct.pack("<HII", 4, 1, side)
    return bytes(mutated)


def huge_metadata(rng: random.Random, data: bytes) -> bytes:
    """Much text, EXIF or ICC, or a little that says it is much."""
    size = rng.choice((70_000, 1_000_000, 5_000_000))
    filling = rng.choice((b"\0", b"II*\0", b"MM\0*\0\0\0\x08", b"A"))
    blob = (filling * (size // len(filling) + 1))[:size]
    if data.startswith(b"\x89PNG"):
        kind = rng.choice((b"eXIf", b"iCCP", b"zTXt", b"tEXt", b"iTXt", b"tIME", b"fdAT"))
        packed = b"n\0\0" + zlib.compress(blob * 8, 1) if kind in (b"iCCP", b"zTXt") else b"n\0" + blob
        where = rng.choice((33, len(data) - 12))  # after the header, or before the end
        return data[:where] + png_chunk(kind, packed) * rng.choice((1, 20)) + data[where:]
    if data.startswith(b"\xff\xd8"):
        kind = rng.choice((b"\xe1", b"\xe2", b"\xed", b"\xfe", b"\xee"))
        start = {b"\xe1": b"Exif\0\0", b"\xe2": rng.choice((b"ICC_PROFILE\0\1\1", b"MPF\0"))}.get(
            kind, b"Photoshop 3.0\0"
        )
        payload = (start + rng.choice((b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08")) + blob)[:65_000]
        segment = b"\xff" + kind + struct.pack(">H", len(payload) + 2) + payload
        return data[:2] + segment * rng.choice((1, 3, 100)) + data[2:]
    if data.startswith(b"GIF"):
        comment = b"!\xfe" + (b"\xff" + b"c" * 255) * (size // 256) + b"\0"
        return data[:-1] + comment + data[-1:] if rng.random() < 0.5 else data[:13] + comment + data[13:]
    if data.startswith(b"RIFF"):
        kind = rng.choice((b"EXIF", b"ICCP", b"XMP ", b"ANIM", b"ALPH"))
        return data + kind + struct.pack("<I", len(blob)) + blob
    return data + blob


def endless(rng: random.Random, data: bytes) -> bytes:
    """Animations of very many frames, and directories that come back to themselves."""
    if data.startswith(b"GIF"):
        frames = data[13:-1] if len(data) < 20_000 else data[13:20_000]
        return data[:-1] + frames * rng.choice((2, 300)) + data[-1:]
    if data.startswith((b"II*\0", b"MM\0*")):
        mutated, first = bytearray(data), struct.unpack_from("<I", data, 4)[0]
        entries = struct.unpack_from("<H", data, first)[0] if first + 2 <= len(data) else 0
        following = first + 2 + 12 * entries
        if rng.random() < 0.5:  # an entry for EXIF points back, too
            place = first + 2 + 12 * rng.randrange(max(1, entries))
            mutated[place : place + 12] = struct.pack("<HHII", rng.choice((34665, 34853, 330, 40965)), 4, 1, first)
        mutated[following : following + 4] = struct.pack("<I", rng.choice((first, 4, 0, len(data))))
        return bytes(mutated)
    if data.startswith(b"\x89PNG"):
        frame = png_chunk(b"fcTL", struct.pack(">IIIIIHHBB", rng.randrange(2**31), 72, 54, 0, 0, 1, 100, 1, 1))
        start = png_chunk(b"acTL", struct.pack(">II", rng.choice((1, 2**31 - 1)), 0))
        return data[:33] + start + frame * rng.choice((1, 5000)) + data[33:]
    if data.startswith(b"RIFF") and (frame := data.find(b"ANMF")) > 0:
        return data + data[frame:] * rng.choice((2, 300))
    return data + data  # an image in the tail of an image


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_checksums(data: bytes) -> bytes:
    """A PNG whose every chunk is believed: else a reader stops at the first one that was touched."""
    mended, place = [data[:8]], 8
    while place + 12 <= len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        if place + 12 + length > len(data):
            break
        mended.append(png_chunk(data[place + 4 : place + 8], data[place + 8 : place + 8 + length]))
        place += 12 + length
    return b"".join(mended) + data[place:]


MUTATORS: dict[str, Mutator] = {
    mutator.__name__: mutator
    for mutator in (
        flip_bits, flip_header, truncate, overwrite, remove, repeat, splice, extreme_number, absurd_dimensions,
        huge_metadata, endless,
    )
}  # fmt: skip


def mutant(number: int) -> tuple[str, str, bytes]:
    """The file and the mutators that it was made by, and the bytes; always the same for a number."""
    rng = random.Random(number)
    name = rng.choice(list(originals()))
    data, chosen = originals()[name], []
    for mutator in rng.sample(list(MUTATORS), rng.choice((1, 1, 1, 2, 3))):
        chosen.append(mutator)
        data = MUTATORS[mutator](rng, data)[:LARGEST]
        if data.startswith(b"\x89PNG") and rng.random() < 0.7:
            data = with_checksums(data)
    return name, " + ".join(chosen), data


# ---- opening them ---------------------------------------------------------------------------------------------


def answer(data: bytes, max_side: int | None) -> dict[str, Any]:
    """What became of it, in how many seconds of the processor, with how much memory on top."""
    started = time.process_time()
    with ExtraMemory() as extra:
        try:
            open_image(data, max_side)
            outcome = "image"
        except ImageError as error:
            outcome = "ImageError" if "\n" not in str(error) else "more than one line"
        except BaseException as error:
            outcome = f"{type(error).__name__}: {error}"
    return {"outcome": outcome, "seconds": time.process_time() - started, "megabytes": extra.megabytes}


def child(first: int, last: int) -> None:
    """Answers on standard output, a line for each number."""
    originals()
    for number in range(first, last):
        name, how, data = mutant(number)
        line = {"number": number, "file": name, "how": how, **answer(data, (None, MAX_SIDE)[number % 2])}
        print(json.dumps(line), flush=True)


def answers(count: int, first: int = 0) -> Iterator[dict[str, Any]]:
    """Of mutants `first` … `first + count - 1`; a child that hangs or dies is replaced, and its mutant named."""
    number, last = first, first + count
    while number < last:
        command = [sys.executable, "-W", "ignore", __file__, "--child", str(number), str(last)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            try:
                for line in _lines(process):
                    yield json.loads(line)
                    number += 1
                outcome = f"the process ended by signal {-process.wait()}"
            except queue.Empty:
                outcome = f"no answer in {PATIENCE} seconds"
            finally:
                process.kill()
        if number < last:
            name, how, _ = mutant(number)
            yield {"number": number, "file": name, "how": how, "outcome": outcome, "seconds": 0.0, "megabytes": 0.0}
            number += 1


def _lines(process: subprocess.Popen[str]) -> Iterator[str]:
    """Of its output, to the end. Raises queue.Empty when the next one is too long in coming."""
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)
        lines.put("")

    threading.Thread(target=read, daemon=True).start()
    yield from iter(lambda: lines.get(timeout=PATIENCE), "")


def open_alone(path: Path, max_side: int | None) -> dict[str, Any]:
    """The answer to one file in a process of its own, whose memory is nobody else's."""
    command = [sys.executable, "-W", "ignore", __file__, "--open", str(path), str(max_side or 0)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else {"outcome": f"exit code {done.returncode}"}


def broken(answer: dict[str, Any]) -> bool:
    return (
        answer["outcome"] not in ("image", "ImageError")
        or answer["seconds"] > SECONDS
        or answer["megabytes"] > MEGABYTES
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--child", type=int, nargs=2, help="what the parent starts: first and last number")
    parser.add_argument("--open", nargs=2, help="one file, and the longest side that it may have, or 0")
    arguments = parser.parse_args()
    if arguments.open:
        path, side = arguments.open
        print(json.dumps(answer(Path(path).read_bytes(), int(side) or None)))
        return
    if arguments.child:
        child(*arguments.child)
        return
    outcomes: Counter[tuple[str, str]] = Counter()
    slowest = hungriest = {"seconds": 0.0, "megabytes": 0.0}
    for one in answers(arguments.count, arguments.first):
        outcomes[one["file"].split()[0], "broken" if broken(one) else one["outcome"]] += 1
        slowest = max(slowest, one, key=lambda a: a["seconds"])
        hungriest = max(hungriest, one, key=lambda a: a["megabytes"])
        if broken(one):
            print(one, flush=True)
    for (format, outcome), count in sorted(outcomes.items()):
        print(f"{format:6} {outcome:12} {count}")
    print("slowest:", slowest, "\nhungriest:", hungriest)


if __name__ == "__main__":
    main()
