#: what    mount, change the root, trace, load a module, become somebody else
import ctypes, os

libc = ctypes.CDLL(None, use_errno=True)
for name, call in {
    "mount": lambda: libc.mount(b"none", b"/in", b"tmpfs", 0, None),
    "remount": lambda: libc.mount(None, b"/in", None, 32 | 4096, None),
    "umount": lambda: libc.umount2(b"/in", 2),
    "chroot": lambda: libc.chroot(b"/tmp"),
    "setuid": lambda: libc.setuid(1),
    "init_module": lambda: libc.syscall(175, None, 0, b""),
    "bpf": lambda: libc.syscall(321, 0, None, 0),
    "perf": lambda: libc.syscall(298, None, 0, -1, -1, 0),
    "kexec": lambda: libc.syscall(246, 0, 0, None, 0),
    "swapon": lambda: libc.swapon(b"/tmp/x", 0),
    "reboot": lambda: libc.reboot(0x1234567),
}.items():
    if call() >= 0:
        print("ESCAPED", name)
    else:
        print("refused", name, os.strerror(ctypes.get_errno()))
read_what_it_can_name = 4  # CAP_DAC_READ_SEARCH, before the guest's own kernel only
for line in open("/proc/self/status"):
    if line.startswith(("CapEff", "CapPrm", "CapBnd")) and int(line.split()[1], 16) & ~read_what_it_can_name:
        print("ESCAPED", line)
