#: what    read the host's shared memory
#: outside escapes
import os

path = os.environ["HOST_SHM"]
print("ESCAPED" if os.path.exists(path) else "refused", os.listdir("/dev/shm") if os.path.exists("/dev/shm") else "")
