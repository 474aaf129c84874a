/** A registry of the sandbox behind a SOAP service, as a real HTTP server that behaves and misbehaves on demand: SOAP 1.1 behind X-Road, or plain SOAP 1.2. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { JsonObject, JsonValue } from '../../src/adapter.ts';
import { type Behaviour, wait } from '../../src/sandbox/control.ts';
import type { Reply, Route } from '../../src/sandbox/registry.ts';

export interface SoapRegistry {
  readonly address: URL;
  readonly credential: string;
  requests(): number;
  tell(behaviour: Behaviour): void;
  close(): void;
}

export interface Dialect {
  readonly version: '1.1' | '1.2';
  readonly path: string;
  readonly action: string;
  /** The question's element; its answer's ends in `Response`. */
  readonly operation: string;
  readonly namespace: string;
  readonly route: Route;
  /** The code of a fault that a reply of the route is told as, or undefined where it is told as a record. */
  faultOf?(reply: Reply): string | undefined;
}

const ENVELOPE = { '1.1': 'http://schemas.xmlsoap.org/soap/envelope/', '1.2': 'http://www.w3.org/2003/05/soap-envelope' };
const CREDENTIAL = 'between the two of us';

export const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** Members as elements, null as nil, an item of a list as an element `Item` in one of the list's. */
function toXml(value: JsonValue, name: string): string {
  if (value === null) return `<${name} xsi:nil="true"/>`;
  if (Array.isArray(value)) return `<${name}>${value.map((item) => toXml(item, 'Item')).join('\n  ')}</${name}>`;
  if (typeof value !== 'object') return `<${name}>${escaped(String(value))}</${name}>`;
  return `<${name}>\n  ${Object.entries(value)
    .map(([member, inner]) => toXml(inner, member))
    .join('\n  ')}\n</${name}>`;
}

export async function startSoapRegistry(dialect: Dialect): Promise<SoapRegistry> {
  let behaviour: Behaviour = { mode: 'ok' };
  let requests = 0;
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await textOf(request);
    requests += 1;
    const turn = requests;
    const now = behaviour;
    if (!(await wait(now, response)) || now.mode === 'hang') return;
    if (now.mode === 'flood') return flood(response, dialect);
    if (now.mode === 'fail') return send(response, dialect, 500, faultIn(dialect, 'Server', 'Receiver'), { 'retry-after': '45' });
    if (now.mode === 'garbage' && turn % 2 === 0)
      return void response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html>');
    const [status, said] = answer(dialect, request, body, now.mode === 'wrong-subject');
    if (status === 404) response.writeHead(404, { 'content-type': 'text/html' }).end('<!doctype html><title>404</title>');
    else send(response, dialect, status, now.mode === 'garbage' ? said.slice(0, said.length / 2) : said);
  };
  const server = createServer((request, response) => {
    handle(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    credential: CREDENTIAL,
    requests: () => requests,
    tell: (told) => {
      behaviour = told;
    },
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

function answer(
  dialect: Dialect,
  { url, method, headers }: IncomingMessage,
  body: string,
  aboutAnother: boolean,
): [status: number, body: string] {
  const { version, action, operation, namespace, route } = dialect;
  if (method !== 'POST' || url !== dialect.path) return [404, ''];
  const typed =
    version === '1.1'
      ? headers['content-type'] === 'text/xml; charset=utf-8'
      : headers['content-type'] === `application/soap+xml; charset=utf-8; action="${action}"`;
  if (!typed || (version === '1.1' && headers.soapaction !== `"${action}"`)) return [415, ''];
  const refused = version === '1.1' ? 'Server.ServerProxy.AccessDenied' : 'FailedAuthentication';
  if (headers['x-api-key'] !== CREDENTIAL) return [version === '1.1' ? 500 : 400, faultIn(dialect, refused, refused)];
  const key = new RegExp(`<q:${operation} xmlns:q="${namespace}">\\s*<number>([^<]*)</number>`).exec(body)?.[1];
  if (key === undefined || !body.includes(`<soap:Envelope xmlns:soap="${ENVELOPE[version]}">`))
    return [500, faultIn(dialect, 'Client', 'Sender')];
  const reply = route.answer(aboutAnother ? ([...route.keys()].find((other) => other !== key) ?? key) : key, { headers, body: {} });
  const code = dialect.faultOf?.(reply);
  if (code !== undefined) return [version === '1.1' ? 500 : 400, faultIn(dialect, code, code)];
  const inner = Object.entries(reply.body as JsonObject).map(([name, value]) => toXml(value, name));
  const said = `<r:${operation}Response xmlns:r="${namespace}">${inner.join('\n')}</r:${operation}Response>`;
  return [200, envelopeIn(dialect, headersOf(body), said)];
}

/** A service copies the headers of the question; its security server adds the question's hash. */
const headersOf = (body: string): string =>
  body
    .match(/<soap:Header.*<\/soap:Header>/s)?.[0]
    .replaceAll('soap:', 'e:')
    .replace(
      '</e:Header>',
      '<xrd:requestHash algorithmId="http://www.w3.org/2001/04/xmlenc#sha512">\n  aGFzaA==\n</xrd:requestHash></e:Header>',
    ) ?? '';

const envelopeIn = ({ version }: Dialect, header: string, body: string): string =>
  `<?xml version='1.0' encoding='utf-8'?>\n<!-- said by a test -->\n<e:Envelope xmlns:e="${ENVELOPE[version]}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">${header}<e:Body>${body}</e:Body></e:Envelope>`;

function faultIn(dialect: Dialect, old: string, code: string): string {
  if (dialect.version === '1.1')
    return envelopeIn(dialect, '', `<e:Fault><faultcode>e:${old}</faultcode><faultstring>no</faultstring></e:Fault>`);
  const value = `<e:Code><e:Value>e:Sender</e:Value><e:Subcode><e:Value xmlns:c="urn:codes">c:${code}</e:Value></e:Subcode></e:Code>`;
  return envelopeIn(dialect, '', `<e:Fault>${value}<e:Reason><e:Text xml:lang="vi">không</e:Text></e:Reason></e:Fault>`);
}

function send(response: ServerResponse, { version }: Dialect, status: number, body: string, more: Record<string, string> = {}): void {
  const type = version === '1.1' ? 'text/xml; charset="UTF-8"' : 'application/soap+xml';
  response.writeHead(status, { 'content-type': type, ...more }).end(body);
}

function flood(response: ServerResponse, dialect: Dialect): void {
  const chunk = 'x'.repeat(65_536);
  const pour = (): void => {
    while (!response.destroyed && response.write(chunk));
  };
  response.writeHead(200, { 'content-type': dialect.version === '1.1' ? 'text/xml' : 'application/soap+xml' });
  response.write(`<e:Envelope xmlns:e="${ENVELOPE[dialect.version]}"><e:Body><endless>`);
  response.on('drain', pour);
  pour();
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
