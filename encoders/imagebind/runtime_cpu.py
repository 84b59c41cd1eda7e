"""A tower on a CPU, several times faster than plain PyTorch, with the same numbers.

Where the time goes, and what is done about it (docs/benchmarks.md has the figures):

- linear layers and convolutions: weights reordered once for oneDNN, GELU and the residual sum
  inside the product;
- attention in bfloat16: two batched products, which beat torch's flash kernel two to one here;
- the last block: only the token that the head reads gets a query, an output and an MLP;
- text: only as far as its end token, since attention is causal.

The last two change nothing in the result. Shapes: N inputs, L tokens, K keys, D width, H heads.
"""

from __future__ import annotations

import copy
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bindstream.types import Modality
from encoders.imagebind.model import Block, ImageBind, Trunk
from encoders.imagebind.stems import ConvStem


class Linear:
    """x W^T + b with W in oneDNN's own layout."""

    def __init__(self, weight: Tensor, bias: Tensor | None, dtype: torch.dtype) -> None:
        plain = weight.detach().to(dtype).contiguous()
        self.weight = torch.ops.mkldnn._reorder_linear_weight(plain)
        self.bias = None if bias is None else bias.detach().to(dtype)

    def __call__(self, x: Tensor, *, activation: str = "none") -> Tensor:
        """``activation``: none or gelu (exact)."""
        out: Tensor = torch.ops.mkldnn._linear_pointwise(
            x, self.weight, self.bias, activation, [], "none"
        )
        return out

    def plus(self, x: Tensor, residual: Tensor) -> Tensor:
        """residual + x W^T + b."""
        out: Tensor = torch.ops.mkldnn._linear_pointwise.binary(
            x, residual, self.weight, self.bias, "add"
        )
        return out


class Norm:
    """Layer norm over the last axis."""

    def __init__(self, norm: nn.LayerNorm, dtype: torch.dtype) -> None:
        self.weight = norm.weight.detach().to(dtype)
        self.bias = norm.bias.detach().to(dtype)
        self.shape = list(norm.normalized_shape)
        self.eps = norm.eps

    def __call__(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.shape, self.weight, self.bias, self.eps)


def attention(q: Tensor, kv: Tensor, heads: int, mask: Tensor | None) -> Tensor:
    """Scaled q [N, L, D], keys and values kv [N, K, 2D], additive mask [..., L, K] -> [N, L, D]."""
    n, length, dim = q.shape
    size = dim // heads
    qh = q.reshape(n, length, heads, size).transpose(1, 2)  # [N, H, L, D/H]
    kh, vh = kv.reshape(n, -1, 2, heads, size).permute(2, 0, 3, 1, 4)  # each [N, H, K, D/H]
    if q.dtype == torch.float32:
        mixed = F.scaled_dot_product_attention(qh, kh, vh, attn_mask=mask, scale=1.0)
    else:
        mixed = _by_products(qh, kh, vh, mask)
    return mixed.transpose(1, 2).reshape(n, length, dim)


def _by_products(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    n, heads = q.shape[:2]
    q, k, v = q.flatten(0, 1), k.flatten(0, 1), v.flatten(0, 1)  # [N*H, L or K, D/H]
    scores = torch.bmm(q, k.transpose(1, 2))  # [N*H, L, K]
    if mask is not None:
        scores = (scores.unflatten(0, (n, heads)) + mask).flatten(0, 1)  # type: ignore[no-untyped-call]
    mixed = torch.bmm(scores.softmax(-1), v)
    return mixed.reshape(n, heads, *mixed.shape[1:])


class PackedBlock:
    """One transformer block, its weights packed; ``last``: for ``one`` instead of a call."""

    def __init__(self, block: Block, dtype: torch.dtype, *, last: bool) -> None:
        attn, dim = block.attn, block.attn.out_proj.in_features
        self.dim = dim
        self.heads = attn.heads
        scale = (dim // attn.heads) ** -0.5
        weight, bias = attn.in_proj_weight.float().clone(), attn.in_proj_bias.float().clone()
        weight[:dim] *= scale
        bias[:dim] *= scale
        self.norm_1, self.norm_2 = Norm(block.norm_1, dtype), Norm(block.norm_2, dtype)
        if last:
            self.q = Linear(weight[:dim], bias[:dim], dtype)
            self.kv = Linear(weight[dim:], bias[dim:], dtype)
        else:
            self.qkv = Linear(weight, bias, dtype)
        self.out = Linear(attn.out_proj.weight, attn.out_proj.bias, dtype)
        self.fc1 = Linear(block.mlp.fc1.weight, block.mlp.fc1.bias, dtype)
        self.fc2 = Linear(block.mlp.fc2.weight, block.mlp.fc2.bias, dtype)
        self.extra = None
        if attn.bias_k is not None and attn.bias_v is not None:
            self.extra = torch.cat([attn.bias_k, attn.bias_v], dim=-1).to(dtype)  # [1, 1, 2D]

    def __call__(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """[N, L, D] -> [N, L, D]."""
        qkv = self.qkv(self.norm_1(x))  # [N, L, 3D]
        return self._rest(x, qkv[..., : self.dim], qkv[..., self.dim :], mask)

    def one(self, x: Tensor, at: Tensor, mask: Tensor | None) -> Tensor:
        """[N, L, D], the place [N] of the token that counts -> that token [N, 1, D]."""
        y = self.norm_1(x)
        rows = torch.arange(len(x))
        chosen = y[rows, at].unsqueeze(1)  # [N, 1, D]
        return self._rest(x[rows, at].unsqueeze(1), self.q(chosen), self.kv(y), mask)

    def _rest(self, x: Tensor, q: Tensor, kv: Tensor, mask: Tensor | None) -> Tensor:
        if self.extra is not None:
            kv = torch.cat([kv, self.extra.expand(len(kv), -1, -1)], dim=1)  # [N, L+1, 2D]
        x = self.out.plus(attention(q, kv, self.heads, mask), x)
        return self.fc2.plus(self.fc1(self.norm_2(x), activation="gelu"), x)


def packed_stem(tokens: nn.Module, dtype: torch.dtype, size: tuple[int, int]) -> nn.Module:
    """A copy of a modality's stem in ``dtype``, its 2-D and 3-D convolutions packed for inputs
    of ``size`` (H, W)."""
    stem = copy.deepcopy(tokens).to(dtype)
    for name, module in list(stem.named_modules()):
        if isinstance(module, ConvStem) and isinstance(module[0], nn.Conv2d):
            stem.set_submodule(name, _packed_convs(module, dtype, size))
    for name, module in list(stem.named_modules()):
        if isinstance(module, nn.Conv2d | nn.Conv3d) and module.kernel_size == module.stride:
            stem.set_submodule(name, Patches(module, dtype))
    return stem


def _packed_convs(stem: ConvStem, dtype: torch.dtype, size: tuple[int, int]) -> nn.Sequential:
    convs = [layer for layer in stem if isinstance(layer, nn.Conv2d)]
    shape, packed = torch.Size([1, convs[0].in_channels, *size]), []
    for conv in convs:
        packed.append(GeluConv(conv, dtype, shape))
        shape = conv(torch.zeros(shape, dtype=dtype)).shape
    return nn.Sequential(*packed)


class GeluConv(nn.Module):
    """A convolution and the GELU after it in one pass over the map, channels innermost.

    ``shape``: of the usual input [1, C, H, W]; without it oneDNN packs for one that is three
    times as slow. Others are computed as well.
    """

    def __init__(self, conv: nn.Conv2d, dtype: torch.dtype, shape: torch.Size) -> None:
        super().__init__()
        self.steps = conv.padding, conv.stride, conv.dilation, conv.groups
        plain = conv.weight.detach().to(dtype).contiguous(memory_format=torch.channels_last)
        pack = torch.ops.mkldnn._reorder_convolution_weight
        self.weight = pack(plain, *self.steps, list(shape))
        self.bias = None if conv.bias is None else conv.bias.detach().to(dtype)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, D, h, w]."""
        out: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, self.weight, self.bias, *self.steps, "gelu", [], "none"
        )
        return out


class Patches(nn.Module):
    """A convolution whose patches do not overlap, as one packed product.

    Channels are innermost in a patch, as they are in a frame and in what a GeluConv gives.
    """

    def __init__(self, conv: nn.Conv2d | nn.Conv3d, dtype: torch.dtype) -> None:
        super().__init__()
        self.size = conv.kernel_size
        self.linear = Linear(conv.weight.movedim(1, -1).flatten(1), conv.bias, dtype)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, (T,) H, W] -> [N, D, patches]."""
        for axis, size in enumerate(self.size, start=2):
            x = x.unfold(axis, size, size)
        axes = len(self.size)
        # [N, C, (t,) h, w, (kt,) kh, kw] -> [N, patches, kt * kh * kw * C]
        x = x.movedim(1, -1).flatten(1 + axes).flatten(1, axes)
        return self.linear(x).transpose(1, 2)


class PackedTower:
    """One modality of a model, packed. Keeps none of the model's own trunk weights."""

    def __init__(self, model: ImageBind, modality: Modality, dtype: torch.dtype) -> None:
        trunk, head = cast(Trunk, model.modality_trunks[modality]), model.modality_heads[modality]
        self.text = modality is Modality.TEXT
        self.dtype = dtype
        size = model.config.input_size(modality)
        self.stem = packed_stem(model.modality_preprocessors[modality], dtype, size)
        self.pre = [Norm(cast(nn.LayerNorm, n), dtype) for n in trunk.pre_transformer_layer]
        blocks = [cast(Block, block) for block in trunk.blocks]
        self.blocks = [PackedBlock(block, dtype, last=False) for block in blocks[:-1]]
        self.last = PackedBlock(blocks[-1], dtype, last=True)
        layers = list(cast(nn.Sequential, head.proj if self.text else head))
        self.norm = Norm(cast(nn.LayerNorm, layers[0]), dtype)
        self.head = Linear(cast(nn.Linear, layers[-1]).weight, None, dtype)

    def __call__(self, x: Tensor) -> Tensor:
        """Model input without a clip axis -> unit vectors float32 [N, E]."""
        at = x.argmax(dim=-1) if self.text else torch.zeros(len(x), dtype=torch.long)
        x = x[:, : int(at.max()) + 1] if self.text else x.to(self.dtype)
        hidden = self.stem(x)  # [N, L, D]
        for norm in self.pre:
            hidden = norm(hidden)
        every, last = self._masks(hidden.shape[1], at)
        for block in self.blocks:
            hidden = block(hidden, every)
        token = self.last.one(hidden, at, last)  # [N, 1, D]
        return F.normalize(self.head(self.norm(token[:, 0])).float(), dim=-1)

    def _masks(self, length: int, at: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Causal for all tokens [L, L]; for the one that counts [N, 1, 1, L]."""
        if not self.text:
            return None, None
        hidden = torch.full((length, length), float("-inf"), dtype=self.dtype).triu(1)
        return hidden, hidden[at][:, None, None, :]
