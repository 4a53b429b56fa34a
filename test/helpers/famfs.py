# Reads and writes famfs by the description of its format alone, to judge what node-dax/famfs wrote, and to write what it reads.
#   famfs.py read IMAGE         prints the superblock, and each entry with the SHA-256 of its contents, as JSON
#   famfs.py write IMAGE        makes IMAGE of the JSON on the standard input: size, log, version, entries
import hashlib, json, struct, sys, uuid, zlib

MIB = 1 << 20
SB = struct.Struct('<5QII16s16s16s')
LOG = 2 * MIB

def crc(data):
    return struct.pack('<Q', zlib.crc32(data))

def text(raw):
    assert b'\0' in raw, 'a path without an end'
    return raw[:raw.index(b'\0')].decode()

def device_bytes(f, size, runs):
    left, out = size, []
    for offset, length in runs:
        f.seek(offset)
        out.append(f.read(min(left, length)))
        left -= len(out[-1])
    assert left == 0, 'the extents are too short'
    return b''.join(out)

def chunks(size, strips, chunk):
    for number in range((size + chunk - 1) // chunk):
        yield strips[number % len(strips)][1] + number // len(strips) * chunk, chunk

def read_entry(f, raw, index):
    seqnum, kind = struct.unpack_from('<QI', raw)
    assert seqnum == index, 'seqnum of entry %d' % index
    assert raw[536:] == crc(raw[:536]), 'crc of entry %d' % index
    if kind == 1:
        uid, gid, mode = struct.unpack_from('<III', raw, 16)
        assert not any(raw[108:536])
        return dict(kind='mkdir', path=text(raw[28:108]), uid=uid, gid=gid, mode=mode)
    if kind != 0:
        return dict(kind=kind)
    size, flags, uid, gid, mode = struct.unpack_from('<QIIII', raw, 16)
    extent_type, count = struct.unpack_from('<I4xI', raw, 120)
    if extent_type == 0:
        extents = [struct.unpack_from('<QQQ', raw, 136 + 24 * i) for i in range(count)]
        runs, striped = [e[1:] for e in extents], {}
    else:
        assert count == 1
        strips, chunk = struct.unpack_from('<QQ', raw, 136)
        extents = [struct.unpack_from('<QQQ', raw, 152 + 24 * i) for i in range(strips)]
        runs, striped = chunks(size, extents, chunk), dict(chunk=chunk)
    digest = hashlib.sha256(device_bytes(f, size, runs)).hexdigest()
    return dict(kind='file', path=text(raw[40:120]), size=size, flags=flags, uid=uid, gid=gid, mode=mode,
                extents=[list(e) for e in extents], sha256=digest, **striped)

def read(path):
    with open(path, 'rb') as f:
        raw = f.read(200)
        magic, version, log, log_len, unit, major, minor, fs, dev, system = SB.unpack_from(raw)
        assert magic == 0x87b282ff and log == LOG and unit == 2 * MIB, 'superblock'
        assert raw[96:104] == crc(raw[:96]), 'crc of the superblock'
        f.seek(LOG)
        head = f.read(48)
        magic, length, last, check, seqnum, count = struct.unpack('<6Q', head)
        assert magic == 0xbadcafef00d and length == log_len and check == zlib.crc32(head[:24]), 'header'
        assert last == (log_len - 48) // 544 - 1 and seqnum == count <= last + 1, 'counters'
        taken, entries = set(range((LOG + log_len) // (2 * MIB))), []
        raws = f.read(544 * count)
        for index in range(count):
            entries.append(read_entry(f, raws[544 * index:544 * index + 544], index))
            for _, offset, length in entries[-1].get('extents', []):
                units = set(range(offset // (2 * MIB), (offset + length) // (2 * MIB)))
                assert offset % (2 * MIB) == length % (2 * MIB) == 0 and units and not units & taken, 'extents of %d' % index
                taken |= units
        size = struct.unpack_from('<Q', raw, 112)[0]
        print(json.dumps(dict(version=version, omf=[major, minor], log_len=log_len, size=size, uuid=str(uuid.UUID(bytes=fs)),
                              system=str(uuid.UUID(bytes=system)), entries=entries)))

def entry(f, index, e):
    kind = {'mkdir': 1, 'file': 0}.get(e['kind'], e['kind'])
    raw = bytearray(536)
    struct.pack_into('<QI', raw, 0, index, kind)
    if kind == 1:
        struct.pack_into('<III', raw, 16, 0, 0, 0o755)
        raw[28:28 + len(e['path'].encode())] = e['path'].encode()
    elif kind == 3:
        struct.pack_into('<Q16sI', raw, 16, 64 * MIB, uuid.UUID(e['uuid']).bytes, e['index'])
    elif kind == 0:
        struct.pack_into('<QIIII', raw, 16, e['size'], 2, 0, 0, 0o644)
        raw[40:40 + len(e['path'].encode())] = e['path'].encode()
        striped = 'chunk' in e
        struct.pack_into('<I4xI', raw, 120, int(striped), 1 if striped else len(e['extents']))
        if striped:
            struct.pack_into('<QQ', raw, 136, len(e['extents']), e['chunk'])
        for i, (offset, length) in enumerate(e['extents']):
            struct.pack_into('<QQQ', raw, (152 if striped else 136) + 24 * i, 0, offset, length)
        content = contents(e)
        strips = [(0, offset) for offset, _ in e['extents']]
        at = 0
        for offset, length in chunks(e['size'], strips, e['chunk']) if striped else e['extents']:
            f.seek(offset)
            f.write(content[at:at + length])
            at += length
        e['sha256'] = hashlib.sha256(content).hexdigest()
    f.seek(LOG + 48 + 544 * index)
    f.write(bytes(raw) + crc(bytes(raw)))

def contents(e):
    tags = [('%s@%d\n' % (e['path'], at)).encode().ljust(4096, b'.') for at in range(0, e['size'], 4096)]
    return b''.join(tags)[:e['size']]

def write(path):
    wanted = json.load(sys.stdin)
    log_len, version = wanted['log'], wanted.get('version', 48)
    with open(path, 'wb') as f:
        f.truncate(wanted['size'])
        head = SB.pack(0x87b282ff, version, LOG, log_len, 2 * MIB, 2, 2 if version == 48 else 1,
                       uuid.uuid4().bytes, uuid.uuid4().bytes, uuid.UUID(wanted['system']).bytes)
        f.write(head + crc(head) + bytes(8) + struct.pack('<Q', wanted['size']))
        for index, e in enumerate(wanted['entries']):
            entry(f, index, e)
        head = struct.pack('<QQQ', 0xbadcafef00d, log_len, (log_len - 48) // 544 - 1)
        f.seek(LOG)
        f.write(head + crc(head) + struct.pack('<QQ', *[len(wanted['entries'])] * 2))
    print(json.dumps(wanted['entries']))

dict(read=read, write=write)[sys.argv[1]](sys.argv[2])
