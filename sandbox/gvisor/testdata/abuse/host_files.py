#: what    read files of the host: site, home, accounts, machine id
#: outside escapes
import os

names = [
    os.environ["HOST_SECRET"],
    os.environ["HOST_DIR"],
    "/etc/passwd",
    "/etc/shadow",
    "/etc/machine-id",
    "/etc/hostname",
    "/root",
    "/home",
    "/var",
    "/boot",
    "/run",
]
for name in names:
    for path in (name, "/proc/1/root" + name, "/proc/self/cwd/../.." + name):
        if os.path.lexists(path):
            print("ESCAPED", path)
print("refused: root holds", sorted(os.listdir("/")))
