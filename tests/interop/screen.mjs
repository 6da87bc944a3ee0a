// A lab screen of few words: prints every message below a filter as a line of JSON.
import mqtt from 'mqtt'

const [url, filter] = process.argv.slice(2)
const client = mqtt.connect(url, { protocolVersion: 4, reconnectPeriod: 0 })
client.on('connect', () =>
  client.subscribe(filter, { qos: 1 }, () => console.log(JSON.stringify({ topic: 'ready', payload: '' }))))
client.on('message', (topic, payload, packet) =>
  console.log(JSON.stringify({ topic, payload: payload.toString(), retain: packet.retain })))
client.on('error', (error) => { console.error(error.message); process.exit(1) })
