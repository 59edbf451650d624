"""Receptive fields, exact through strides, padding, upsampling and branches."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Self


@dataclass(frozen=True)
class Field:
    """Which input pixels each output along one axis can see.

    Output `turn * len(spans) + phase` sees the pixels from `low + turn * advance` to
    `high + turn * advance`, where `(low, high) = spans[phase]`. A plain chain of
    convolutions has one span; upsampling by 2 makes two, as even and odd outputs
    see different pixels. With `advance` 0 all outputs see the same. The image has
    `pixels` along the axis; a field can reach beyond them, into the padding.
    """

    pixels: int
    spans: tuple[tuple[int, int], ...] = ((0, 0),)
    advance: int = 1

    @property
    def size(self) -> int:
        """Pixels the output that sees most can see."""
        return max(high - low + 1 for low, high in self.spans)

    @property
    def jump(self) -> int | float:
        """Pixels between neighbouring outputs, on average."""
        jump = Fraction(self.advance, len(self.spans))
        return int(jump) if jump.denominator == 1 else float(jump)

    def at(self, index: int) -> tuple[int, int]:
        """The first and last pixel that output `index` can see."""
        turn, phase = divmod(index, len(self.spans))
        low, high = self.spans[phase]
        return low + turn * self.advance, high + turn * self.advance

    def union(self, indices: Iterable[int]) -> tuple[int, int]:
        """The first and last pixel that any of the outputs `indices` can see."""
        lows, highs = zip(*map(self.at, indices), strict=True)
        return min(lows), max(highs)

    def slide(self, kernel_size: int, strides: int, dilation: int, before: int) -> Self:
        """The field after a window slid over this one, `before` zeros in front."""
        # The pattern of spans comes back after `len(self.spans)` inputs, so after that
        # many outputs, less what the strides have in common with it.
        shared = math.gcd(len(self.spans), strides)
        spans = tuple(
            self.union(
                out * strides - before + tap * dilation for tap in range(kernel_size)
            )
            for out in range(len(self.spans) // shared)
        )
        return Field(self.pixels, spans, self.advance * strides // shared)

    def spread(
        self, kernel_size: int, strides: int, dilation: int, before: int
    ) -> Self:
        """The field after a transposed convolution that drops `before` outputs."""
        spans = []
        # The other way round: which inputs paint output `out`. In between lie gaps
        # (strides above the kernel size) that none paints; as a span needs two ends,
        # they get those of the input before.
        for out in range(len(self.spans) * strides):
            places = [out + before - tap * dilation for tap in range(kernel_size)]
            seen = [place // strides for place in places if place % strides == 0]
            spans.append(self.union(seen or [places[0] // strides]))
        return Field(self.pixels, tuple(spans), self.advance)

    def whole(self, size: int) -> Self:
        """The field of all `size` outputs together, within the image."""
        low, high = self.union(range(size))
        return Field(self.pixels, ((max(low, 0), min(high, self.pixels - 1)),), 0)


def merge(fields: list[Field]) -> Field:
    """The field of tensors added or concatenated: the hull of what each can see.

    Where one of them sees the whole image (jump 0), so does the result.

    Raises:
        ValueError: if the tensors advance at different paces.
    """
    # A field that stands still cannot be lined up with one that advances; where all see
    # the whole image, what the others see is part of it.
    fields = [field for field in fields if not field.advance] or fields
    if len({field.jump for field in fields}) > 1:
        raise ValueError(
            "Tensors that are merged must have come down by the same strides. "
            f"Received: jumps of {[field.jump for field in fields]} pixels"
        )
    # Patterns of different length, 2 after one upsampling and 4 after two, line up
    # again after their least common multiple.
    period = math.lcm(*(len(field.spans) for field in fields))
    hulls = [[field.at(out) for field in fields] for out in range(period)]
    spans = tuple(
        (min(low for low, _ in hull), max(high for _, high in hull)) for hull in hulls
    )
    first = fields[0]
    return Field(first.pixels, spans, first.advance * period // len(first.spans))
