#: what    hang, ignoring every signal
#: status  timeout
#: limit   wall=1s
import signal, time

for s in signal.valid_signals():
    try:
        signal.signal(s, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
while True:
    time.sleep(3600)
