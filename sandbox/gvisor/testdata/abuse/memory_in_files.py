#: what    take memory in shared memory, /tmp and memory files, which are no process's
#: status  out-of-memory
#: limit   memory=128MiB
#: limit   tmp=64MiB
import os, time

fd = os.memfd_create("x")
for _ in range(1000):
    os.write(fd, b"x" * (1 << 20))
time.sleep(3600)
