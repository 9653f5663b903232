"""Plans: primitives of oneDNN between the framework's memory and orders of their own.

Each is made once; those that were used last are kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from ctypes import c_void_p
from typing import Any, Callable, Optional

from .onednn import (
    QUERY_ARGUMENT,
    QUERY_SCRATCHPAD,
    SCRATCHPAD,
    SOURCE,
    TARGET,
    WORKSPACE,
    Argument,
    Layout,
    OneDNN,
    OneDNNError,
    align,
)  # fmt: skip
from .switch import engine

MOST = 256  # that are kept; each holds compiled code


class Plan:
    """One primitive between the caller's memory and the layouts that it chose for itself.

    ``outer`` holds the layout of every execution argument at the caller's, ``inner`` those that the
    primitive is asked for where they are others, ``result`` is the argument that is written, and
    ``describe(descriptors)`` makes the primitive's descriptor. ``run`` takes an address for each
    argument, and for `WORKSPACE` one of ``workspace`` bytes, where that is not 0.

    Raises:
        OneDNNError: the library has no such primitive.
    """

    def __init__(
        self,
        dnn: OneDNN,
        outer: Mapping[int, Layout],
        result: int,
        describe: Callable[[Mapping[int, c_void_p]], c_void_p],
        inner: Mapping[int, Layout] = {},
    ):
        self.dnn = dnn
        self.handles: list[tuple[str, c_void_p]] = []  # what close() gives back
        self.outer: dict[int, c_void_p] = {}  # memory objects at the caller's addresses
        self.inner: list[tuple[c_void_p, int]] = []  # and at an offset into the working memory
        self.size = self.workspace = 0
        self.stages: list[tuple[c_void_p, int, Any]] = []
        try:
            self.prepare(outer, result, describe, inner)
        except OneDNNError:
            self.close()
            raise

    def prepare(self, outer, result, describe, inner):
        """Create the primitive, the reorders before and after it, and their memory objects."""
        dnn, query = self.dnn, self.dnn.library.dnnl_primitive_desc_query_md
        given = {kind: self.own("memory_desc", dnn.described(m)) for kind, m in outer.items()}
        asked = {kind: self.own("memory_desc", dnn.described(m)) for kind, m in inner.items()}
        descriptor = self.own("primitive_desc", describe({**given, **asked}))
        before, after, arguments = [], [], {}
        for kind, theirs in given.items():
            arguments[kind] = self.outer[kind] = self.memory(theirs)
            if kind not in asked:
                continue
            ours = c_void_p(query(descriptor, QUERY_ARGUMENT, kind))
            if not dnn.library.dnnl_memory_desc_equal(theirs, ours):
                arguments[kind] = self.work(ours)
                if kind == result:
                    after.append(self.reorder(ours, arguments[kind], theirs, self.outer[kind]))
                else:
                    before.append(self.reorder(theirs, self.outer[kind], ours, arguments[kind]))
        kept = c_void_p(query(descriptor, QUERY_ARGUMENT, WORKSPACE))
        self.workspace = dnn.library.dnnl_memory_desc_get_size(kept) if kept else 0
        if self.workspace:
            arguments[WORKSPACE] = self.outer[WORKSPACE] = self.memory(kept)
        self.stages = [*before, self.stage(descriptor, arguments), *after]

    def own(self, kind: str, handle: c_void_p) -> c_void_p:
        self.handles.append((f"{kind}_destroy", handle))
        return handle

    def memory(self, descriptor: c_void_p) -> c_void_p:
        """A memory object that has no address yet."""
        return self.own("memory", self.dnn.make("memory_create", descriptor, self.dnn.engine, None))

    def work(self, descriptor: c_void_p) -> c_void_p:
        """A memory object with a place of its own in the working memory."""
        memory = self.memory(descriptor)
        self.inner.append((memory, self.size))
        self.size += align(self.dnn.library.dnnl_memory_desc_get_size(descriptor))
        return memory

    def reorder(self, source_desc, source, target_desc, target):
        """The stage that copies from one layout to the other."""
        engine = self.dnn.engine
        arguments = (source_desc, engine, target_desc, engine, self.dnn.attributes)
        made = self.dnn.make("reorder_primitive_desc_create", *arguments)
        return self.stage(self.own("primitive_desc", made), {SOURCE: source, TARGET: target})

    def stage(self, descriptor, arguments):
        """A primitive with its execution arguments, the scratchpad among them."""
        query = self.dnn.library.dnnl_primitive_desc_query_md
        scratchpad = query(descriptor, QUERY_SCRATCHPAD, 0)
        if scratchpad and self.dnn.library.dnnl_memory_desc_get_size(scratchpad):
            arguments = {**arguments, SCRATCHPAD: self.work(c_void_p(scratchpad))}
        primitive = self.own("primitive", self.dnn.make("primitive_create", descriptor))
        array = (Argument * len(arguments))(*[(k, m.value) for k, m in arguments.items()])
        return primitive, len(arguments), array

    def run(self, addresses: Mapping[int, int]) -> None:
        """Compute, from and to the contiguous float32 memory at these addresses."""
        dnn, library = self.dnn, self.dnn.library
        with dnn.lock:
            base, keep = dnn.reserve(self.size)
            for kind, address in addresses.items():
                library.dnnl_memory_set_data_handle(self.outer[kind], address)
            for memory, offset in self.inner:
                library.dnnl_memory_set_data_handle(memory, base + offset)
            for primitive, count, arguments in self.stages:
                status = library.dnnl_primitive_execute(primitive, dnn.stream, count, arguments)
                if status:
                    raise OneDNNError(f"a oneDNN primitive ended with status {status}")
            library.dnnl_stream_wait(dnn.stream)
            del keep

    def close(self) -> None:
        """Give everything back to the library."""
        while self.handles:
            name, handle = self.handles.pop()
            getattr(self.dnn.library, f"dnnl_{name}")(handle)


plans: OrderedDict[Hashable, Optional[Plan]] = OrderedDict()  # by use, the latest last


def find(key: Hashable, make: Callable[[OneDNN], Plan]) -> Optional[Plan]:
    """The plan of this name, made where there is none; None where oneDNN has no such primitive.

    The caller holds the engine's lock as long as it uses the plan.
    """
    if key not in plans:
        try:
            plans[key] = make(engine())
        except OneDNNError:
            plans[key] = None
        while len(plans) > MOST:
            _, oldest = plans.popitem(last=False)
            if oldest is not None:
                oldest.close()
    plans.move_to_end(key)
    return plans[key]


def run(key: Hashable, make: Callable[[OneDNN], Plan], addresses: Mapping[int, int]) -> bool:
    """Run the plan of this name on the contiguous memory at these addresses; False without one."""
    with engine().lock:
        plan = find(key, make)
        if plan is not None:
            plan.run(addresses)
    return plan is not None
