"""Every topic below `emg/v1/{site}/{cart}`: who writes it, whether the broker keeps it, what goes over it.

Publishing, hearing commands and the published AsyncAPI document go by this table.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

PREFIX: Final = "emg/v1/{site}/{cart}"
QOS: Final = 1

# What stands for a name in a topic, and what it may be; the site and the cart are those of the configuration.
PARAMETERS: Final[Mapping[str, tuple[str, str]]] = {
    "site": ("[a-z0-9_-]{1,32}", "`[gateway] site` of the configuration."),
    "cart": ("[a-z0-9_-]{1,32}", "`cart` of the driver, else `[gateway] cart`."),
    "study": (
        "[A-Z2-7]{8}",
        "The opaque code of a study: 8 base32 characters, nobody can trace it back to a patient.",
    ),
    "alert_id": (
        r"[A-Z2-7]{8}(?:-[a-z0-9_.]{1,32}){5,7}",
        "`{study}-{nerve}-{side}-{recording_site}-{distal}-{proximal}`, for inching the positions as well.",
    ),
    "request_id": (r"[A-Za-z0-9_-]{1,64}", "The name that a screen gave its request."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A topic: `below` the prefix, with names in braces; `messages` by the names of their schemas."""

    name: str
    below: str
    sender: Literal["gateway", "screen"]
    messages: tuple[str, ...]
    about: str
    retained: bool = False

    def topic(self, **names: str) -> str:
        """The topic below the prefix for these names."""
        return self.below.format(**names)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names in braces, those of the prefix first."""
        return tuple(re.findall(r"{(\w+)}", f"{PREFIX}/{self.below}"))


# The messages that have a number, and nothing else has one: what `replay` sends once more.
EVENTS: Final = ("recording", "segment", "guidance", "assessment", "alert")

CHANNELS: Final[Mapping[str, Channel]] = {
    channel.name: channel
    for channel in (
        Channel(
            name="status",
            below="status",
            sender="gateway",
            messages=("status", "will"),
            about="A heartbeat each second while the gateway is connected, and what it leaves behind.",
            retained=True,
        ),
        Channel(
            name="recording",
            below="study/{study}/recording",
            sender="gateway",
            messages=("recording",),
            about="One stimulation: marks, quality, and the curve at most 500 samples long.",
        ),
        Channel(
            name="segment",
            below="study/{study}/segment",
            sender="gateway",
            messages=("segment",),
            about="One segment, graded or graded anew.",
        ),
        Channel(
            name="guidance",
            below="study/{study}/guidance",
            sender="gateway",
            messages=("guidance",),
            about="What is still to record, in order.",
        ),
        Channel(
            name="assessment",
            below="study/{study}/assessment",
            sender="gateway",
            messages=("assessment", "cleared"),
            about="The whole assessment as it is now; cleared some time after the examination.",
            retained=True,
        ),
        Channel(
            name="alert",
            below="alert/{alert_id}",
            sender="gateway",
            messages=("alert", "cleared"),
            about="A conduction block that was found; kept until it is over and was seen, or cleared.",
            retained=True,
        ),
        Channel(
            name="replay",
            below="replay/{request_id}",
            sender="gateway",
            messages=(*EVENTS, "replay_end"),
            about="The answer to `cmd/replay`: the events once more as they were, in order, then the end.",
        ),
        Channel(
            name="cmd_ack",
            below="cmd/ack",
            sender="screen",
            messages=("ack",),
            about="Somebody at a screen has seen an alert. The answer is the alert itself, changed.",
        ),
        Channel(
            name="cmd_replay",
            below="cmd/replay",
            sender="screen",
            messages=("replay",),
            about="A screen asks for the events after a number.",
        ),
    )
}

MESSAGES: Final[Mapping[str, str]] = {
    "status": "the heartbeat, and the word with which a gateway leaves in order",
    "will": "what the broker says when the gateway is lost",
    "recording": "one stimulation",
    "segment": "one segment, graded",
    "guidance": "what is still to record",
    "assessment": "the whole assessment",
    "alert": "an alert, and every change of it",
    "cleared": "an empty payload: forget what this topic held",
    "replay_end": "the end of a replay",
    "ack": "an alert has been seen",
    "replay": "what was missed is asked for",
}
