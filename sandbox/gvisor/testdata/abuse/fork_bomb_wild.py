#: what    a fork bomb whose every process forks, until the wall time
#: status  timeout cpu-time failed out-of-memory
#: limit   processes=48
#: limit   wall=1s
import os

while True:
    try:
        os.fork()
    except OSError:
        pass
