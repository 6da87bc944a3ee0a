"""The way in for carts that speak CLSI LIS01-A2 / LIS02-A2 over a serial line or a terminal server."""

from typing import Annotated, Final, Literal

import msgspec

from drivers.serial_lis.driver import SerialLisDriver
from drivers.serial_lis.translate import Conversation
from gateway.ports import DriverContext
from gateway.protocols.lis_records import Assembler
from gateway.transport import StreamSettings


class Settings(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The keys of a `[[drivers]]` of type `serial_lis`."""

    url: Annotated[
        str, msgspec.Meta(description="Where the line is: serial:///dev/ttyUSB0 or socket://host:port.")
    ]
    baudrate: Annotated[
        int, msgspec.Meta(gt=0, description="Bits per second; 9600 is what laboratory instruments ship with.")
    ] = 9600
    bytesize: Annotated[
        Literal[7, 8],
        msgspec.Meta(description="Data bits; 8, as LIS01-A2 prefers: names beyond ASCII need it."),
    ] = 8
    parity: Annotated[
        Literal["N", "E", "O"], msgspec.Meta(description="None, even or odd; N: every frame has a checksum.")
    ] = "N"
    stopbits: Annotated[Literal[1, 2], msgspec.Meta(description="Stop bits; 1 is usual.")] = 1
    flow: Annotated[
        Literal["none", "rtscts", "xonxoff"],
        msgspec.Meta(description="Flow control; none: the protocol waits for an answer after every frame."),
    ] = "none"
    terminator_ends_exam: Annotated[
        bool,
        msgspec.Meta(
            description="Whether an L record ends the examination; false for carts that send one message a"
            " stimulation, each with its L."
        ),
    ] = True


class _SerialLis:
    """The plug-in as the entry point holds it."""

    settings: Final = Settings

    def create(self, settings: Settings, context: DriverContext) -> SerialLisDriver:
        """Build the driver; opens nothing yet."""

        def converse() -> Conversation:
            return Conversation(
                Assembler(
                    check=context.anatomy.check,
                    timezone=context.timezone,
                    terminator_ends_exam=settings.terminator_ends_exam,
                    max_samples=context.limits.sweep_samples,
                ),
                max_record=context.limits.record_bytes,
                max_session=context.limits.document_bytes,
            )

        line = StreamSettings(
            url=settings.url,
            baudrate=settings.baudrate,
            bytesize=settings.bytesize,
            parity=settings.parity,
            stopbits=settings.stopbits,
            flow=settings.flow,
        )
        return SerialLisDriver(context.name, context.clock, line, converse)


DRIVER: Final = _SerialLis()
