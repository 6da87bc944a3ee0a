// simple-hl7's client behind a pipe: a message a line in base64, what came of it a line in JSON.
//
// One connection for all (keepalive); after an error a new one a second later, and the same message again.
// The library hands over what it read. As in its documentation nobody compares MSA-2; MSA-1 is looked at.
"use strict";
const hl7 = require("simple-hl7");
const readline = require("readline");

const TRIES = 30;
const port = Number(process.argv[2]);
let client = null;

function once(message) {
  return new Promise((resolve, reject) => {
    if (client === null) {
      client = hl7.Server.createTcpClient({ host: "127.0.0.1", port, keepalive: true });
    }
    client.send(message, (error, ack) => (error ? reject(error) : resolve(ack)));
  });
}

async function settled(message) {
  for (let tries = 0; tries < TRIES; tries += 1) {
    try {
      const ack = await once(message);
      return ack.getSegment("MSA").getField(1) === "AA";
    } catch (error) {
      if (client !== null) {
        client.close();
      }
      client = null;
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
  return false;
}

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const done = await settled(Buffer.from(line, "base64").toString("utf8"));
    console.log(JSON.stringify({ settled: done }));
  }
})();
