"""How many operations a compiled function launches: what small networks spend their time on."""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any

from tensorflow.python.eager import context  # TensorFlow has no public way to the graph that it runs

# What hands tensors on, or looks only at their shapes.
_LAUNCHES_NOTHING = frozenset({
    "_Arg", "_DeviceArg", "_DeviceRetval", "_HostRecv", "_HostSend", "_Recv", "_Retval", "_Send",
    "BroadcastGradientArgs", "Const", "EnsureShape", "ExpandDims", "Identity", "IdentityN", "NoOp", "Placeholder",
    "PreventGradient", "ReadVariableOp", "Reshape", "Shape", "ShapeN", "Squeeze", "StopGradient", "VarHandleOp",
})


def count_launches(function: Callable[..., Any], *arguments: Any) -> collections.Counter[str]:
    """Calls a `tf.function` for the first time and counts what it launches, as TensorFlow has optimised it.

    What XLA compiles counts as one; so does what a loop repeats, and both branches of a condition count.

    Args:
      function: not called before: TensorFlow shows its graphs when it makes them.
      *arguments: its arguments.

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
        for graph in graphs for partition in graph.partition_graphs for node in partition.node
        if node.op not in _LAUNCHES_NOTHING
    )
