"""Ways out: HL7 over MLLP and MQTT."""
