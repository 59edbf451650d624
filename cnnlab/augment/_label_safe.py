"""Which transforms keep the label: a judgement for each kind of data, with reasons."""

from typing import NamedTuple


class Rule(NamedTuple):
    """May this transform be used? "yes", with "care", or "no"; how far; and why.

    `limit` is the factor at strength 1, in the layer's own unit: turns for a rotation
    (15/360 is 15 degrees), shares of the side for translation and zoom, 1 for a flip,
    for hue twice the turn of the colour circle; 0 leaves the transform out.
    """

    verdict: str
    limit: float
    reason: str


# "care" with limit 0: right for some data of this kind and wrong for others, so nothing
# is done unless somebody who knows the data asks for it.
_UPRIGHT = {
    "horizontal_flip": Rule("yes", 1, "seen from the other side it is the same thing"),
    "vertical_flip": Rule("no", 0, "nothing of this kind is ever seen upside down"),
    "rotation": Rule("yes", 15 / 360, "a camera is held a little askew"),
    "translation": Rule("yes", 0.1, "the class does not depend on the place"),
    "zoom": Rule("yes", 0.1, "nor on the distance, while the object stays inside"),
    "brightness": Rule("yes", 0.2, "exposure says nothing about the class"),
    "contrast": Rule("yes", 0.2, "exposure says nothing about the class"),
    "hue": Rule("care", 0.05, "light tints a picture, but colour may tell classes"),
}
_GREY = _UPRIGHT | {"hue": Rule("no", 0, "a grey picture has no hue")}
# 180 degrees to both sides are all turns.
_FROM_ABOVE = _UPRIGHT | {
    "horizontal_flip": Rule("yes", 1, "seen from above there is no left and right"),
    "vertical_flip": Rule("yes", 1, "seen from above there is no up and down"),
    "rotation": Rule("yes", 180 / 360, "seen from above every turn is as likely"),
}

LABEL_SAFE: dict[str, dict[str, Rule]] = {
    "digits": _GREY
    | {
        "horizontal_flip": Rule("no", 0, "a mirrored 2 is taken for a 5"),
        "vertical_flip": Rule("no", 0, "a 6 upside down is taken for a 9"),
        "rotation": Rule("yes", 15 / 360, "writing slants; at 180 degrees a 6 is a 9"),
    },
    "text": _GREY
    | {
        "horizontal_flip": Rule("no", 0, "a mirrored b is a d"),
        "vertical_flip": Rule("no", 0, "a b upside down is a p"),
        "rotation": Rule("yes", 5 / 360, "lines run level; at 90 degrees a Z is an N"),
    },
    "objects": _UPRIGHT,
    "flowers": _UPRIGHT
    | {
        "vertical_flip": Rule(
            "care", 0, "right for a bloom from above, not for a stem"
        ),
        "rotation": Rule("yes", 30 / 360, "blooms nod to all sides"),
        "hue": Rule("care", 0.03, "the colour of the petals helps to tell the species"),
    },
    "satellite": _FROM_ABOVE
    | {"hue": Rule("care", 0.03, "colour tells forest from water from field")},
    "xray": _GREY
    | {
        "horizontal_flip": Rule("care", 0, "moves the heart to the other side"),
        "rotation": Rule("yes", 5 / 360, "patients stand nearly upright"),
        "zoom": Rule("yes", 0.05, "size is a finding: an enlarged heart"),
    },
    "traffic_signs": _UPRIGHT
    | {
        "horizontal_flip": Rule("no", 0, "turn left becomes turn right"),
        "vertical_flip": Rule("no", 0, "give way upside down warns of a danger"),
        "rotation": Rule("yes", 10 / 360, "a turned arrow gives another order"),
        "hue": Rule("no", 0, "red forbids, blue orders"),
    },
    "shapes": _FROM_ABOVE
    | {"hue": Rule("yes", 180 / 360, "only the outline makes the class, no colour")},
}
"""Kind of data -> transform -> `Rule`. `objects` are things on photographs, such as
those of CIFAR-10 or cats and dogs; `shapes` are those of `cnnlab.shapes`."""


def rules(kind: str) -> dict[str, Rule]:
    """Return the rules of one kind of data. Raises ValueError for an unknown kind."""
    if kind not in LABEL_SAFE:
        raise ValueError(f"`kind` must be one of {(*LABEL_SAFE,)}. Received: {kind!r}")
    return LABEL_SAFE[kind]
