"""What a PNG file says beside its pixels: texts, a colour profile and so on, which never make a picture unreadable.

Pillow refuses a whole picture for a text or profile that unpacks to more than a megabyte, though image generators write
their workflow so, and other programs their history.
"""

from __future__ import annotations

from PIL import PngImagePlugin

# Chunks that no pixel depends on, as there is no colour management here (PNG specification, 11.3.2 to 11.3.4).
_NOTES = frozenset((b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"eXIf", b"gAMA", b"cHRM", b"sRGB", b"pHYs"))
_MOST_BYTES = 2**26  # that are read of notes, one at a time and all together


class TolerantPngStream(PngImagePlugin.PngStream):
    """The chunks of a PNG file, of which notes that cannot be kept are passed over.

    Not kept are compressed notes that unpack to more than a megabyte, of which no more than that is ever unpacked, what
    is above 64 MiB in one or all notes, and damaged ones. Others are read as ever: an orientation may be among them.
    """

    def call(self, cid: bytes, pos: int, length: int) -> bytes:
        """Reads a chunk; of notes that are passed over, nothing is returned."""
        if cid not in _NOTES:
            return super().call(cid, pos, length)
        if length + self.text_memory <= _MOST_BYTES:
            try:
                return super().call(cid, pos, length)
            except (ValueError, SyntaxError, IndexError):  # what Pillow raises for unusual notes; not for an early end
                pass
        self.fp.seek(pos + length)  # type: ignore[union-attr]  # None only after the file was read
        return b""

    def crc(self, cid: bytes, data: bytes) -> None:
        """Compares a chunk with its checksum; not notes, which may not have been read."""
        if cid in _NOTES:
            self.crc_skip(cid, data)
        else:
            super().crc(cid, data)


def tolerate_notes() -> None:
    """Lets Pillow read all PNG files of this process with `TolerantPngStream`."""
    PngImagePlugin.PngStream = TolerantPngStream  # type: ignore[misc]
