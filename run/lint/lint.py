"""Reads code, without running it, for what a reviewer should look at.

Runs in a sandbox of its own. What it says is advice: code that wants to hide
something can, and most of what is found is harmless. Each finding has a file, a
line, a category and the words of the code that it is about; why a category
matters is said by the host.
"""

import ast
import unicodedata

MAX_FINDINGS = 300
MAX_WHAT = 80
LONG_TEXT = 1000  # characters of one literal
LONG_LIST = 200  # elements of one literal
LONG_LINE = 400

MODULES = {
    "files": "io pathlib shutil glob tempfile fileinput sqlite3 dbm shelve zipfile tarfile fnmatch",
    "network": "socket ssl urllib http ftplib smtplib poplib imaplib telnetlib socketserver xmlrpc asyncio "
    "requests httpx aiohttp websocket websockets paramiko ftputil boto3 select selectors",
    "subprocess": "subprocess multiprocessing pty pexpect sh",
    "dynamic code": "importlib runpy code codeop pickle cPickle marshal dill cloudpickle joblib imp pkgutil ast types",
    "reflection": "ctypes inspect gc builtins cffi weakref tracemalloc",
    "surroundings": "platform getpass pwd grp resource locale uuid",
    "time": "time sched threading _thread signal",
    "randomness": "random secrets",
    "obfuscation": "base64 binascii zlib gzip bz2 lzma codecs quopri uu",
}
MODULE = {name: category for category, names in MODULES.items() for name in names.split()}

CALLS = {
    "open": "files",
    "eval": "dynamic code",
    "exec": "dynamic code",
    "compile": "dynamic code",
    "__import__": "dynamic code",
    "input": "surroundings",
    "globals": "reflection",
    "locals": "reflection",
    "vars": "reflection",
    "breakpoint": "dynamic code",
}
DOTTED = {
    "os.system": "subprocess",
    "os.popen": "subprocess",
    "os.fork": "subprocess",
    "os.kill": "subprocess",
    "os.environ": "surroundings",
    "os.getenv": "surroundings",
    "os.putenv": "surroundings",
    "os.uname": "surroundings",
    "os.getpid": "surroundings",
    "sys.argv": "surroundings",
    "sys._getframe": "reflection",
    "sys.modules": "reflection",
    "sys.settrace": "reflection",
    "numpy.load": "files",
    "numpy.save": "files",
    "numpy.fromfile": "files",
    "numpy.memmap": "files",
    "numpy.genfromtxt": "files",
    "numpy.loadtxt": "files",
    "numpy.savetxt": "files",
    "datetime.datetime.now": "time",
    "datetime.datetime.today": "time",
    "datetime.date.today": "time",
    "pandas.Timestamp.now": "time",
    "pandas.eval": "dynamic code",
}
PREFIXES = {"os.exec": "subprocess", "os.spawn": "subprocess", "os.posix_spawn": "subprocess"}
WRITERS = frozenset(
    """
    to_csv to_parquet to_pickle to_excel to_hdf to_feather to_sql to_stata to_orc savefig tofile
    write_text write_bytes read_text read_bytes write_csv write_parquet sink_parquet sink_csv
    """.split()
)
READERS = frozenset(
    """
    read_csv read_parquet read_pickle read_excel read_hdf read_feather read_sql read_stata read_orc
    read_json read_html read_xml read_table read_clipboard scan_csv scan_parquet read_ipc
    """.split()
)
DUNDERS = frozenset(
    """
    __class__ __subclasses__ __bases__ __base__ __mro__ __globals__ __builtins__ __dict__ __code__
    __closure__ __getattribute__ __reduce__ __reduce_ex__ __loader__ __spec__ __import__ __func__
    __self__ __wrapped__
    """.split()
)
DRAWS = frozenset(
    """
    sample shuffle permutation train_test_split choice normal uniform rand randn randint random
    """.split()
)
SEEDED = frozenset(
    """
    random_state seed rng generator
    """.split()
)

# What keeps the rows of a table, and what makes one number of many. Anything
# else that is called on rows is taken to keep them only where it says so.
ROWS = frozenset(
    """
    head tail sample query filter copy reset_index set_index sort_values sort_index dropna fillna drop
    rename assign merge join nlargest nsmallest to_numpy to_dict to_list tolist to_json to_csv astype
    apply map iterrows itertuples items drop_duplicates unique explode melt transpose round clip replace
    where mask isin abs cumsum cumprod diff shift rank pipe eval select with_columns sort to_pandas
    to_arrow to_pylist to_pydict iter_rows rows to_frame reindex squeeze ravel flatten reshape loc iloc
    values T at iat str dt cat duplicated between cut get transform take combine_first pop insert append
    concat agg_rows first last nth get_group rolling
    """.split()
)
ONE_ROW = frozenset(
    """
    max min idxmax idxmin argmax argmin mode item first last nth
    """.split()
)
GROUPED = frozenset(
    """
    groupby group_by resample pivot_table crosstab
    """.split()
)
GROUP_ROWS = frozenset(
    """
    head tail apply transform filter get_group nth first last
    """.split()
)
CONVERTERS = frozenset(
    """
    list tuple set frozenset dict str repr sorted zip enumerate bytes reversed print format
    """.split()
)
ENCODINGS = ("hex", "rot13", "base64")
EXTREMES = frozenset(["max", "min"])

ABOUT = frozenset("shape columns dtypes size ndim empty index name".split())
MAKERS = frozenset("DataFrame Series array asarray concat merge dumps concatenate Table".split())
KEEPERS = (
    ast.BinOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.UnaryOp, ast.JoinedStr, ast.FormattedValue,
    ast.List, ast.Tuple, ast.Set, ast.Dict,
)  # fmt: skip

PLAIN, ROWS_OF, GROUPS_OF = 0, 1, 2


class Reader(ast.NodeVisitor):
    """Finds things in one file."""

    def __init__(self, path, text):
        self.path = path
        self.lines = text.split("\n")
        self.found = []
        self.names = {}  # local name: dotted name of what it was imported as
        self.seeds = False  # a generator of random numbers is seeded somewhere

    def add(self, node, category, what=""):
        line = getattr(node, "lineno", 1)
        text = what or (self.lines[line - 1].strip() if 0 < line <= len(self.lines) else "")
        self.found.append(finding(self.path, line, category, text))

    # ---- what is imported, called and looked at

    def visit_Import(self, node):
        for alias in node.names:
            self.names[alias.asname or alias.name.split(".")[0]] = (
                alias.name if alias.asname else alias.name.split(".")[0]
            )
            self.module(node, alias.name)

    def visit_ImportFrom(self, node):
        for alias in node.names:
            self.names[alias.asname or alias.name] = f"{node.module or ''}.{alias.name}"
            dotted = f"{node.module or ''}.{alias.name}"
            if not node.level and dotted in DOTTED:
                self.add(node, DOTTED[dotted], dotted)
        if not node.level:
            self.module(node, node.module or "")

    def module(self, node, name):
        category = MODULE.get(name.split(".")[0])
        if category and category != "randomness":  # which matters only where it draws
            self.add(node, category, f"import {name}")

    def dotted(self, node):
        parts = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        return ".".join([self.names.get(node.id, node.id), *reversed(parts)])

    def visit_Call(self, node):
        name = self.dotted(node.func)
        attribute = node.func.attr if isinstance(node.func, ast.Attribute) else name
        if name in CALLS and isinstance(node.func, ast.Name):
            self.add(node, CALLS[name], f"{name}()")
        elif name in DOTTED:
            self.add(node, DOTTED[name], f"{name}()")
        elif any(name.startswith(p) for p in PREFIXES):
            self.add(node, "subprocess", f"{name}()")
        elif name in ("getattr", "setattr", "delattr") and constant_text(node.args[1:2]) is None:
            self.add(node, "reflection", f"{name}() of a name that is computed")
        elif attribute in WRITERS | READERS and (node.args or node.keywords):
            self.add(node, "files", f"{attribute}()")
        elif name == "bytes.fromhex" or (attribute == "decode" and constant_text(node.args[:1]) in ENCODINGS):
            self.add(node, "obfuscation")
        self.draws(node, name, attribute)
        self.generic_visit(node)

    def draws(self, node, name, attribute):
        given = {k.arg for k in node.keywords}
        if attribute in ("seed", "RandomState") or (attribute == "default_rng" and (node.args or node.keywords)):
            self.seeds = True
        elif attribute == "default_rng" or name.startswith(("random.", "secrets.", "numpy.random.")):
            self.add(node, "randomness", f"{name or attribute}()")
        elif attribute in DRAWS and not given & SEEDED and attribute not in ("choice", "normal", "uniform"):
            self.add(node, "randomness", f"{attribute}() without random_state")

    def visit_Attribute(self, node):
        if node.attr in DUNDERS:
            self.add(node, "reflection", node.attr)
        elif isinstance(node.ctx, ast.Load) and self.dotted(node) in ("os.environ", "sys.argv", "sys.modules"):
            self.add(node, DOTTED[self.dotted(node)], self.dotted(node))
        self.generic_visit(node)

    def visit_Name(self, node):
        if node.id in DUNDERS:
            self.add(node, "reflection", node.id)
        self.spelling(node, node.id)

    def visit_arg(self, node):
        self.spelling(node, node.arg)
        self.generic_visit(node)

    def spelling(self, node, name):
        if not name.isascii():
            letters = ", ".join(sorted({unicodedata.name(c, "?") for c in name if not c.isascii()}))
            self.add(node, "obfuscation", f"a name with {letters}")

    def visit_Constant(self, node):
        if isinstance(node.value, (str, bytes)) and len(node.value) > LONG_TEXT:
            self.add(node, "long literal", f"a text of {len(node.value)} characters")
        elif isinstance(node.value, int) and node.value.bit_length() > LONG_TEXT:
            self.add(node, "long literal", f"a number of {node.value.bit_length()} bits")

    def collection(self, node):
        if len(getattr(node, "elts", getattr(node, "keys", []))) > LONG_LIST:
            self.add(node, "long literal", f"{len(getattr(node, 'elts', getattr(node, 'keys', [])))} elements")
        self.generic_visit(node)

    visit_List = visit_Tuple = visit_Set = visit_Dict = collection

    def visit_FunctionDef(self, node):
        self.spelling(node, node.name)
        Rows.of_function(self, node).read()
        self.generic_visit(node)

    visit_AsyncFunctionDef = visit_FunctionDef


class Rows:
    """Follows tables to what is returned, or left in a variable, as far as that is plain."""

    def __init__(self, reader, body, kind):
        self.reader = reader
        self.body = body
        self.kind = kind  # by name of a variable
        self.last = {}  # what a variable was given last

    @classmethod
    def of_function(cls, reader, function):
        args = function.args
        hinted = {a.arg: ast.unparse(a.annotation) for a in args.args if a.annotation is not None}
        plain = ("int", "float", "str", "bool", "list[int]", "list[float]", "list[str]")
        kind = {
            a.arg: ROWS_OF for a in [*args.posonlyargs, *args.args, *args.kwonlyargs] if hinted.get(a.arg) not in plain
        }
        with_default = args.args[len(args.args) - len(args.defaults) :] if args.defaults else []
        for a in with_default:  # a table has none
            kind.pop(a.arg, None)
        return cls(reader, function.body, kind)

    def read(self):
        self.block(self.body)

    def read_script(self, outputs):
        self.read()
        for name in outputs:
            if name in self.last:
                self.returned(self.last[name])

    def block(self, body):
        for stmt in body:
            if isinstance(stmt, (ast.Assign, ast.AnnAssign, ast.AugAssign)) and stmt.value is not None:
                kind = self.of(stmt.value)
                for target in stmt.targets if isinstance(stmt, ast.Assign) else [stmt.target]:
                    self.bind(target, kind)
                    if isinstance(target, ast.Name):
                        self.last[target.id] = stmt.value
            elif isinstance(stmt, ast.Return) and stmt.value is not None:
                self.returned(stmt.value)
            elif isinstance(stmt, (ast.For, ast.AsyncFor)):
                self.bind(stmt.target, self.of(stmt.iter))
            for inner in ("body", "orelse", "finalbody"):
                if not isinstance(stmt, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                    self.block(getattr(stmt, inner, []) or [])
            for handler in getattr(stmt, "handlers", []) or []:
                self.block(handler.body)

    def bind(self, target, kind):
        if isinstance(target, ast.Name):
            self.kind[target.id] = kind
        elif isinstance(target, (ast.Tuple, ast.List)):
            for t in target.elts:
                self.bind(t, ROWS_OF if kind == ROWS_OF else PLAIN)

    def returned(self, node):
        if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
            for e in node.elts:
                self.returned(e)
        elif isinstance(node, ast.Dict):
            for e in node.values:
                self.returned(e)
        elif self.of(node) == ROWS_OF:
            self.reader.add(node, "row level", ast.unparse(node))
        else:
            for part in ast.walk(node):
                if isinstance(part, ast.Call) and self.one_row(part):
                    self.reader.add(part, "row level", f"the value of one row: {ast.unparse(part)}")

    def one_row(self, node):
        if isinstance(node.func, ast.Attribute):
            return node.func.attr in ONE_ROW and self.of(node.func.value) in (ROWS_OF, GROUPS_OF)
        extreme = isinstance(node.func, ast.Name) and node.func.id in EXTREMES
        return extreme and any(self.of(a) == ROWS_OF for a in node.args)

    def of(self, node):
        """Whether an expression has rows of a parameter, or groups of them."""
        if isinstance(node, ast.Name):
            return self.kind.get(node.id, PLAIN)
        if isinstance(node, ast.Attribute):
            return PLAIN if node.attr in ABOUT else self.of(node.value)
        if isinstance(node, (ast.Subscript, ast.Starred, ast.Await)):
            return self.of(node.value)
        if isinstance(node, ast.Call):
            return self.call(node)
        if isinstance(node, KEEPERS):
            return ROWS_OF if any(self.of(n) == ROWS_OF for n in ast.iter_child_nodes(node)) else PLAIN
        if isinstance(node, (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)):
            return self.comprehension(node)
        return PLAIN

    def comprehension(self, node):
        before = dict(self.kind)
        for g in node.generators:
            self.bind(g.target, self.of(g.iter))
        parts = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        kind = ROWS_OF if any(self.of(p) == ROWS_OF for p in parts) else PLAIN
        self.kind = before
        return kind

    def call(self, node):
        if isinstance(node.func, ast.Attribute):
            base, name = self.of(node.func.value), node.func.attr
            if base == ROWS_OF and name in GROUPED:
                return GROUPS_OF
            if base == GROUPS_OF:
                return ROWS_OF if name in GROUP_ROWS else PLAIN
            if base == ROWS_OF:
                return ROWS_OF if name in ROWS else PLAIN
            return ROWS_OF if name in MAKERS and any(self.of(a) == ROWS_OF for a in node.args) else PLAIN
        if isinstance(node.func, ast.Name) and node.func.id in CONVERTERS:
            return ROWS_OF if any(self.of(a) == ROWS_OF for a in node.args) else PLAIN
        return PLAIN


def finding(path, line, category, what):
    return {"file": path, "line": line, "category": category, "what": what[:MAX_WHAT]}


def constant_text(nodes):
    return nodes[0].value if nodes and isinstance(nodes[0], ast.Constant) else None


def read(path, text, script):
    if not path.endswith(".py"):
        return []  # data beside the code is read as it stands
    reader = Reader(path, text)
    try:
        tree = ast.parse(text)
        reader.visit(tree)
        if script and script["path"] == path:
            Rows(reader, tree.body, dict.fromkeys(script["tables"], ROWS_OF)).read_script(script["outputs"])
    except (SyntaxError, ValueError, RecursionError, MemoryError) as e:
        return [finding(path, getattr(e, "lineno", 1) or 1, "unreadable", type(e).__name__)]
    found = [f for f in reader.found if f["category"] != "randomness" or not reader.seeds]
    for number, line in enumerate(reader.lines, 1):
        if len(line) > LONG_LINE:
            found.append(finding(path, number, "obfuscation", f"a line of {len(line)} characters"))
    return found


def lint(sources, script=None):
    """Findings in a list of [path, text]; script says what one of them is given and leaves."""
    found = []
    for path, text in sources:
        found.extend(read(path, text, script))
    seen, out = set(), []
    for f in sorted(found, key=lambda f: (f["file"], f["line"], f["category"], f["what"])):
        key = (f["file"], f["line"], f["category"])
        if key not in seen:
            seen.add(key)
            out.append(f)
    return {"findings": out[:MAX_FINDINGS], "more": max(0, len(out) - MAX_FINDINGS)}
