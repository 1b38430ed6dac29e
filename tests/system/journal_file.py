# SPDX-License-Identifier: Apache-2.0
"""Reads a journal's segments (src/ingest/JOURNAL_FORMAT.md), to know what a damage destroys."""
import collections
import pathlib
import struct

BLOCK = 4096
FRAME = struct.Struct("<IHHQII")  # payload_bytes type magic seq group_block crc
HEADER = struct.Struct("<8sII16sQQQQQqII")
MAGIC = 0x4D4A
PAD, RECORD = 0, 1

Frame = collections.namedtuple("Frame",
                               "segment offset bytes type seq group_block device_id bucket_s")


def segments(directory):
    return sorted(pathlib.Path(directory).glob("*.mjs"))


def frames(path):
    """The frames of one undamaged segment, pads too, in order."""
    data = path.read_bytes()
    number = int(path.stem)
    at = BLOCK
    last_seq = 0
    while at + FRAME.size <= len(data):
        if at % BLOCK + FRAME.size > BLOCK:
            at += BLOCK - at % BLOCK
            continue
        payload, kind, magic, seq, group_block, _ = FRAME.unpack_from(data, at)
        if magic != MAGIC or seq < last_seq or group_block > at // BLOCK:
            return
        last_seq = seq
        device_id, bucket_s = (struct.unpack_from("<q16xq", data, at + FRAME.size)
                               if kind == RECORD else (0, 0))
        size = FRAME.size + (payload + 7) // 8 * 8
        yield Frame(number, at, size, kind, seq, group_block, device_id, bucket_s)
        at += size


def is_of(path, journal_id):
    """Does the header say it is in use, by this journal and under this name?"""
    head = path.read_bytes()[:HEADER.size]
    if len(head) < HEADER.size:
        return False
    fields = HEADER.unpack(head)
    return (fields[0][:6] == b"MUJRNL" and fields[3].hex() == journal_id
            and fields[4] == int(path.stem))


def used_segments(directory):
    journal_id = (pathlib.Path(directory) / "journal.id").read_text().strip()
    return [path for path in segments(directory) if is_of(path, journal_id)]


def records(path):
    return [frame for frame in frames(path) if frame.type == RECORD]


def overwrite(path, offset, data):
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)


def flip(path, offset):
    """Inverts one byte."""
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)
        file.seek(offset)
        file.write(bytes([byte[0] ^ 0xFF]))
