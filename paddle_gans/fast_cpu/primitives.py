"""oneDNN primitives with the reorders around them; the most recently used ones are cached."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from ctypes import c_void_p
from typing import Any

from .dispatch import engine
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

CACHE_SIZE = 256  # primitives; each holds compiled code


class Primitive:
    """One primitive, with reorders from the caller's memory layouts to those that it works in.

    ``outer`` maps every execution argument to its layout in the caller's memory, ``inner`` those
    with another layout inside; ``result`` is the argument that is written; and
    ``describe(descriptors)`` creates the primitive's descriptor. ``run`` takes an address for each
    argument, and one of ``workspace`` bytes for `WORKSPACE` if that is not 0.

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
        self.handles: list[tuple[str, c_void_p]] = []  # released by close()
        self.outer: dict[int, c_void_p] = {}  # memory objects at the caller's addresses
        self.inner: list[tuple[c_void_p, int]] = []  # and at offsets into the working memory
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
        given = {kind: self.own("memory_desc", dnn.describe(m)) for kind, m in outer.items()}
        asked = {kind: self.own("memory_desc", dnn.describe(m)) for kind, m in inner.items()}
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
        """Create a memory object without an address."""
        return self.own("memory", self.dnn.make("memory_create", descriptor, self.dnn.engine, None))

    def work(self, descriptor: c_void_p) -> c_void_p:
        """Create a memory object that has its own place in the working memory."""
        memory = self.memory(descriptor)
        self.inner.append((memory, self.size))
        self.size += align(self.dnn.library.dnnl_memory_desc_get_size(descriptor))
        return memory

    def reorder(self, source_desc, source, target_desc, target):
        """Create the stage that copies from one layout to the other."""
        engine = self.dnn.engine
        arguments = (source_desc, engine, target_desc, engine, self.dnn.attributes)
        made = self.dnn.make("reorder_primitive_desc_create", *arguments)
        return self.stage(self.own("primitive_desc", made), {SOURCE: source, TARGET: target})

    def stage(self, descriptor, arguments):
        """Create a primitive with its execution arguments, including the scratchpad."""
        query = self.dnn.library.dnnl_primitive_desc_query_md
        scratchpad = query(descriptor, QUERY_SCRATCHPAD, 0)
        if scratchpad and self.dnn.library.dnnl_memory_desc_get_size(scratchpad):
            arguments = {**arguments, SCRATCHPAD: self.work(c_void_p(scratchpad))}
        primitive = self.own("primitive", self.dnn.make("primitive_create", descriptor))
        array = (Argument * len(arguments))(*[(k, m.value) for k, m in arguments.items()])
        return primitive, len(arguments), array

    def run(self, addresses: Mapping[int, int]) -> None:
        """Read from and write to the contiguous float32 memory at these addresses."""
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
                    raise OneDNNError(f"a oneDNN primitive returned status {status}")
            library.dnnl_stream_wait(dnn.stream)
            del keep

    def close(self) -> None:
        """Release all handles."""
        while self.handles:
            name, handle = self.handles.pop()
            getattr(self.dnn.library, f"dnnl_{name}")(handle)


cache: OrderedDict[Hashable, Primitive | None] = OrderedDict()  # least recently used first


def find(key: Hashable, build: Callable[[OneDNN], Primitive]) -> Primitive | None:
    """Return the primitive with this key, building it if needed; None if oneDNN has no such one.

    The caller holds the engine's lock while it uses the primitive.
    """
    if key not in cache:
        try:
            cache[key] = build(engine())
        except OneDNNError:
            cache[key] = None
        while len(cache) > CACHE_SIZE:
            _, oldest = cache.popitem(last=False)
            if oldest is not None:
                oldest.close()
    cache.move_to_end(key)
    return cache[key]


def run(key: Hashable, build: Callable[[OneDNN], Primitive], addresses: Mapping[int, int]) -> bool:
    """Run the primitive with this key on the memory at these addresses; False if there is none."""
    with engine().lock:
        primitive = find(key, build)
        if primitive is not None:
            primitive.run(addresses)
    return primitive is not None
