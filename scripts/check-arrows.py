#!/usr/bin/env python3
"""Arrows point one way: reads `use` lines and inline paths of src and workers/src, and fails when files know each other in a
circle or when a floor uses one above it. `--count` prints how many rooms (folders) and arrows there are.

A module and the files below it are one thing to whoever looks from outside, so a child may know its parent and a parent its
child; two of them that know each other through a third are a circle all the same.
"""

import os
import re
import sys

# From the top down, as on ARCHITECTURE's map; each uses its own floor and those below. The domain is the last: it knows nobody.
FLOORS = [
    ["main", "router", "cli", "workers"],
    ["shop"],
    ["http", "ops", "audit", "reconcile", "asyncapi", "wires"],
    ["store", "broker", "gateway", "effects"],
    ["message", "event", "pool"],
    ["config", "page", "peers", "places", "retry", "clock", "serving", "terminal", "telemetry"],
    ["domain"],
]
FLOOR = {name: height for height, names in enumerate(reversed(FLOORS)) for name in names}

STRIP = re.compile(
    r"""//[^\n]*|/\*.*?\*/|\bb?r(\#*)".*?"\1|b?"(?:[^"\\]|\\.)*"|b?'(?:[^'\\\n]|\\[^\n])'""", re.S
)
USE = re.compile(r"(?:^|(?<=[;{}\s]))use\s+([^;]+);")
PATH = re.compile(r"(?<![\w:])(?:crate|super|holdfast)(?:\s*::\s*\w+)+")


def plain(source):
    """The code without comments and texts, its lines where they were, and without the tests at its end."""
    source = STRIP.sub(lambda found: re.sub(r"[^\n]", " ", found.group()), source)
    return source.split("#[cfg(test)]\nmod ")[0]


def leaves(tree):
    """The paths of a use tree."""
    tree = re.sub(r"\s+as\s+\w+", "", tree.strip())
    if "{" not in tree:
        return [tree.replace(" ", "").split("::")]
    head, inside = tree[: tree.index("{")], tree[tree.index("{") + 1 : tree.rindex("}")]
    parts, depth, part = [], 0, ""
    for letter in inside + ",":
        if letter == "," and depth == 0:
            parts.append(part)
            part = ""
            continue
        depth += {"{": 1, "}": -1}.get(letter, 0)
        part += letter
    return [leaf for part in parts if part.strip() for leaf in leaves(head + part)]


def modules():
    """Every file of both crates by its module; `workers` stands for the crate of the workers."""
    found = {}
    for root, name in (("src", "holdfast"), ("workers/src", "workers")):
        for folder, _, files in os.walk(root):
            for file in files:
                if file.endswith(".rs"):
                    path = os.path.join(folder, file)
                    parts = os.path.relpath(path, root)[: -len(".rs")].split(os.sep)
                    found[(name,) if parts == ["lib"] else (name, *parts)] = path
    return found


def target(path, here, known):
    """The module that a path as written leads to, or nothing if it is of another crate."""
    head, rest = path[0], path[1:]
    if head == "crate":
        full = (here[0], *rest)
    elif head in ("super", "self"):
        full = here
        for index, word in enumerate(path):
            if word == "super":
                full = full[:-1]
            elif word != "self":
                full = (*full, *path[index:])
                break
    elif head == "holdfast":
        full = ("holdfast", *rest)
    elif (*here, head) in known:
        full = (*here, *path)
    else:
        return None
    while full and full not in known:
        full = full[:-1]
    return full or None


def arrows(known):
    """(from, to, line number, text) of every use of one file by another."""
    found = set()
    for here, path in known.items():
        with open(path, encoding="utf-8") as file:
            source = file.read()
        code, lines = plain(source), source.splitlines()
        paths = [(use.start(1), leaf) for use in USE.finditer(code) for leaf in leaves(use.group(1))]
        paths += [(use.start(), re.sub(r"\s", "", use.group()).split("::")) for use in PATH.finditer(code)]
        for at, leaf in paths:
            to = target(leaf, here, known)
            if to and to != here:
                number = code.count("\n", 0, at) + 1
                found.add((here, to, number, lines[number - 1].strip()))
    return sorted(found)


def is_kin(one, other):
    """A parent and its child, or a crate's root, which only lists what there is."""
    shorter, longer = sorted((one, other), key=len)
    return longer[: len(shorter)] == shorter


def circles(graph):
    """Groups of files that reach each other (Tarjan's strongly connected components)."""
    index, low, stack, on_stack, groups = {}, {}, [], set(), []

    def visit(start):
        work = [(start, iter(sorted(graph.get(start, ()))))]
        index[start] = low[start] = len(index)
        stack.append(start)
        on_stack.add(start)
        while work:
            node, following = work[-1]
            for to in following:
                if to not in index:
                    index[to] = low[to] = len(index)
                    stack.append(to)
                    on_stack.add(to)
                    work.append((to, iter(sorted(graph.get(to, ())))))
                    break
                if to in on_stack:
                    low[node] = min(low[node], index[to])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    group = []
                    while True:
                        group.append(stack.pop())
                        on_stack.discard(group[-1])
                        if group[-1] == node:
                            break
                    if len(group) > 1:
                        groups.append(set(group))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return groups


def floor_of(module):
    """What stands on the map: a crate's first folder or file."""
    return "workers" if module[0] == "workers" else (module[1] if len(module) > 1 else "main")


def main():
    known = modules()
    if not known:
        sys.exit("check-arrows: run it in the root of the repository")
    found = arrows(known)
    unknown = sorted({floor_of(module) for module in known} - set(FLOOR))
    up = [
        arrow
        for arrow in found
        if not unknown
        and FLOOR[floor_of(arrow[1])] > FLOOR[floor_of(arrow[0])]
        and len(arrow[1]) > 1
    ]
    graph = {}
    for here, to, _, _ in found:
        if not is_kin(here, to):
            graph.setdefault(here, set()).add(to)
    round_trips = circles(graph)

    for name in unknown:
        print(f"{name} stands on no floor: give it one in {sys.argv[0]} and in ARCHITECTURE's map")
    for here, to, number, text in up:
        print(f"up: {known[here]}:{number}: {text}")
    for group in round_trips:
        print("circle: " + ", ".join(sorted(known[module] for module in group)))
        for here, to, number, text in found:
            if here in group and to in group and not is_kin(here, to):
                print(f"  {known[here]}:{number}: {text}")
    if "--count" in sys.argv[1:]:
        rooms = {os.path.dirname(path) for path in known.values()}
        pairs = {(here, to) for here, to, _, _ in found}
        print(f"{len(rooms)} rooms, {len(known)} files, {len(pairs)} arrows")
    print(f"{len(round_trips)} circles, {len(up)} arrows up")
    sys.exit(1 if unknown or up or round_trips else 0)


if __name__ == "__main__":
    main()
