"""The kernels: the canonical step, its fast twins with the same bits, streamed softmax, and the choice among them."""
