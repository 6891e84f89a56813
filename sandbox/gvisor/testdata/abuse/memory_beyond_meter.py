#: what    look for another way of growing: huge pages, locked and shared mappings
#: status  out-of-memory failed
#: limit   memory=128MiB
import mmap

kept = []
while True:
    m = mmap.mmap(-1, 8 << 20, flags=mmap.MAP_SHARED | mmap.MAP_ANONYMOUS)
    m.write(b"x" * (8 << 20))
    kept.append(m)
