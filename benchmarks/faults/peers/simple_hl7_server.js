// simple-hl7's server: acknowledges every message, and says its port in a line.
"use strict";
const hl7 = require("simple-hl7");
const net = require("net");

const probe = net.createServer().listen(0, "127.0.0.1", () => {
  const { port } = probe.address();
  probe.close(() => {
    const app = hl7.tcp();
    app.use((req, res, next) => res.end());
    app.start(port);
    console.log(port);
  });
});
