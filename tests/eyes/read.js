// Base64 messages as a JSON list on standard input; what simple-hl7 reads of them as JSON on standard output:
// for each message its segments, each [name, fields], a field being a list of repetitions of components.
"use strict";
const fs = require("fs");
const { Parser } = require("simple-hl7");

const LABELS = { "UNICODE UTF-8": "utf-8", "8859/1": "iso-8859-1", "8859/15": "iso-8859-15" };

function text(raw) {
  const declared = raw.toString("latin1").split("\r")[0].split("|")[17];
  return new TextDecoder(LABELS[declared], { fatal: true }).decode(raw);
}

function component(found) {
  return found.value.map((part) => (Array.isArray(part) ? part.join("&") : part)).join("");
}

function repetitions(field) {
  return field.value.flatMap((entry) => (Array.isArray(entry) ? [entry.map(component)] : repetitions(entry)));
}

function segments(raw) {
  const message = new Parser({ segmentSeperator: "\r" }).parse(text(raw));
  const header = ["MSH", message.header.fields.map(repetitions)];
  return [header, ...message.segments.map((segment) => [segment.name, segment.fields.map(repetitions)])];
}

const messages = JSON.parse(fs.readFileSync(0, "utf8")).map((entry) => Buffer.from(entry, "base64"));
process.stdout.write(JSON.stringify(messages.map(segments)));
