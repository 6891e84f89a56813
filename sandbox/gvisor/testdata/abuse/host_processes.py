#: what    see and signal a process of the host
#: outside escapes
import os

pid = int(os.environ["HOST_PID"])
seen = [p for p in os.listdir("/proc") if p.isdigit()]
try:
    os.kill(pid, 0)
    print("ESCAPED: signalled", pid)
except OSError as e:
    print("refused", e)
if str(pid) in seen or len(seen) > 2:
    print("ESCAPED: sees", len(seen))
