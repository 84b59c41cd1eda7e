"""ImageBind, from top to bottom: six modalities, one space.

Written anew from the paper (Girdhar et al., "ImageBind: One Embedding Space To Bind Them All",
CVPR 2023) and the published structure of ``imagebind_huge``, whose 1,311 keys it loads. Each
modality is stem -> transformer -> head -> unit norm -> logit scale; nothing is fused.

This is the readable model, in plain PyTorch and trainable. ``runtime`` runs the same
weights faster and is tested against this file.

Shapes: B batch, S clips, N = B*S, L tokens, D width of the trunk, H heads, E joint space.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bindstream.errors import InvalidInput
from bindstream.types import Modality
from encoders.imagebind.config import ImageBindConfig
from encoders.imagebind.stems import ImuStem, PatchStem

_LOGIT_SCALES = {"text": 1 / 0.07, "audio": 20.0, "depth": 5.0, "thermal": 10.0, "imu": 5.0}
_MAX_LOGIT_SCALE = 100.0
_TRUNK_EPS = 1e-6


class Attention(nn.Module):
    """Multi-head self-attention with the parameter layout of nn.MultiheadAttention.

    ``bias_kv`` adds one learned key and value after the last token.
    """

    bias_k: Tensor | None
    bias_v: Tensor | None

    def __init__(self, dim: int, heads: int, *, bias_kv: bool) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * dim, dim))  # rows q | k | v
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * dim))
        self.out_proj = nn.Linear(dim, dim)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)
        for name in ("bias_k", "bias_v"):
            bias = nn.Parameter(_drawn(1, 1, dim, std=dim**-0.5)) if bias_kv else None
            self.register_parameter(name, bias)

    def forward(self, x: Tensor, *, causal: bool = False) -> Tensor:
        """[N, L, D] -> [N, L, D]; ``causal``: a token sees itself and those before it."""
        q, k, v = F.linear(x, self.in_proj_weight, self.in_proj_bias).chunk(3, dim=-1)
        if self.bias_k is not None and self.bias_v is not None:
            k = torch.cat([k, self.bias_k.expand(len(x), -1, -1)], dim=1)  # [N, L+1, D]
            v = torch.cat([v, self.bias_v.expand(len(x), -1, -1)], dim=1)
        mixed = F.scaled_dot_product_attention(
            self._split(q), self._split(k), self._split(v), is_causal=causal
        )  # [N, H, L, D/H]
        out: Tensor = self.out_proj(mixed.transpose(1, 2).flatten(2))  # [N, L, D]
        return out

    def _split(self, x: Tensor) -> Tensor:
        n, length, dim = x.shape
        heads = x.reshape(n, length, self.heads, dim // self.heads)
        return heads.transpose(1, 2)  # [N, L, D] -> [N, H, L, D/H]


class Mlp(nn.Module):
    """D -> 4D -> D with the exact (erf) GELU."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, 4 * dim)
        self.fc2 = nn.Linear(4 * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return out


class Block(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, dim: int, heads: int, *, bias_kv: bool) -> None:
        super().__init__()
        self.norm_1 = nn.LayerNorm(dim, eps=_TRUNK_EPS)
        self.attn = Attention(dim, heads, bias_kv=bias_kv)
        self.norm_2 = nn.LayerNorm(dim, eps=_TRUNK_EPS)
        self.mlp = Mlp(dim)

    def forward(self, x: Tensor, *, causal: bool = False) -> Tensor:
        x = x + self.attn(self.norm_1(x), causal=causal)
        return x + self.mlp(self.norm_2(x))  # type: ignore[no-any-return]


class Trunk(nn.Module):
    """The transformer of one modality. Vision alone normalises its tokens first (as CLIP)."""

    def __init__(self, config: ImageBindConfig, modality: Modality) -> None:
        super().__init__()
        dim, blocks, heads = config.trunk(modality)
        self.causal = modality is Modality.TEXT
        bias_kv = modality not in (Modality.VISION, Modality.TEXT)
        pre = [nn.LayerNorm(dim, eps=_TRUNK_EPS)] if modality is Modality.VISION else []
        self.pre_transformer_layer = nn.Sequential(*pre)
        self.blocks = nn.ModuleList(Block(dim, heads, bias_kv=bias_kv) for _ in range(blocks))

    def forward(self, x: Tensor) -> Tensor:
        """[N, L, D] -> [N, L, D]."""
        x = self.pre_transformer_layer(x)
        for block in self.blocks:
            x = block(x, causal=self.causal)
        return x


class PosEmbed(nn.Module):
    """Only a name: the official files keep images' positions one level deeper."""

    def __init__(self, tokens: int, dim: int) -> None:
        super().__init__()
        self.pos_embed = nn.Parameter(_drawn(1, tokens, dim, std=0.02))


class Tokens(nn.Module):
    """Class token, stem's tokens, plus positions: [N, ...] -> [N, L, D]."""

    def __init__(self, config: ImageBindConfig, modality: Modality) -> None:
        super().__init__()
        dim, length = config.trunk(modality).dim, config.tokens(modality)
        self.cls_token = nn.Parameter(_drawn(1, 1, dim, std=0.02))
        names = {Modality.DEPTH: "depth_stem", Modality.IMU: "imu_stem"}
        self.stem_name = names.get(modality, "rgbt_stem")
        imu = modality is Modality.IMU
        self.add_module(self.stem_name, ImuStem(config) if imu else PatchStem(config, modality))
        if imu:
            self.pos_embed = nn.Parameter(_drawn(1, length, dim, std=0.02))
        else:
            self.pos_embedding_helper = PosEmbed(length, dim)

    @property
    def positions(self) -> Tensor:
        """[1, L, D]"""
        imu = self.stem_name == "imu_stem"
        return self.pos_embed if imu else self.pos_embedding_helper.pos_embed

    def forward(self, x: Tensor) -> Tensor:
        patches = self.get_submodule(self.stem_name)(x)  # [N, L-1, D]
        return torch.cat([self.cls_token.expand(len(x), -1, -1), patches], dim=1) + self.positions


class TextTokens(nn.Module):
    """Token ids [N, L] int64 -> [N, L, D]. ``mask`` is only there because the official file
    holds it; attention is told that it is causal."""

    def __init__(self, config: ImageBindConfig) -> None:
        super().__init__()
        dim, length = config.trunk(Modality.TEXT).dim, config.context_length
        words = _drawn(config.vocab_size, dim, std=0.02)
        self.token_embedding = nn.Embedding(config.vocab_size, dim, _weight=words)
        self.pos_embed = nn.Parameter(_drawn(1, length, dim, std=0.01))
        mask = torch.full((length, length), -math.inf)
        self.register_buffer("mask", mask if mask.is_meta else mask.triu(1))  # as in _drawn

    def forward(self, ids: Tensor) -> Tensor:
        # Causal: what follows the end of text changes nothing, so a shorter L is allowed.
        out: Tensor = self.token_embedding(ids) + self.pos_embed[:, : ids.shape[1]]
        return out


class FirstToken(nn.Module):
    """[N, L, D] -> [N, D]: the class token."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, 0]


class TextHead(nn.Module):
    """The token at the end of the text: the first place of the largest id."""

    def __init__(self, dim: int, out_dim: int) -> None:
        super().__init__()
        self.proj = nn.Sequential(
            nn.LayerNorm(dim, eps=_TRUNK_EPS), nn.Linear(dim, out_dim, bias=False)
        )

    def forward(self, x: Tensor, ids: Tensor) -> Tensor:
        """[N, L, D] and ids [N, L] -> [N, E]."""
        last = ids.argmax(dim=-1)  # [N]
        out: Tensor = self.proj(x[torch.arange(len(x), device=x.device), last])
        return out


class UnitNorm(nn.Module):
    """Length one, in float32: [N, E] -> [N, E]."""

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(x.float(), dim=-1)


class LogitScale(nn.Module):
    """Multiply by min(exp(log_logit_scale), 100); learnable for text, fixed for the others."""

    log_logit_scale: Tensor

    def __init__(self, scale: float, *, learnable: bool) -> None:
        super().__init__()
        log_scale = torch.full((), math.log(scale))
        if learnable:
            self.log_logit_scale = nn.Parameter(log_scale)
        else:
            self.register_buffer("log_logit_scale", log_scale)

    def forward(self, x: Tensor) -> Tensor:
        return self.log_logit_scale.exp().clamp(max=_MAX_LOGIT_SCALE) * x


class ImageBind(nn.Module):
    """The whole model, or the part of it that ``modalities`` names (default: all six).

    Parameter names and shapes are the official checkpoint's where ``config`` is the default.
    """

    def __init__(
        self,
        config: ImageBindConfig | None = None,
        modalities: Iterable[Modality | str] | None = None,
    ) -> None:
        super().__init__()
        self.config = config or ImageBindConfig()
        chosen = tuple(Modality) if modalities is None else {Modality(m) for m in modalities}
        self.modalities = tuple(m for m in Modality if m in chosen)
        names = [str(m) for m in self.modalities]
        self.modality_preprocessors = nn.ModuleDict({n: self._tokens(Modality(n)) for n in names})
        self.modality_trunks = nn.ModuleDict({n: Trunk(self.config, Modality(n)) for n in names})
        self.modality_heads = nn.ModuleDict({n: self._head(Modality(n)) for n in names})
        self.modality_postprocessors = nn.ModuleDict({n: _postprocessor(n) for n in names})

    def _tokens(self, modality: Modality) -> nn.Module:
        if modality is Modality.TEXT:
            return TextTokens(self.config)
        return Tokens(self.config, modality)

    def _head(self, modality: Modality) -> nn.Module:
        dim, out_dim = self.config.trunk(modality).dim, self.config.out_embed_dim
        if modality is Modality.TEXT:
            return TextHead(dim, out_dim)
        norm, linear = nn.LayerNorm(dim, eps=_TRUNK_EPS), nn.Linear(dim, out_dim, bias=False)
        if modality is Modality.IMU:
            return nn.Sequential(
                norm, FirstToken(), nn.Dropout(self.config.imu_head_dropout), linear
            )
        return nn.Sequential(norm, FirstToken(), linear)

    def forward(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """{modality: tensor} -> {modality: [B, E] float32}, scaled by the logit scale.

        ========  ==================================================================
        vision    [B, 3, 224, 224]; clips [B, S, 3, T, 224, 224] with T 1 or 2
        audio     [B, 1, 128, 204]; clips [B, S, 1, 128, 204]
        depth     [B, 1, 224, 224]; thermal too
        imu       [B, 6, 2000]
        text      int64 [B, 77]
        ========  ==================================================================

        Five or more axes mean a clip axis (so one video clip must be given as 6-D): clips are
        encoded, normalised and scaled one by one, then averaged. The mean is not normalised
        again. Raises InvalidInput for another shape or a modality that was not loaded.
        """
        return {str(name): self._embed(Modality(name), x) for name, x in inputs.items()}

    def _embed(self, modality: Modality, x: Tensor) -> Tensor:
        clips = x.shape[1] if x.ndim >= 5 else 1
        flat = x.flatten(0, 1) if x.ndim >= 5 else x  # [B, S, ...] -> [B*S, ...]
        features = self.features(modality, flat)  # [N, E]
        vectors: Tensor = self.modality_postprocessors[modality](features)
        return vectors.reshape(-1, clips, vectors.shape[-1]).mean(dim=1)  # [B*S, E] -> [B, E]

    def features(self, modality: Modality | str, x: Tensor) -> Tensor:
        """One input each, no clip axis -> [N, E], before unit norm and logit scale."""
        name = self._checked(Modality(modality), x)
        text = name == Modality.TEXT
        stem, trunk = self.modality_preprocessors[name], self.modality_trunks[name]
        hidden = trunk(stem(x if text else x.to(_dtype(stem))))  # [N, L, D]
        head = self.modality_heads[name]
        out: Tensor = head(hidden, x) if text else head(hidden)
        return out

    def logit_scale(self, modality: Modality | str) -> float:
        """What ``forward`` multiplied by; 1 for vision."""
        scale = list(self.modality_postprocessors[modality].children())[1:]
        return float(scale[0](torch.ones((), device=_device(self)))) if scale else 1.0

    def _checked(self, modality: Modality, x: Tensor) -> str:
        if modality not in self.modalities:
            loaded = ", ".join(self.modalities)
            raise InvalidInput(f"{modality}: this model holds only {loaded}")
        wanted = _wanted(self.config, modality)
        text_fits = modality is Modality.TEXT and x.ndim == 2 and x.shape[1] <= wanted[0][0]
        if not text_fits and list(x.shape[1:]) not in wanted:
            one_of = " or ".join(str(["N", *shape]) for shape in wanted)
            raise InvalidInput(
                f"{modality}: wants a tensor of shape {one_of}, got {list(x.shape)}"
                " (five or more axes are read as clips: batch, clip, ...)"
            )
        return str(modality)


def _wanted(config: ImageBindConfig, modality: Modality) -> list[list[int]]:
    if modality is Modality.TEXT:
        return [[config.context_length]]
    if modality is Modality.IMU:
        return [[6, config.imu_length]]
    size = list(config.input_size(modality))
    if modality is Modality.VISION:
        return [[3, *size], [3, 1, *size], [3, 2, *size]]
    return [[1, *size]]


def _postprocessor(name: str) -> nn.Sequential:
    if name not in _LOGIT_SCALES:
        return nn.Sequential(UnitNorm())
    return nn.Sequential(
        UnitNorm(), LogitScale(_LOGIT_SCALES[name], learnable=name == Modality.TEXT)
    )


def _drawn(*shape: int, std: float) -> Tensor:
    """Normal numbers to start training from; none on the meta device, where asking for them
    imports a second's worth of torch."""
    empty = torch.empty(shape)
    return empty if empty.is_meta else empty.normal_(std=std)


def _dtype(module: nn.Module) -> torch.dtype:
    return next(module.parameters()).dtype


def _device(module: nn.Module) -> torch.device:
    return next(module.parameters()).device
