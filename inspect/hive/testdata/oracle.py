"""The oracle of the tests: hivex, by its Python binding.

  oracle.py dump HIVE          a line a node, in the order of the tree:
                              [depth, name, time, [[name, type, data in hex], ...]]
  oracle.py typed HIVE        a line a value of the root: it as a string, strings, a number
  oracle.py edit HIVE < EDITS  a line an edit: ["add", path, name], ["delete", path],
                              ["values", path, [[name, type, data], ...]],
                              ["value", path, [name, type, data]]
"""
import json
import sys

import hivex


def dump(h):
    todo = [(h.root(), 0)]
    while todo:
        node, depth = todo.pop()
        values = []
        for v in h.node_values(node):
            t, data = h.value_value(v)
            values.append([h.value_key(v), t, data.hex()])
        print(json.dumps([depth, h.node_name(node), h.node_timestamp(node), values]))
        todo.extend((c, depth + 1) for c in reversed(h.node_children(node)))


def attempt(f, v):
    try:
        return f(v)
    except RuntimeError:
        return None


def typed(h):
    for v in h.node_values(h.root()):
        t, _ = h.value_type(v)
        number = h.value_qword if t == 11 else h.value_dword
        print(json.dumps([attempt(f, v) for f in (h.value_string, h.value_multiple_strings, number)]))


def find(h, path):
    node = h.root()
    for name in path:
        node = h.node_get_child(node, name)
        assert node, path
    return node


def value(v):
    return {"key": v[0], "t": v[1], "value": bytes.fromhex(v[2])}


def edit(h):
    for line in sys.stdin:
        what, path, *rest = json.loads(line)
        node = find(h, path)
        if what == "add":
            h.node_add_child(node, rest[0])
        elif what == "delete":
            h.node_delete_child(node)
        elif what == "values":
            h.node_set_values(node, [value(v) for v in rest[0]])
        elif what == "value":
            h.node_set_value(node, value(rest[0]))
    h.commit(None)


command, path = sys.argv[1:]
if command == "dump":
    dump(hivex.Hivex(path))
elif command == "typed":
    typed(hivex.Hivex(path))
else:
    edit(hivex.Hivex(path, write=True))
