"""The order of the canonical file: definitions before uses, ties by name.

The order depends on the code alone and not on where it stood, so that a notebook
and a file give the same text.
"""

from __future__ import annotations

import ast
import heapq

from .names import Needs, at_definition
from .source import Refused, Unit, parse, same_code


class Item:
    """One statement of the canonical file, with the names that it binds and uses."""

    def __init__(self, node: ast.stmt, unit: Unit, kind: str, names: list[str], future: bool) -> None:
        self.node = node
        self.unit = unit
        self.kind = kind
        self.names = names
        self.text = unit.segment(node)
        again = parse(self.text, unit.label).body
        if len(again) != 1 or not same_code(again[0], node):
            raise Refused(f"{names[0]} ({unit.at(node)}) cannot be taken out of its place", "move it to the top level")
        self.needs = Needs(self.text, node, future)
        self.early = at_definition(node)


def order(items: dict[str, Item], entry: Item) -> list[Item]:
    """Definitions before their uses, ties by name; a cycle of calls keeps what runs early in order."""
    nodes = sorted({id(i): i for i in items.values() if i is not entry}.values(), key=lambda i: i.names[0])
    uses = {
        id(i): {id(items[n]) for n in i.needs.hard | i.needs.soft if n in items} - {id(i), id(entry)} for i in nodes
    }
    early = {id(i): {id(items[n]) for n in i.early if n in items} - {id(i)} for i in nodes}
    for item in nodes:
        if id(entry) in early[id(item)]:
            raise Refused(
                f"{item.names[0]} ({item.unit.at(item.node)}) needs {entry.names[0]} before it is defined",
                f"do not use {entry.names[0]} in what it needs itself",
            )
    ordered: list[Item] = []
    for group in components(nodes, uses):
        inside = {id(i) for i in group}
        ordered.extend(sort_group(group, {k: early[k] & inside for k in inside}))
    return [*ordered, entry]


def components(nodes: list[Item], uses: dict[int, set[int]]) -> list[list[Item]]:
    """Groups of mutually dependent items, dependencies first, ties by the first name."""
    reach: dict[int, set[int]] = {}
    for node in nodes:
        seen: set[int] = set()
        stack = [id(node)]
        while stack:
            for other in uses[stack.pop()] - seen:
                seen.add(other)
                stack.append(other)
        reach[id(node)] = seen
    groups: list[list[Item]] = []
    placed: set[int] = set()
    for node in nodes:
        if id(node) not in placed:
            group = [o for o in nodes if o is node or (id(o) in reach[id(node)] and id(node) in reach[id(o)])]
            groups.append(group)
            placed.update(id(o) for o in group)
    home = {id(i): n for n, group in enumerate(groups) for i in group}
    waits = [{home[u] for i in group for u in uses[id(i)]} - {n} for n, group in enumerate(groups)]
    return [groups[n] for n in topological([g[0].names[0] for g in groups], waits)]


def sort_group(group: list[Item], early: dict[int, set[int]]) -> list[Item]:
    index = {id(item): n for n, item in enumerate(group)}
    waits = [{index[u] for u in early[id(item)]} for item in group]
    names = [item.names[0] for item in group]
    result = [group[n] for n in topological(names, waits)]
    if len(result) != len(group):
        raise Refused(f"{', '.join(names)} need each other while they are being defined", "break the circle")
    return result


def topological(names: list[str], waits: list[set[int]]) -> list[int]:
    left = [set(w) for w in waits]
    ready = [(names[n], n) for n, w in enumerate(left) if not w]
    heapq.heapify(ready)
    result: list[int] = []
    while ready:
        _, done = heapq.heappop(ready)
        result.append(done)
        for n, w in enumerate(left):
            if done in w:
                w.discard(done)
                if not w:
                    heapq.heappush(ready, (names[n], n))
    return result
