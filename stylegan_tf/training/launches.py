"""How many operations a compiled function launches: what small networks spend their time on; and how many XLA has."""

from __future__ import annotations

import collections
import re
from collections.abc import Callable
from typing import Any

from tensorflow.python.eager import context  # TensorFlow has no public way to the graph that it runs

# What hands tensors on, or looks only at their shapes.
_LAUNCHES_NOTHING = frozenset(
    {
        "_Arg",
        "_DeviceArg",
        "_DeviceRetval",
        "_HostRecv",
        "_HostSend",
        "_Recv",
        "_Retval",
        "_Send",
        "BroadcastGradientArgs",
        "Const",
        "EnsureShape",
        "ExpandDims",
        "Identity",
        "IdentityN",
        "NoOp",
        "Placeholder",
        "PreventGradient",
        "ReadVariableOp",
        "Reshape",
        "Shape",
        "ShapeN",
        "Squeeze",
        "StopGradient",
        "VarHandleOp",
    }
)


def count_launches(function: Callable[..., Any], *arguments: Any) -> collections.Counter[str]:
    """Calls a `tf.function` for the first time and counts what it launches, as TensorFlow has optimised it.

    What XLA compiles counts as one; so does what a loop repeats, and both branches of a condition count.

    Args:
        function: Not called before: TensorFlow shows its graphs when it makes them.
        *arguments: Its arguments.

    Returns:
        Number of operations by type.
    """
    context.enable_run_metadata()
    context.export_run_metadata()  # what was left over
    try:
        function(*arguments)
        graphs = context.export_run_metadata().function_graphs
    finally:
        context.disable_run_metadata()
    return collections.Counter(
        node.op
        for graph in graphs
        for partition in graph.partition_graphs
        for node in partition.node
        if node.op not in _LAUNCHES_NOTHING
    )


# What hands values on, in what XLA has compiled.
_NO_KERNEL = frozenset({"bitcast", "constant", "get-tuple-element", "parameter", "tuple"})
_INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?[\w.\-]+ = (?:\([^=]*?\)|\S+) ([a-z][\w\-]*)\(", re.MULTILINE)


def count_instructions(hlo: str) -> collections.Counter[str]:
    """Instructions of all computations by opcode, in XLA's text; "convolution" and "dot" are what a card tunes."""
    return collections.Counter(_INSTRUCTION.findall(hlo))


def count_kernels(optimized_hlo: str) -> int:
    """Instructions that run one after the other, in the text of what XLA has compiled: a fusion is one."""
    entry = optimized_hlo.partition("\nENTRY ")[2].partition("\n}")[0]
    return sum(count for opcode, count in count_instructions(entry).items() if opcode not in _NO_KERNEL)
