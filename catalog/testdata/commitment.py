# Makes commitment.json: an implementation of the format in commitment.go that
# shares no code with it. Run: python3 commitment.py >commitment.json
import hashlib, hmac, json

DOMAIN = b"anchorhold-commitment-v1"


def u64(n):
    return n.to_bytes(8, "big")


def text(s):
    b = s.encode()
    return u64(len(b)) + b


def expand(prk, info):
    return hmac.new(prk, info + b"\x01", hashlib.sha256).digest()


def tree(leaves):
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + tree(leaves[:k]) + tree(leaves[k:])).digest()


def commit(secret, label, data):
    prk = hmac.new(DOMAIN, secret, hashlib.sha256).digest()
    leaves = []
    for i in range(0, (len(data) + (1 << 20) - 1) >> 20):
        salt = expand(prk, DOMAIN + b" salt" + text(label) + u64(i))
        leaves.append(hashlib.sha256(b"\x00" + salt + data[i << 20 : (i + 1) << 20]).digest())
    blind = expand(prk, DOMAIN + b" blind")
    sealed = DOMAIN + b" root" + blind + u64(1) + text(label) + u64(len(data)) + tree(leaves)
    return "sha256:" + hashlib.sha256(sealed).hexdigest()


vectors = []
for secret, label, pattern, size in [
    (0, "heart/patients", "", 0),
    (0, "heart/patients", "a", 1),
    (1, "heart/patients", "a", 1),
    (0, "heart/visits", "a", 1),
    (0, "heart/patients", "age,sex\n63,1\n", 13),
    (2, "heart/patients", "0123456789", 1 << 20),
    (2, "heart/patients", "0123456789", (1 << 20) + 1),
    (3, "müller/größe", "xyz", 3 << 20),
    (3, "a/b", "anchorhold ", 5 * (1 << 20) + 77),
]:
    key = bytes([secret]) * 32
    data = (pattern.encode() * (size // max(1, len(pattern)) + 1))[:size]
    vectors.append({"secret": key.hex(), "label": label, "repeat": pattern, "size": size, "commitment": commit(key, label, data)})
print(json.dumps(vectors, indent=1, ensure_ascii=False))
