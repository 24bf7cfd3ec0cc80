import struct
import zipfile
import zlib

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from lib.frames import store
from lib.frames.store import DamagedImageError, ImageStore
from lib.utils.errors import InputError
from lib.utils.files import frame_number

PIXELS = cv2.resize(np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8), (64, 48))


def jpeg(quality=95):
    return cv2.imencode(".jpg", PIXELS, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def test_folder_lists_images_alone_and_reads_them(tmp_path):
    folder = tmp_path / "a/b"
    folder.mkdir(parents=True)
    (folder / "2.jpg").write_bytes(jpeg())
    (folder / "10.PNG").write_bytes(cv2.imencode(".png", PIXELS)[1].tobytes())
    (folder / "notes.txt").write_text("")
    store = ImageStore(tmp_path)
    assert store.list("a/b") == ["10.PNG", "2.jpg"]
    assert store.list("a/nothing") == []
    assert np.array_equal(store.read("a/b/10.PNG"), PIXELS)


@pytest.mark.parametrize(
    ("archive", "member", "name"),
    [
        ("images/val.zip", "vid/000.jpg", "images/val/vid/000.jpg"),
        ("images/val.zip", "val/vid/000.jpg", "images/val/vid/000.jpg"),
        ("images/val/vid.zip", "000.jpg", "images/val/vid/000.jpg"),
        ("images.zip", "images/val/vid/000.jpg", "images/val/vid/000.jpg"),
        ("images.zip", "val/vid/000.jpg", "images/val/vid/000.jpg"),
    ],
)
def test_images_are_found_in_archives(tmp_path, archive, member, name):
    (tmp_path / archive).parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(tmp_path / archive, "w") as file:
        file.writestr(member, jpeg())
    store = ImageStore(tmp_path, zipped=True)
    assert store.list(name.rpartition("/")[0]) == ["000.jpg"]
    assert store.read(name).shape == (48, 64, 3)
    with pytest.raises(InputError, match="no such image"):
        store.read(name.replace("000", "001"))


@pytest.mark.parametrize(
    "content", [jpeg()[:-40], jpeg()[: len(jpeg()) // 2], b"", b"\xff\xd8", b"not an image at all", jpeg()[100:]]
)
def test_a_damaged_image_is_named(tmp_path, content):
    (tmp_path / "0.jpg").write_bytes(content)
    with pytest.raises(DamagedImageError, match=r"0\.jpg: damaged or truncated"):
        ImageStore(tmp_path).read("0.jpg")


def png_header(width, height, *chunks):
    """The beginning of a PNG file of that size, with other chunks; of its pixels there are none."""
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), *chunks, (b"IDAT", zlib.compress(b""))]
    written = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in parts
    ]
    return b"".join([b"\x89PNG\r\n\x1a\n", *written])


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("side", [20_000, 40_000])  # OpenCV refuses the second with an error of its own
def test_oversized_images_are_reported_in_one_line(tmp_path, side, zipped):
    content = png_header(side, side)
    (tmp_path / "0.png").write_bytes(content)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("0.png", content)
    store, name = ImageStore(tmp_path, zipped), "a/0.png" if zipped else "0.png"
    for use in (store.size, store.read):
        with pytest.raises(
            DamagedImageError, match=rf"0\.png: the image is too large: .* \({side**2} pixels\)"
        ) as caught:
            use(name)
        assert len(str(caught.value).splitlines()) == 1


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")  # pytest undoes the filter of ours
def test_large_photographs_are_read_and_decompression_bombs_rejected(tmp_path):
    (tmp_path / "0.png").write_bytes(png_header(12_000, 9_000))
    assert ImageStore(tmp_path).size("0.png") == (12_000, 9_000)
    text = b"key\0\0" + zlib.compress(bytes(100 << 20))
    (tmp_path / "1.png").write_bytes(png_header(10, 10, (b"zTXt", text)))
    with pytest.raises(DamagedImageError, match=r"1\.png: not an image"):
        ImageStore(tmp_path).size("1.png")


def with_orientation(content, orientation):
    """A JPEG file with that EXIF tag."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    data = exif.tobytes()
    return content[:2] + b"\xff\xe1" + struct.pack(">H", len(data) + 2) + data + content[2:]


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_of_exif_is_applied_if_that_is_asked_for(tmp_path, orientation, zipped):
    content = with_orientation(jpeg(), orientation)
    (tmp_path / "0.jpg").write_bytes(content)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("0.jpg", content)
    name = "a/0.jpg" if zipped else "0.jpg"
    stored = cv2.imdecode(np.frombuffer(jpeg(), np.uint8), cv2.IMREAD_COLOR)
    tagged = Image.fromarray(stored)
    tagged.getexif()[ExifTags.Base.Orientation] = orientation
    turned = np.asarray(ImageOps.exif_transpose(tagged))
    for oriented, expected in ((False, stored), (True, turned)):
        store = ImageStore(tmp_path, zipped, oriented)
        assert np.array_equal(store.read(name), expected)
        assert store.size(name) == expected.shape[1::-1]


def test_a_png_has_an_orientation_too_and_broken_tags_do_no_harm(tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.fromarray(PIXELS).save(tmp_path / "0.png", exif=exif)
    tag = exif.tobytes()
    for number, broken in enumerate((tag[:8], tag[:12], tag[:6] + b"XX" + tag[8:]), start=1):
        data = jpeg()[:2] + b"\xff\xe1" + struct.pack(">H", len(broken) + 2) + broken + jpeg()[2:]
        (tmp_path / f"{number}.jpg").write_bytes(data)
    store = ImageStore(tmp_path, oriented=True)
    assert store.size("0.png") == (48, 64)
    for name in ("0.png", "1.jpg", "2.jpg", "3.jpg"):
        assert store.size(name) == store.read(name).shape[1::-1]


def test_bytes_after_the_end_of_a_jpeg_do_no_harm(tmp_path):
    (tmp_path / "0.jpg").write_bytes(jpeg() + b"\0\0camera maker's notes")
    assert ImageStore(tmp_path).read("0.jpg").shape == (48, 64, 3)


def test_missing_images_and_broken_archives(tmp_path):
    with pytest.raises(InputError, match=r"9\.jpg: No such file"):
        ImageStore(tmp_path).read("9.jpg")
    (tmp_path / "a.zip").write_bytes(b"PK broken")
    with pytest.raises(InputError, match=r"a\.zip: File is not a zip file"):
        ImageStore(tmp_path, zipped=True).list("a")


def test_a_damaged_member_of_an_archive(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("0.jpg", b"a" * 5000)
    content = bytearray((tmp_path / "a.zip").read_bytes())
    content[40:50] = b"\xff" * 10
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(DamagedImageError, match=r"a\.zip@0\.jpg"):
        ImageStore(tmp_path, zipped=True).read("a/0.jpg")


def test_an_archive_with_a_name_that_is_no_text_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("é.jpg", jpeg())
    (tmp_path / "a.zip").write_bytes((tmp_path / "a.zip").read_bytes().replace("é".encode(), b"\xff\xff"))
    with pytest.raises(InputError, match=r"a\.zip: 'utf-8' codec can't decode"):
        ImageStore(tmp_path, zipped=True).list("a")


def test_a_zip_bomb_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "MAX_BYTES", 10_000)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("0.jpg", b"a" * 10_001)
    with pytest.raises(DamagedImageError, match=r"a\.zip@0\.jpg: 10001 bytes are too many"):
        ImageStore(tmp_path, zipped=True).read("a/0.jpg")


@pytest.mark.parametrize("name", ["/0.jpg", "../0.jpg", "//0.jpg", "b/../0.jpg"])
def test_the_name_of_a_member_of_an_archive_leads_nowhere(tmp_path, name):
    (tmp_path / "a").mkdir()
    (tmp_path / "0.jpg").write_bytes(jpeg())
    with zipfile.ZipFile(tmp_path / "a" / "a.zip", "w") as file:
        file.writestr(name, b"no image")
    found = ImageStore(tmp_path / "a", zipped=True)
    for asked in ("a/0.jpg", f"a/{name}"):
        with pytest.raises(InputError):
            found.read(asked)


@pytest.mark.parametrize("name", ["../x.jpg", "a/../../x.jpg", "/etc/x.jpg", "a\0.jpg", "b" * 300 + ".jpg"])
@pytest.mark.parametrize("zipped", [False, True])
def test_names_lead_nowhere_else(tmp_path, name, zipped):
    (tmp_path / "x.jpg").write_bytes(jpeg())
    (tmp_path / "root" / "a").mkdir(parents=True)
    found = ImageStore(tmp_path / "root", zipped)
    for use in (found.read, found.size, found.read_bytes):
        with pytest.raises(InputError):
            use(name)


def test_an_image_is_decoded_once_until_it_is_pushed_out(tmp_path):
    for number in range(4):
        (tmp_path / f"{number}.jpg").write_bytes(jpeg())
    store = ImageStore(tmp_path, cached_bytes=3 * PIXELS.nbytes)
    first, *others = (store.read(f"{number}.jpg") for number in range(3))
    assert store.read("0.jpg") is first
    store.read("3.jpg")  # 1.jpg was not asked for the longest
    assert store.read("0.jpg") is first
    assert store.read("2.jpg") is others[1]
    assert store.read("1.jpg") is not others[0]


@pytest.mark.parametrize(
    ("name", "number"),
    [("000012.jpg", 12), ("img7.png", 7), ("a/b3/x_0040_s.jpg", 40), ("00000001", 1), ("a.jpg", None)],
)
def test_frame_numbers(name, number):
    assert frame_number(name) == number
