#: what    read the environment of the site through /proc
import glob

own = "HOST_PID"
for path in glob.glob("/proc/[0-9]*/environ"):
    for entry in open(path).read().split("\0"):
        if "ANCHORHOLD" in entry:
            print("ESCAPED", entry)
print("refused: nothing of the site's")
