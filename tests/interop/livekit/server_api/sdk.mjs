// livekit-server-sdk, told what to call: `node sdk.mjs NODE_MODULES URL KEY SECRET`.
//
// Each line of standard input is `{"of": "room" | "egress" | "ingress" | "dispatch" | "webhook" | "token", "call", "with"}`
// and is answered with a line `{"value"}` or `{"error": {"code", "status", "message"}}`. In `with`, `{"$new": NAME, "of": {...}}`
// stands for a message of the SDK, and `{"$bytes": TEXT}` for bytes.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [modules, url, key, secret] = process.argv.slice(2);
const sdk = createRequire(`${modules}/`)("livekit-server-sdk");
const receiver = new sdk.WebhookReceiver(key, secret);
const clients = {
  room: new sdk.RoomServiceClient(url, key, secret),
  egress: new sdk.EgressClient(url, key, secret),
  ingress: new sdk.IngressClient(url, key, secret),
  dispatch: new sdk.AgentDispatchClient(url, key, secret),
  webhook: receiver,
  token: {
    async mint(options, grants) {
      const token = new sdk.AccessToken(key, secret, options);
      token.addGrant(grants);
      return token.toJwt();
    },
    verify: (token) => new sdk.TokenVerifier(key, secret).verify(token),
  },
};

function revive(_, value) {
  if (value?.$new) return new sdk[value.$new](value.of);
  if (value?.$bytes !== undefined) return new TextEncoder().encode(value.$bytes);
  return value;
}

const plain = (_, value) => (typeof value === "bigint" ? String(value) : value);

for await (const line of createInterface({ input: process.stdin })) {
  const { of, call, with: given } = JSON.parse(line, revive);
  let said;
  try {
    said = { value: (await clients[of][call](...given)) ?? null };
  } catch (error) {
    said = { error: { code: error.code ?? "", status: error.status ?? 0, message: error.message } };
  }
  process.stdout.write(`${JSON.stringify(said, plain)}\n`);
}
