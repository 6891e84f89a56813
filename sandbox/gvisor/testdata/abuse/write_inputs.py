#: what    change what is bound: content, name, mode, owner, times, links
#: outside escapes
import os

d = os.environ["IN"]
f = d + "/table.csv"
for name, attempt in {
    "write": lambda: open(f, "w"),
    "append": lambda: open(f, "a"),
    "truncate": lambda: os.truncate(f, 0),
    "chmod": lambda: os.chmod(f, 0o777),
    "utime": lambda: os.utime(f, (1, 1)),
    "xattr": lambda: os.setxattr(f, "user.x", b"x"),
    "link out": lambda: os.link(f, "/tmp/link"),
    "link": lambda: os.link(f, d + "/link"),
    "symlink": lambda: os.symlink("/etc/passwd", d + "/symlink"),
    "mkdir": lambda: os.mkdir(d + "/dir"),
    "mkfifo": lambda: os.mkfifo(d + "/fifo"),
    "create": lambda: open(d + "/new", "w"),
    "rename": lambda: os.rename(f, d + "/renamed"),
    "unlink": lambda: os.unlink(f),
    "directory": lambda: os.chmod(d, 0o777),
    "root": lambda: open("/new", "w"),
    "usr": lambda: open("/usr/new", "w"),
    "script": lambda: open("/script.py", "a"),
}.items():
    try:
        attempt()
        print("ESCAPED", name)
    except OSError as e:
        print("refused", name, e)
