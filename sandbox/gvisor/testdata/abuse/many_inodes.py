#: what    make 50 000 files; they count as memory and stay in the guest
#: says    kept
import os

for n in range(50_000):
    os.close(os.open(f"/tmp/{n}", os.O_CREAT | os.O_WRONLY))
print("kept in the guest:", len(os.listdir("/tmp")))
