import { z } from 'zod';
import * as account from './account.ts';
import * as codes from './codes.ts';
import * as command from './command.ts';
import * as enrollment from './enrollment.ts';
import * as keys from './keys.ts';
import * as messages from './messages.ts';
import * as outcome from './outcome.ts';
import * as protocolRange from './protocol-range.ts';
import * as sealed from './sealed.ts';
import * as shapes from './shapes.ts';
import * as status from './status.ts';
import { CLOSE_MEANINGS, METHOD_MEANINGS, RPC_MEANINGS, TOKEN_FACTS } from './asyncapi-texts.ts';
import { TOKENS, typOf, type TokenName } from './tokens.ts';

const { CLOSE_CODES, FROM_AGENT, FROM_SERVICE, RPC_ERRORS } = messages;

const MODULES = [
  ...[account, command, enrollment, keys, messages],
  ...[outcome, protocolRange, sealed, shapes, status],
];

type Json = Readonly<Record<string, unknown>>;

const ref = (...path: readonly string[]): Json => ({ $ref: `#/${path.join('/')}` });

/**
 * The AsyncAPI 3.0 document of the link, from the very schemas that both programs parse with. Seen
 * from the agent: it sends what is `fromAgent` and receives what is `fromService`.
 */
export function asyncApiDocument(): Json {
  const { schemas, of } = schemaComponents();
  const agent = methodsOf('fromAgent', FROM_AGENT, of);
  const service = methodsOf('fromService', FROM_SERVICE, of);
  const bodies = { ...agent.messages, ...service.messages, error: errorMessage() };
  return {
    asyncapi: '3.0.0',
    info: info(),
    defaultContentType: 'application/json',
    servers: { service: server() },
    channels: { link: channel(Object.keys(bodies)) },
    operations: { ...agent.operations, ...service.operations },
    components: {
      messages: bodies,
      schemas,
      securitySchemes: { deviceToken: DEVICE_TOKEN },
    },
    'x-tokens': tokens(of),
    'x-close-codes': labelled(CLOSE_CODES, CLOSE_MEANINGS),
    'x-rpc-errors': labelled(RPC_ERRORS, RPC_MEANINGS),
    'x-outcome-codes': codes.CODES,
    'x-limits': {
      maxFrameBytes: messages.MAX_FRAME_BYTES,
      pingEveryMs: messages.PING_EVERY_MS,
      pongWithinMs: messages.PONG_WITHIN_MS,
      silenceLimitMs: messages.SILENCE_LIMIT_MS,
      tokenLifetimeSeconds: command.TOKEN_LIFETIME_S,
      clockToleranceSeconds: command.CLOCK_TOLERANCE_S,
    },
  };
}

function info(): Json {
  return {
    title: 'Passback link',
    version: `${protocolRange.PROTOCOL_VERSION}.0.0`,
    license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    description:
      'What the agent (`passback`) and the reset service (`passback-cloud`) say to each other: JSON-RPC 2.0 in text frames, ' +
      'one message in each (no batches). The agent dials; both sides call. A member that is not in a schema makes a message invalid. ' +
      'Whatever matters is a signed token inside a message; `x-tokens` has the claims of each.',
  };
}

const DEVICE_TOKEN: Json = {
  type: 'http',
  scheme: 'bearer',
  bearerFormat: 'JWT',
  description: `A token of the kind \`connect\` (typ \`${typOf('connect')}\`), signed by the agent's device key for this one upgrade.`,
};

function server(): Json {
  return {
    host: '{host}',
    protocol: 'wss',
    description: 'The reset service; TLS 1.2 or newer, certificate verified.',
    variables: { host: { description: "Host and port of the service's public URL." } },
    security: [ref('components', 'securitySchemes', 'deviceToken')],
  };
}

function channel(names: readonly string[]): Json {
  const headers = {
    type: 'object',
    required: ['Sec-WebSocket-Protocol', 'Authorization'],
    properties: {
      'Sec-WebSocket-Protocol': { type: 'string', const: messages.SUBPROTOCOL },
      Authorization: { type: 'string', pattern: '^Bearer ' },
    },
  };
  return {
    address: messages.CONNECT_PATH,
    description: 'One session: it begins with the challenge and the hello that answers it.',
    messages: Object.fromEntries(names.map((name) => [name, ref('components', 'messages', name)])),
    bindings: { ws: { method: 'GET', headers, bindingVersion: '0.1.0' } },
  };
}

type Side = 'fromAgent' | 'fromService';

interface Described {
  readonly messages: Json;
  readonly operations: Json;
}

/** Messages and operations of one side's methods; what is answered has a reply. */
function methodsOf(side: Side, methods: messages.Methods, of: SchemaRef): Described {
  const described: Record<'messages' | 'operations', Record<string, unknown>> = {
    messages: {},
    operations: {},
  };
  for (const [method, { params, result }] of Object.entries(methods)) {
    const name = `${side}.${method}`;
    const summary = METHOD_MEANINGS[side][method] ?? '';
    described.messages[name] = {
      name: method,
      summary,
      payload: request(method, of(params), result !== undefined),
    };
    if (result !== undefined) {
      described.messages[`${name}.result`] = {
        name: `${method} result`,
        summary: `Answers ${method}.`,
        payload: envelope({ id: ID, result: of(result) }),
      };
    }
    described.operations[name] = {
      action: side === 'fromAgent' ? 'send' : 'receive',
      channel: ref('channels', 'link'),
      summary,
      messages: [ref('channels', 'link', 'messages', name)],
      ...(result !== undefined && { reply: reply(`${name}.result`) }),
    };
  }
  return described;
}

function reply(result: string): Json {
  return {
    channel: ref('channels', 'link'),
    messages: [result, 'error'].map((name) => ref('channels', 'link', 'messages', name)),
  };
}

const ID: Json = {
  description: 'Chosen by the caller; the answer repeats it.',
  oneOf: [{ type: 'integer' }, { type: 'string', maxLength: 64 }],
};

function request(method: string, params: Json, answered: boolean): Json {
  return envelope({ ...(answered && { id: ID }), method: { const: method }, params });
}

function envelope(properties: Json): Json {
  return {
    type: 'object',
    required: ['jsonrpc', ...Object.keys(properties)],
    properties: { jsonrpc: { const: '2.0' }, ...properties },
    additionalProperties: false,
  };
}

function errorMessage(): Json {
  const error = {
    type: 'object',
    required: ['code', 'message'],
    properties: {
      code: { type: 'integer', description: 'One of `x-rpc-errors`.' },
      message: { type: 'string' },
      data: {
        type: 'object',
        properties: { code: { type: 'string', maxLength: 64, description: 'A stable code.' } },
      },
    },
  };
  return {
    name: 'error',
    summary: 'Answers a call that could not be done.',
    payload: envelope({ id: ID, error }),
  };
}

function tokens(of: SchemaRef): Json {
  const names = Object.keys(TOKENS) as TokenName[];
  return Object.fromEntries(
    names.map((name) => {
      const { alg, schema, ...rest } = TOKENS[name];
      const age = 'maxAgeS' in rest ? { maxAgeSeconds: rest.maxAgeS } : {};
      return [name, { typ: typOf(name), alg, ...TOKEN_FACTS[name], ...age, claims: of(schema) }];
    }),
  );
}

function labelled<K extends string>(
  numbers: Readonly<Record<K, number>>,
  meanings: Readonly<Record<K, string>>,
): Json {
  const names = Object.keys(numbers) as K[];
  return Object.fromEntries(
    names.map((name) => [name, { code: numbers[name], meaning: meanings[name] }]),
  );
}

/** A reference to a schema that has a name, or the schema itself. */
type SchemaRef = (schema: z.ZodType) => Json;

/** Every exported schema under its TypeScript name, and the way to refer to any schema. */
function schemaComponents(): { readonly schemas: Json; readonly of: SchemaRef } {
  const registry = z.registry<{ id: string }>();
  const names = new Map<z.ZodType, string>();
  // Sorted here: bundlers and test runners do not keep the order that the standard gives exports.
  const exported = MODULES.flatMap((module): [string, unknown][] => Object.entries(module));
  for (const [name, value] of exported.sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (!(value instanceof z.ZodType) || names.has(value)) continue;
    names.set(value, name);
    registry.add(value, { id: name });
  }
  // Messages are given names as well while they are turned into JSON Schema, so that what they hold is referred to.
  const anonymous: z.ZodType[] = [...Object.values(FROM_AGENT), ...Object.values(FROM_SERVICE)]
    .flatMap((method) => ('result' in method ? [method.params, method.result] : [method.params]))
    .filter((schema) => !names.has(schema));
  const inline = new Map<z.ZodType, string>(
    [...new Set(anonymous)].map((schema, i) => [schema, `inline${i}`]),
  );
  for (const [schema, id] of inline) registry.add(schema, { id });
  const { schemas } = z.toJSONSchema(registry, {
    target: 'draft-7',
    uri: (id) => `#/components/schemas/${id}`,
  });
  const bare = (id: string): Json => {
    const { $id: _id, $schema: _schema, ...schema } = schemas[id] ?? {};
    return schema;
  };
  return {
    schemas: Object.fromEntries([...names.values()].map((id) => [id, bare(id)])),
    of: (schema) => {
      const name = names.get(schema);
      return name === undefined
        ? bare(inline.get(schema) ?? '')
        : ref('components', 'schemas', name);
    },
  };
}
