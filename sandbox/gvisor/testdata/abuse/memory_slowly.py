#: what    one process takes more and more memory
#: status  out-of-memory
#: limit   memory=256MiB
kept = []
while True:
    kept.append(b"x" * (4 << 20))
