"""`[[hl7]]` as the sinks know it: where an interface engine listens, and how it is spoken to."""

import ssl
from pathlib import Path

from gateway.daemon.config import Hl7Section, TlsSection
from gateway.errors import ConfigError
from gateway.pipeline.publication import Destination
from gateway.protocols.acknowledgement import COMMIT, COMMIT_AND_APPLICATION, ORIGINAL
from gateway.protocols.oru import MessageHeader
from gateway.sinks.hl7 import HL7Settings
from gateway.sinks.mllp_address import MllpAddress, mllp_address
from gateway.sinks.tls import TlsFiles, client_context


def engine(section: Hl7Section) -> HL7Settings:
    """The settings of one destination; ConfigError names it, and what of it cannot be used."""
    try:
        address = mllp_address(section.url)
        tls = _tls(address, section.tls)
    except ConfigError as error:
        raise ConfigError(f"[[hl7]] {section.name}: {error}") from error
    return HL7Settings(
        name=section.name,
        address=address,
        tls=tls,
        connection=section.connection,
        ack_timeout_s=section.ack_timeout_s,
        connect_timeout_s=section.connect_timeout_s,
        messages_per_second=section.messages_per_second,
    )


def destination(section: Hl7Section) -> Destination:
    """What an engine wants to hear, and how its messages begin."""
    asked = COMMIT_AND_APPLICATION if section.application_ack == "AL" else COMMIT
    header = MessageHeader(
        processing_id=section.processing_id,
        sending_application=section.sending_application,
        sending_facility=section.sending_facility,
        receiving_application=section.receiving_application,
        receiving_facility=section.receiving_facility,
        asked=ORIGINAL if section.ack_mode == "original" else asked,
        character_set=section.charset,
        waveforms=section.waveforms,
    )
    return Destination(sink=section.name, interim=section.interim, header=header)


def _tls(address: MllpAddress, section: TlsSection | None) -> ssl.SSLContext | None:
    if address.secure:
        return client_context(tls_files(section or TlsSection()))
    if section is not None:
        raise ConfigError("[hl7.tls] stands beside mllp://, which is not encrypted; write mllps://")
    return None


def tls_files(section: TlsSection) -> TlsFiles:
    """The files that a section names."""
    ca_file, cert_file, key_file = (
        None if name is None else Path(name)
        for name in (section.ca_file, section.cert_file, section.key_file)
    )
    return TlsFiles(ca_file=ca_file, cert_file=cert_file, key_file=key_file)
