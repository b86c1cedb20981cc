# SPDX-License-Identifier: Apache-2.0
"""PyTorch under a quota: `pytorch.py blocks|graph|probe QUOTA`, in bytes. The allocator is chosen by PYTORCH_CUDA_ALLOC_CONF."""
import sys

import torch

MIB = 1 << 20
BLOCK = 256 * MIB
SLACK = 64 * MIB  # cuBLAS's workspace, what an allocator rounds up
what, quota = sys.argv[1], int(sys.argv[2])


def expect(condition, text):
    if not condition:
        sys.exit(text)


def block(bytes=BLOCK):
    return torch.empty(bytes, dtype=torch.uint8, device="cuda")


def used():
    free, total = torch.cuda.mem_get_info()
    expect(total == quota, f"total is {total}, not the quota {quota}")
    return total - free


def blocks():
    total = torch.cuda.get_device_properties(0).total_memory
    expect(total == quota, f"total_memory is {total}, not the quota {quota}")
    kept = block()
    kept.fill_(7)
    expect(BLOCK <= used() <= BLOCK + SLACK, f"{used()} used with {BLOCK} allocated")
    try:
        block(quota)
    except torch.OutOfMemoryError:
        pass
    else:
        sys.exit("a tensor as large as the quota was granted beside another")
    expect(kept.float().mean().item() == 7, "the denied request harmed another tensor")
    del kept
    torch.cuda.empty_cache()

    held = []
    try:
        while len(held) <= quota // BLOCK:
            held.append(block())
    except torch.OutOfMemoryError:
        pass
    expect(quota // BLOCK - 1 <= len(held) <= quota // BLOCK, f"{len(held)} blocks fit into {quota // BLOCK}")
    print(f"note: {len(held)} of {quota // BLOCK} blocks, {used() // MIB} MiB used, "
          f"PyTorch reserves {torch.cuda.memory_reserved() // MIB} MiB")
    held.clear()
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    expect(used() <= SLACK, f"{used()} used after everything was freed")
    block(quota // 2)


def graph():
    x = torch.ones(1024, 1024, device="cuda")
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            (x @ x + x).sum()
    torch.cuda.current_stream().wait_stream(stream)
    captured = torch.cuda.CUDAGraph()
    with torch.cuda.graph(captured):
        y = (x @ x + x).sum()
    for value in (1.0, 2.0):
        x.fill_(value)
        captured.replay()
        torch.cuda.synchronize()
        wanted = 1024 * 1024 * (1024 * value * value + value)
        expect(abs(y.item() / wanted - 1) < 1e-3, f"the graph says {y.item()}, not {wanted}")
    expect(used() <= quota, "above the quota")
    try:
        block(quota)
    except torch.OutOfMemoryError:
        pass
    else:
        sys.exit("a tensor as large as the quota was granted beside a graph")
    captured.replay()
    torch.cuda.synchronize()
    print(f"note: {used() // MIB} MiB used")


if what == "probe":
    expect(torch.cuda.is_available(), f"PyTorch {torch.__version__} sees no GPU")
    print(torch.__version__)
elif what == "graph":
    graph()
else:
    blocks()
