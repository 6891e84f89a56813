#: what    use two processors without end, in processes that each use little
#: status  cpu-time
#: limit   cpu-time=1s
import os

for _ in range(4):
    os.fork()
while True:
    pass
