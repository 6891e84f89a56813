#: what    several processes together take more than the job may have
#: status  out-of-memory
#: limit   memory=256MiB
import os, time

for _ in range(6):
    if os.fork() == 0:
        kept = b"x" * (80 << 20)
        time.sleep(3600)
time.sleep(3600)
