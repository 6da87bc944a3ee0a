"""hl7apy's MLLP server: acknowledges every ORU^R01, and says its port in a line."""

from hl7apy.mllp import AbstractHandler, MLLPServer


class Accepting(AbstractHandler):
    """Answers AA with the message's control id."""

    def reply(self) -> str:
        """The acknowledgement, framed."""
        control_id = self.incoming_message.split("\r")[0].split("|")[9]
        return f"\x0bMSH|^~\\&|||||||ACK|A|P|2.5.1\rMSA|AA|{control_id}\r\x1c\r"


server = MLLPServer("127.0.0.1", 0, {"ORU^R01^ORU_R01": (Accepting,)})
print(server.socket.getsockname()[1], flush=True)
server.serve_forever()
