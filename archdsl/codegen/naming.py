"""Names in generated code: made safe in one way, so that supernet and network agree."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

# What `nn.Module`, `nn.ModuleList` and `nn.ModuleDict` call their own. Written out, because
# generated files must not depend on the torch that happens to be installed.
MODULE_ATTRIBUTES = frozenset(
    [
        "T_destination",
        "add_module",
        "append",
        "apply",
        "bfloat16",
        "buffers",
        "call_super_init",
        "children",
        "clear",
        "compile",
        "cpu",
        "cuda",
        "double",
        "dump_patches",
        "eval",
        "extend",
        "extra_repr",
        "float",
        "forward",
        "get_buffer",
        "get_extra_state",
        "get_parameter",
        "get_submodule",
        "half",
        "insert",
        "ipu",
        "items",
        "keys",
        "load_state_dict",
        "modules",
        "mtia",
        "named_buffers",
        "named_children",
        "named_modules",
        "named_parameters",
        "parameters",
        "pop",
        "register_backward_hook",
        "register_buffer",
        "register_forward_hook",
        "register_forward_pre_hook",
        "register_full_backward_hook",
        "register_full_backward_pre_hook",
        "register_load_state_dict_post_hook",
        "register_load_state_dict_pre_hook",
        "register_module",
        "register_parameter",
        "register_state_dict_post_hook",
        "register_state_dict_pre_hook",
        "requires_grad_",
        "set_extra_state",
        "set_submodule",
        "share_memory",
        "state_dict",
        "to",
        "to_empty",
        "train",
        "training",
        "type",
        "update",
        "values",
        "xpu",
        "zero_grad",
    ]
)

# What a file has at its top besides its own classes, and what no class can be called.
IMPORTED = frozenset(
    {"torch", "nn", "F", "Tensor", "math", "Literal", "NamedTuple"}
    | {"SPACE", "ARCHITECTURE"}
    | {"None", "True", "False"}
)

_KEYWORDS = frozenset((*keyword.kwlist, *keyword.softkwlist)) - {"_"}

ATTRIBUTES = _KEYWORDS | MODULE_ATTRIBUTES | {"self"}
"""What no attribute of a generated module may be called."""

VARIABLES = (
    _KEYWORDS
    | IMPORTED
    | frozenset(dir(builtins))
    | {"self", "choice", "gates", "super", "terms", "ratio"}
)
"""What no variable or parameter of generated code may be called."""

# The fields of a NamedTuple: its own methods, and what a field must not be called.
FIELDS = _KEYWORDS | {"count", "index", "self"}


def safe(name: str, reserved: Iterable[str]) -> str:
    """`name`, or with one more underscore behind it where it is reserved.

    Injective: a reserved word followed by underscores gets one more as well.
    """
    word = re.sub(r"\W", "_", name, flags=re.ASCII) or "_"
    if word[0].isdigit():
        word = f"n{word}"
    if word.startswith("_"):
        word = f"u{word}"
    return f"{word}_" if word.rstrip("_") in reserved else word


def attribute(name: str) -> str:
    """A step of a path as the name of a submodule; numbers stay numbers."""
    return name if name.isdigit() else safe(name, ATTRIBUTES)


def field_name(name: str) -> str:
    """A hole's name as a field of a `Choice`."""
    return safe(name, FIELDS)


def camel(name: str) -> str:
    """`relu_conv_bn` -> `ReluConvBn`, `MetaFormer-NAS` -> `MetaFormerNAS`."""
    words = re.findall(r"[A-Za-z0-9]+", name)
    joined = "".join(word[0].upper() + word[1:] for word in words)
    return f"N{joined}" if joined[:1].isdigit() else joined or "Network"


def stem(name: str) -> str:
    """`op_3_1` -> `op`: a name without the indices behind it."""
    return re.sub(r"(_\d+)+_?$", "", name) or name


@dataclass(slots=True)
class Taken:
    """Names that are in use; `claim` gives a new one."""

    names: set[str] = field(default_factory=set)

    def claim(self, *wanted: str) -> str:
        """The first of these that is free, or the last with the first free number."""
        for name in wanted:
            if name not in self.names:
                self.names.add(name)
                return name
        number = 2
        while f"{wanted[-1]}{number}" in self.names:
            number += 1
        return self.claim(f"{wanted[-1]}{number}")


class Names(dict[int, str]):
    """The variables of values. `recent` are those that may still be read, so that a long function
    need not look through all it ever named."""

    def __init__(self) -> None:
        super().__init__()
        self.recent: dict[int, None] = {}

    def __setitem__(self, value: int, name: str) -> None:
        super().__setitem__(value, name)
        self.recent[value] = None


def state_key(key: str) -> str:
    """The `state_dict` key, in generated modules, of a weight known by its paths in the IR.

    They differ only where a name of the text means something to Python or torch.
    """
    return ".".join(attribute(part) for part in key.split("."))
