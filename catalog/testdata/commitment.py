# Makes docs/spec/vectors/commitment.json: an implementation of docs/spec/commitment.md
# that shares no code with commitment.go. Run: python3 commitment.py >FILE
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


def root(prk, label, data):
    leaves = []
    for i in range(0, (len(data) + (1 << 20) - 1) >> 20):
        salt = expand(prk, DOMAIN + b" salt" + text(label) + u64(i))
        leaves.append(hashlib.sha256(b"\x00" + salt + data[i << 20 : (i + 1) << 20]).digest())
    return tree(leaves)


def commit(secret, files):
    """files: the content of each by its label."""
    prk = hmac.new(DOMAIN, secret, hashlib.sha256).digest()
    sealed = DOMAIN + b" root" + expand(prk, DOMAIN + b" blind") + u64(len(files))
    for label in sorted(files, key=str.encode):
        sealed += text(label) + u64(len(files[label])) + root(prk, label, files[label])
    return "sha256:" + hashlib.sha256(sealed).hexdigest()


def content(pattern, size):
    return (pattern.encode() * (size // max(1, len(pattern)) + 1))[:size]


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
    sealed = commit(key, {label: content(pattern, size)})
    vectors.append({"secret": key.hex(), "label": label, "repeat": pattern, "size": size, "commitment": sealed})
for secret, label, files in [
    (4, "scans/notes", [("a.txt", "one", 3)]),
    (4, "scans/notes", [("a.txt", "one", 3), ("a/b.txt", "two", 3), ("a-b.txt", "", 0), ("b/c/d.txt", "three ", (1 << 20) + 5)]),
    (5, "scans/notes", [("größe/ä.txt", "x", 2), ("Z.txt", "y", 2), ("groß.txt", "z", 2)]),
]:
    key = bytes([secret]) * 32
    sealed = commit(key, {f"{label}/{path}": content(pattern, size) for path, pattern, size in files})
    listed = [{"path": path, "repeat": pattern, "size": size} for path, pattern, size in files]
    vectors.append({"secret": key.hex(), "label": label, "files": listed, "commitment": sealed})
print(json.dumps(vectors, indent=1, ensure_ascii=False))
