/** SOAP and X-Road in particular: what is sent to the byte, what is made of answers good and bad, and what is said of a description that cannot be used. */
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { parse } from 'yaml';
import { adapterFacts, adapters } from '../adapters/index.ts';
import { soapFaultsOf } from '../adapters/soap-check.ts';
import { templateOf } from '../adapters/soap-template.ts';
import { type Element, readXml, XmlFault } from '../adapters/xml.ts';
import { type Answer, type JsonObject, type JsonValue, SourceError, type SourceFailure } from '../src/adapter.ts';
import { loadCatalogue } from '../src/catalogue/load.ts';
import { whereItArose } from '../src/problems.ts';
import { chance, seedOf } from './support/chance.ts';

const KEY = '003099000017';
const S11 = 'http://schemas.xmlsoap.org/soap/envelope/';
const S12 = 'http://www.w3.org/2003/05/soap-envelope';
const XRD = 'xmlns:xrd="http://x-road.eu/xsd/xroad.xsd" xmlns:id="http://x-road.eu/xsd/identifiers"';

/** A document → the text of its root with elements in brackets, or why it is not read. */
const DOCUMENTS: [string, string, string | RegExp][] = [
  ['an element', '<a/>', ''],
  ['declared', '<?xml version="1.0" encoding="utf-8" standalone=\'yes\' ?>\n<a>x</a>\n', 'x'],
  ['the five entities', '<a>&lt;&gt;&amp;&quot;&apos;</a>', '<>&"\''],
  ['entities once', '<a>&amp;lt;</a>', '&lt;'],
  ['characters by number', '<a>Nguy&#x1EC5;n &#7879;&#128512;</a>', 'Nguyễn ệ😀'],
  ['line ends', '<a>x\r\ny\rz</a>', 'x\ny\nz'],
  ['sections and comments', '<a>x<![CDATA[<&]]>y<!-- no -->z</a>', 'x<&yz'],
  ['names of the country', '<tên giá="1"><họ/></tên>', '[họ]'],
  ['names that objects have', '<a><constructor/><toString/><hasOwnProperty/></a>', '[constructor][toString][hasOwnProperty]'],
  ['a document type', '<!DOCTYPE a><a/>', /document type/],
  ['entities of its own', '<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>', /document type/],
  ['a file', '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', /document type/],
  ['a billion laughs', '<!DOCTYPE a [<!ENTITY b "&c;&c;"><!ENTITY c "&d;&d;">]><a>&b;</a>', /document type/],
  ['a document type later', '<a><!DOCTYPE b></a>', /document type/],
  ['another declaration', '<a><!ELEMENT b></a>', /another declaration/],
  ['an entity that nobody knows', '<a>&nbsp;</a>', /refers to/],
  ['half a reference', '<a>a & b</a>', /refers to/],
  ['half a reference in an attribute', '<a b="&amp"/>', /refers to/],
  ['no character', '<a>&#0;</a>', /no character/],
  ['half a pair', '<a>&#xD800;</a>', /no character/],
  ['beyond all characters', '<a>&#x110000;</a>', /no character/],
  ['a control character', '<a>\u0001</a>', /a character that XML does not have/],
  ['an instruction', '<a><?php echo 1 ?></a>', /processing instruction/],
  ['a style sheet', '<?xml-stylesheet href="x"?><a/>', /processing instruction/],
  ['version 1.1', '<?xml version="1.1"?><a/>', /XML 1\.0 in UTF-8/],
  ['another encoding', '<?xml version="1.0" encoding="ISO-8859-1"?><a/>', /XML 1\.0 in UTF-8/],
  ['a declaration too late', ' <?xml version="1.0"?><a/>', /processing instruction/],
  ['nothing', '', /ends before/],
  ['not closed', '<a><b></b>', /ends before/],
  ['closed by another', '<a><b></a></b>', /not the open one/],
  ['closed twice', '<a/></a>', /not the open one/],
  ['two roots', '<a/><b/>', /second root/],
  ['text after it', '<a/>x', /outside/],
  ['text before it', 'x<a/>', /outside/],
  ['a section after it', '<a/><![CDATA[]]>', /stands in no element/],
  ['the end of a section alone', '<a>]]></a>', /never began/],
  ['a section without end', '<a><![CDATA[</a>', /does not end/],
  ['a comment without end', '<a><!-- </a>', /does not end/],
  ['hyphens in a comment', '<a><!-- -- --></a>', /does not end/],
  ['a lone bracket', '<a>1 < 2</a>', /cannot be read/],
  ['a bracket at the end', '<a/><', /second root/],
  ['a bracket in an attribute', '<a b="<"/>', /cannot be read/],
  ['an attribute without quotes', '<a b=1/>', /cannot be read/],
  ['attributes without space', '<a b="1"c="2"/>', /cannot be read/],
  ['an attribute twice', '<a b="1" b="2"/>', /twice/],
  ['an attribute twice by its namespace', '<a xmlns:p="u" xmlns:q="u" p:b="1" q:b="2"/>', /twice/],
  ['a declaration twice', '<a xmlns:p="u" xmlns:p="u"/>', /twice/],
  ['a prefix that nothing declares', '<p:a/>', /nothing declares/],
  ['a prefix declared elsewhere', '<a><b xmlns:p="u"/><p:c/></a>', /nothing declares/],
  ['a prefix taken back', '<a xmlns:p="u"><b xmlns:p=""/></a>', /cannot be declared/],
  ['the prefix xml for something else', '<a xmlns:xml="u"/>', /cannot be declared/],
  ['two colons', '<a:b:c/>', /cannot be read/],
  ['deeper than any record', `${'<a>'.repeat(33)}${'</a>'.repeat(33)}`, /nested more than 32/],
  ['more than any record', `<a>${'<b/>'.repeat(50_000)}</a>`, /more than 50000/],
  [
    'more attributes than any record',
    `<a>${`<b ${Array.from({ length: 10 }, (_, i) => `a${i}=""`).join(' ')}/>`.repeat(5000)}</a>`,
    /more than 50000/,
  ],
];

for (const [name, document, expected] of DOCUMENTS) {
  t.test(`a document: ${name}`, async (t) => {
    if (typeof expected !== 'string') return void t.throws(() => readXml(document), { message: expected });
    const { text, elements } = readXml(document);
    t.equal(text + elements.map((element) => `[${element.name}]`).join(''), expected);
  });
}

t.test('a document: namespaces go by what they mean, not by their prefix', async (t) => {
  const root = readXml('<a xmlns="u" xmlns:p="v" p:x="1" y=" 2\n3&#10;"><p:b xmlns:p="w"/><c xmlns=""><d/></c><xml:e/></a>');
  const named = ({ namespace, name }: { namespace: string; name: string }): string => `{${namespace}}${name}`;
  t.strictSame([root, ...root.elements, ...(root.elements[1] as Element).elements].map(named), [
    '{u}a',
    '{w}b',
    '{}c',
    '{http://www.w3.org/XML/1998/namespace}e',
    '{}d',
  ]);
  t.strictSame(
    root.attributes.map((one) => [named(one), one.value]),
    [
      ['{v}x', '1'],
      ['{}y', ' 2 3\n'],
    ],
  );
});

t.test('a document: the worst megabyte is read or refused at once', async (t) => {
  const size = 1024 * 1024;
  const all = [
    '<a/>',
    '<a>',
    '&',
    '&#65;',
    '&#',
    '<!---->',
    '<![CDATA[]]>',
    '<![CDATA[',
    'a="" ',
    ' ',
    '<',
    '</a>',
    'x\r',
    ']]',
    'xmlns:a="u" ',
  ];
  const worst: [number, string][] = [];
  for (const part of all) {
    for (const document of [`<a>${part.repeat(size / part.length)}</a>`, `<a ${part.repeat(size / part.length)}/>`]) {
      const began = performance.now();
      try {
        readXml(document);
      } catch (error) {
        if (!(error instanceof XmlFault)) throw error;
      }
      worst.push([performance.now() - began, part]);
    }
  }
  const [longest] = worst.sort(([a], [b]) => b - a);
  t.comment(`the longest took ${Math.round(longest?.[0] ?? 0)} ms: ${longest?.[1]}`);
  t.ok((longest?.[0] ?? 0) < 3000);
});

const seed = seedOf();
t.test(`a template: whatever the key is, it stays the text of its element (SEED=${seed})`, async (t) => {
  const random = chance(seed);
  const template = templateOf('<q:a xmlns:q="urn:q"><q:b x="1">{key}</q:b><c>no. {key}!</c></q:a>');
  const plain = JSON.stringify(readXml(template.fill('1')), (name, value) => (name === 'text' ? undefined : value));
  const pieces = [
    '<',
    '>',
    '&',
    '"',
    "'",
    ']]>',
    '<!--',
    '-->',
    '</q:b>',
    '<evil/>',
    '&lt;',
    '&#60;',
    '{key}',
    '$&',
    '$1',
    '\r',
    '\n',
    '\t',
    'ễ',
    '😀',
    ' ',
    '0',
    '<![CDATA[',
    '<?x?>',
  ];
  for (let i = 0; i < 2000; i++) {
    const key = Array.from({ length: random(6) }, () => pieces[random(pieces.length)]).join('');
    const root = readXml(template.fill(key));
    const shape = JSON.stringify(root, (name, value) => (name === 'text' ? undefined : value));
    if (shape !== plain) t.fail(`another shape: ${JSON.stringify(key)}`);
    if (root.elements[0]?.text !== key || root.elements[1]?.text !== `no. ${key}!`) t.fail(JSON.stringify(key));
  }
  for (const key of ['\u0000', '\u001b', '\ud800', '\uffff'])
    t.throws(() => template.fill(key), { message: /a character that XML does not have/ });
});

/** A template → why it is none. */
const TEMPLATES: [string, string, RegExp | undefined][] = [
  ['good', '\n <a><b>{key}</b></a>\n', undefined],
  ['twice', '<a><b>{key}</b><c>{key}</c></a>', undefined],
  ['nobody', '<a/>', /says nowhere whom/],
  ['in an attribute', '<a b="{key}">{key}</a>', /in the text of elements only/],
  ['in a name', '<a>{key}<{key}/></a>', /cannot be read/],
  ['in a comment', '<a>{key}<!-- {key} --></a>', /in the text of elements only/],
  ['in a section', '<a><![CDATA[{key}]]></a>', /CDATA/],
  ['something else', '<a>{key}{credential}{id}</a>', /not \{credential\}, \{id\}/],
  ['an envelope’s declaration', '<?xml version="1.0"?><a>{key}</a>', /declaration/],
  ['two elements', '<a>{key}</a><b/>', /second root/],
  ['no XML', '{key}', /outside/],
  ['a prefix of the envelope', '<soap:a>{key}</soap:a>', /nothing declares/],
];

for (const [name, template, fault] of TEMPLATES) {
  t.test(`a template: ${name}`, async (t) => {
    if (fault === undefined) t.ok(readXml(templateOf(template).fill(KEY)));
    else t.throws(() => templateOf(template), { message: fault });
  });
}

const client = { xRoadInstance: 'VN', memberClass: 'GOV', memberCode: 'G01', subsystemCode: 'gate & way' };
const service = { xRoadInstance: 'VN', memberClass: 'GOV', memberCode: 'G02', serviceCode: 'ask', serviceVersion: 'v1' };
const GOOD = {
  request: { key: 'person', path: '/ask', soap: '1.1', body: '<q:ask xmlns:q="urn:q"><number>{key}</number></q:ask>' },
  answer: {
    namespaces: { p: 'urn:p' },
    notFound: [{ at: '/p:said/none', equals: 'true' }],
    record: '/p:said/one',
    about: '/p:said/one/number',
  },
  map: { '/fullName': '/name' },
} as const satisfies JsonObject;
const BEHIND = { ...GOOD, request: { ...GOOD.request, xroad: { client, service, userId: 'VN1' } } };

interface Seen {
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}
type Said = string | ((seen: Seen, response: ServerResponse) => void);

/** Asks a service that says something, and tells what it was asked. */
async function ask(said: Said, description: JsonObject = GOOD, more: object = {}): Promise<{ told: Answer | SourceError; seen: Seen[] }> {
  const seen: Seen[] = [];
  const listener: RequestListener = async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    seen.push({ headers: request.headers, body });
    if (typeof said === 'string') response.writeHead(200, { 'content-type': 'text/xml' }).end(said);
    else said({ headers: request.headers, body }, response);
  };
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/base`);
  const made = adapters.soap?.({ address, credential: 'a secret', datasets: { d: description }, ...more });
  try {
    return { told: (await made?.lookUp({ dataset: 'd', key: KEY }, AbortSignal.timeout(5000))) as Answer, seen };
  } catch (error) {
    if (!(error instanceof SourceError)) throw error;
    const everything = `${error.stack} ${JSON.stringify(error)} ${error.cause} ${JSON.stringify(whereItArose(error.cause))}`;
    if (everything.includes(KEY) || everything.includes('a secret')) throw new Error('the error tells the key or the secret');
    return { told: error, seen };
  } finally {
    await made?.close();
    server.close();
    server.closeAllConnections();
  }
}

const envelope = (content: string, header = '', namespace = S11): string =>
  `<e:Envelope xmlns:e="${namespace}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">${header}<e:Body>${content}</e:Body></e:Envelope>`;
const said = (one: string, around = ''): string =>
  envelope(`<p:said xmlns:p="urn:p">${around}<one><number>${KEY}</number>${one}</one></p:said>`);
const GOOD_ANSWER = said('<name>NGUYỄN VĂN AN</name>');

t.test('a question, to the byte: SOAP 1.1', async (t) => {
  const { told, seen } = await ask(GOOD_ANSWER, {
    ...GOOD,
    request: { ...GOOD.request, action: 'urn:do', headers: { 'x-key': '{credential}' } },
  });
  t.strictSame(told, { found: true, about: KEY, record: { fullName: 'NGUYỄN VĂN AN' }, recordedAt: null });
  t.equal(
    seen[0]?.body,
    `<?xml version="1.0" encoding="UTF-8"?>\n<soap:Envelope xmlns:soap="${S11}"><soap:Body><q:ask xmlns:q="urn:q"><number>${KEY}</number></q:ask></soap:Body></soap:Envelope>`,
  );
  const { soapaction, accept, 'content-type': type, 'x-key': key } = seen[0]?.headers ?? {};
  t.strictSame([soapaction, accept, type, key], ['"urn:do"', 'text/xml', 'text/xml; charset=utf-8', 'a secret']);
});

t.test('a question, to the byte: SOAP 1.2', async (t) => {
  const answer = GOOD_ANSWER.replace(S11, S12);
  for (const [action, parameter] of [
    ['urn:do', '; action="urn:do"'],
    ['', ''],
  ]) {
    const { told, seen } = await ask(
      (_, response) => response.writeHead(200, { 'content-type': 'application/soap+xml; charset=UTF-8' }).end(answer),
      {
        ...GOOD,
        request: { ...GOOD.request, soap: 1.2, action },
      } as JsonObject,
    );
    t.match(told, { found: true });
    t.match(seen[0]?.headers, { accept: 'application/soap+xml', 'content-type': `application/soap+xml; charset=utf-8${parameter}` });
    t.equal(seen[0]?.headers.soapaction, undefined);
    t.ok(seen[0]?.body.includes(`<soap:Envelope xmlns:soap="${S12}"><soap:Body>`));
  }
});

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/;
const HEADER = `<soap:Header ${XRD}><xrd:client id:objectType="SUBSYSTEM"><id:xRoadInstance>VN</id:xRoadInstance><id:memberClass>GOV</id:memberClass><id:memberCode>G01</id:memberCode><id:subsystemCode>gate &#38; way</id:subsystemCode></xrd:client><xrd:service id:objectType="SERVICE"><id:xRoadInstance>VN</id:xRoadInstance><id:memberClass>GOV</id:memberClass><id:memberCode>G02</id:memberCode><id:serviceCode>ask</id:serviceCode><id:serviceVersion>v1</id:serviceVersion></xrd:service><xrd:id>ID</xrd:id><xrd:userId>VN1</xrd:userId><xrd:protocolVersion>4.0</xrd:protocolVersion></soap:Header>`;

/** A service behind X-Road: it copies the headers, and something is done to them on the way. */
const echoing =
  (change: (header: string) => string, content = `<p:said xmlns:p="urn:p"><one><number>${KEY}</number></one></p:said>`): Said =>
  ({ body }, response) => {
    const header = change(/<soap:Header.*<\/soap:Header>/.exec(body)?.[0] ?? '');
    const answer = `<soap:Envelope xmlns:soap="${S11}">${header}<soap:Body>${content}</soap:Body></soap:Envelope>`;
    response.writeHead(200, { 'content-type': 'text/xml' }).end(answer);
  };

t.test('a question, to the byte: X-Road', async (t) => {
  const { told, seen } = await ask(
    echoing((header) => header),
    BEHIND,
  );
  t.match(told, { found: true });
  const again = await ask(
    echoing((header) => header),
    BEHIND,
  );
  const ids = [seen, again.seen].map(([one]) => UUID.exec(one?.body ?? '')?.[0] ?? '');
  t.not(ids[0], ids[1], 'each has an id of its own');
  const header = /<soap:Header.*<\/soap:Header>/.exec(seen[0]?.body ?? '')?.[0];
  t.equal(header?.replace(ids[0] ?? '', 'ID'), HEADER);
  t.notOk(header?.includes(KEY), 'no person in a header');
  t.equal(seen[0]?.headers.soapaction, '""');

  const plain = {
    ...BEHIND,
    request: { ...BEHIND.request, xroad: { client: { ...service, serviceCode: undefined, serviceVersion: undefined }, service } },
  };
  const bare = await ask(
    echoing((header) => header),
    JSON.parse(JSON.stringify(plain)),
  );
  t.match(bare.told, { found: true });
  t.ok(bare.seen[0]?.body.includes('<xrd:client id:objectType="MEMBER">'), 'a client that is no subsystem');
  t.notOk(bare.seen[0]?.body.includes('userId'));
});

/** What happens to the headers on their way back → whether the answer still counts. */
const ECHOES: [string, (header: string) => string, boolean][] = [
  ['other prefixes', (h) => h.replaceAll('xrd:', 'x:').replaceAll(':xrd', ':x').replaceAll('id:', 'i:').replace(':id=', ':i='), true],
  ['layout', (h) => h.replaceAll('><', '>\n  <').replace('<xrd:id>', '<xrd:id>\n'), true],
  [
    'a hash of the question',
    (h) => h.replace('</soap:Header>', '<xrd:requestHash algorithmId="a">x</xrd:requestHash></soap:Header>'),
    true,
  ],
  ['version 4.1', (h) => h.replace('>4.0<', '>4.1<'), true],
  ['no headers', () => '', false],
  ['an id of another question', (h) => h.replace(UUID, '4894e35d-bf0f-44a6-867a-8e51f1daa7e0'), false],
  ['no id', (h) => h.replace(/<xrd:id>.*<\/xrd:id>/, ''), false],
  ['two ids', (h) => h.replace('</xrd:id>', '</xrd:id><xrd:id>x</xrd:id>'), false],
  ['an id of another namespace', (h) => h.replace('<xrd:id>', '<x:id xmlns:x="urn:x">').replace('</xrd:id>', '</x:id>'), false],
  ['another client', (h) => h.replace('>G01<', '>G03<'), false],
  ['a client without its subsystem', (h) => h.replace(/<id:subsystemCode>.*?<\/id:subsystemCode>/, ''), false],
  ['a client of another type', (h) => h.replace('SUBSYSTEM', 'MEMBER'), false],
  ['no client', (h) => h.replace(/<xrd:client.*<\/xrd:client>/, ''), false],
  ['another service', (h) => h.replace('>ask<', '>tell<'), false],
  ['another version of the service', (h) => h.replace('>v1<', '>v2<'), false],
  ['a service of a subsystem', (h) => h.replace('<id:serviceCode>', '<id:subsystemCode>x</id:subsystemCode><id:serviceCode>'), false],
  ['a member code twice', (h) => h.replace('<id:memberCode>G02', '<id:memberCode>G02</id:memberCode><id:memberCode>G02'), false],
  ['an older protocol', (h) => h.replace('>4.0<', '>3.1<'), false],
];

for (const [name, change, good] of ECHOES) {
  t.test(`X-Road headers of an answer: ${name}`, async (t) => {
    const { told } = await ask(echoing(change), BEHIND);
    t.match(told, good ? { found: true } : { reason: 'malformed', message: /X-Road header/ });
    const none = '<p:said xmlns:p="urn:p"><none>true</none></p:said>';
    t.match(
      (await ask(echoing(change, none), BEHIND)).told,
      good ? { found: false } : { reason: 'malformed' },
      'nor does it say that there is no record',
    );
  });
}

const fault = (code: string): string => `<soap:Fault><faultcode>${code}</faultcode><faultstring>${KEY}</faultstring></soap:Fault>`;

t.test('X-Road headers of a fault: they may be missing, and may not be others', async (t) => {
  const denied = fault('Server.ServerProxy.AccessDenied');
  t.match(
    (
      await ask(
        echoing(() => '', denied),
        BEHIND,
      )
    ).told,
    { reason: 'refused' },
  );
  t.match(
    (
      await ask(
        echoing((header) => header, denied),
        BEHIND,
      )
    ).told,
    { reason: 'refused' },
  );
  t.match(
    (
      await ask(
        echoing((header) => header.replace('>G01<', '>G03<'), denied),
        BEHIND,
      )
    ).told,
    { reason: 'malformed' },
  );
});

/** The code of a fault → the failure, and whether the code is told. */
const CODES: [string, SourceFailure, boolean][] = [
  ['soap:Server', 'error', true],
  ['soap:Client', 'error', true],
  ['soap:MustUnderstand', 'error', true],
  ['soap:Client.Authentication', 'refused', true],
  ['wsse:FailedAuthentication', 'refused', true],
  ['wsse:InvalidSecurityToken', 'refused', true],
  ['Server.ServerProxy.AccessDenied', 'refused', true],
  ['server.serverproxy.access_denied', 'refused', true],
  ['Server.ServerProxy.ServiceFailed.NetworkError', 'unreachable', true],
  ['server.serverproxy.service_failed.network_error', 'unreachable', true],
  ['Server.ServerProxy.ServiceFailed.UnknownHost', 'unreachable', true],
  ['Server.ServerProxy.ServiceFailed.SslAuthenticationFailed', 'unreachable', true],
  ['Server.ServerProxy.ServiceFailed.IoError', 'unreachable', true],
  ['Server.ServerProxy.ServiceFailed', 'unreachable', true],
  ['Server.ServerProxy.ServiceFailed.Timeout', 'timeout', true],
  ['server.serverproxy.service_failed.request_timed_out', 'timeout', true],
  ['Server.ServerProxy.ServiceFailed.HttpError', 'error', true],
  ['Server.ServerProxy.ServiceFailed.MissingBody', 'malformed', true],
  ['Server.ClientProxy.ServiceFailed.InconsistentResponse', 'malformed', true],
  ['Server.ClientProxy.NetworkError', 'unreachable', true],
  ['Server.ClientProxy.OutdatedGlobalConf', 'unreachable', true],
  ['Server.ServerProxy.ServiceDisabled', 'unreachable', true],
  ['Server.ServerProxy.UnknownService', 'error', true],
  ['Server.ServerProxy.DatabaseError', 'error', true],
  ['Client.InvalidSoap', 'error', true],
  ['Client.MissingHeaderField', 'error', true],
  [`Server.${KEY}`, 'error', false],
  ['', 'error', false],
];

for (const [code, reason, named] of CODES) {
  t.test(`a fault: ${code.replace(KEY, '…') || 'without a code'}`, async (t) => {
    for (const status of [200, 500]) {
      const { told } = await ask((_, response) =>
        response
          .writeHead(status, { 'content-type': 'text/xml', 'retry-after': '9' })
          .end(`<soap:Envelope xmlns:soap="${S11}"><soap:Body>${fault(code)}</soap:Body></soap:Envelope>`),
      );
      const bare = code.replace(/^.*:/, '');
      t.match(told, { reason, retryAfterSeconds: 9, message: named ? new RegExp(`: ${bare}$`) : /of another kind$/ });
      t.match(whereItArose((told as SourceError).cause), { name: 'SoapFault', code: named ? bare : 'of another kind' });
    }
  });
}

const fault12 = (inner: string): string =>
  envelope(`<e:Fault><e:Code><e:Value>e:Receiver</e:Value>${inner}</e:Code><e:Reason><e:Text>x</e:Text></e:Reason></e:Fault>`, '', S12);
const subcode = (code: string, inner = ''): string => `<e:Subcode><e:Value xmlns:c="urn:c">${code}</e:Value>${inner}</e:Subcode>`;

t.test('a fault of SOAP 1.2: its codes from the outermost to the innermost', async (t) => {
  const description = {
    ...GOOD,
    request: { ...GOOD.request, soap: '1.2' },
    answer: { ...GOOD.answer, notFound: [{ fault: 'NoPerson' }], cancelled: { fault: 'Cancelled' } },
  };
  const rows: [string, object][] = [
    [fault12(''), { reason: 'error', message: /: Receiver$/ }],
    [fault12(subcode('c:NetworkError')), { reason: 'unreachable' }],
    [fault12(subcode('c:NoPerson')), { found: false }],
    [fault12(subcode('c:Lookup', subcode('NoPerson'))), { found: false }],
    [fault12(subcode('c:NoPerson', subcode('c:Cancelled'))), { found: false, why: 'cancelled' }],
    [fault12(subcode('c:NoPersonnel')), { reason: 'error' }],
  ];
  for (const [answer, expected] of rows) {
    const { told } = await ask(
      (_, response) => response.writeHead(400, { 'content-type': 'application/soap+xml' }).end(answer),
      description,
    );
    t.match(told, expected);
  }
});

const page =
  (status: number, type: string, body: string | Buffer = GOOD_ANSWER): Said =>
  (_, response) =>
    void response.writeHead(status, { 'content-type': type }).end(body);

/** An answer that no registry should give → the failure. */
const ODD: [string, Said, SourceFailure, RegExp?][] = [
  ['a page', page(200, 'text/html'), 'malformed', /content type/],
  ['attachments', page(200, 'multipart/related; type="text/xml"; boundary=b'), 'malformed', /content type/],
  ['MTOM', page(200, 'multipart/related; type="application/xop+xml"; boundary=b'), 'malformed', /content type/],
  ['JSON', page(200, 'application/json'), 'malformed', /content type/],
  ['another charset', page(200, 'text/xml; charset=ISO-8859-1'), 'malformed', /UTF-8/],
  ['not UTF-8', page(200, 'text/xml', Buffer.from(GOOD_ANSWER.replace('Ễ', '?'), 'utf16le')), 'malformed', /UTF-8|character/],
  [
    'a byte that is none',
    page(200, 'text/xml', Buffer.concat([Buffer.from('<a>'), Buffer.from([0xff]), Buffer.from('</a>')])),
    'malformed',
    /UTF-8/,
  ],
  ['a document type', `<!DOCTYPE a>${GOOD_ANSWER}`, 'malformed', /the answer has a document type/],
  ['half', GOOD_ANSWER.slice(0, 200), 'malformed'],
  ['nothing', '', 'malformed'],
  ['a redirect', (_, response) => void response.writeHead(307, { location: '/elsewhere' }).end(), 'error', /307/],
  ['not there', page(404, 'text/xml'), 'error', /404/],
  ['a page of an error', page(500, 'text/html'), 'error', /500/],
  ['no fault, and yet an error', page(500, 'text/xml'), 'error', /500/],
  ['no record, and yet an error', page(500, 'text/xml', envelope('<p:said xmlns:p="urn:p"><none>true</none></p:said>')), 'error', /500/],
  ['who are you', page(401, 'text/xml'), 'refused'],
  ['a gateway in between gave up', page(504, 'text/html'), 'timeout'],
  ['no envelope', '<p:said xmlns:p="urn:p"/>', 'malformed', /envelope of SOAP 1\.1/],
  ['another version', GOOD_ANSWER.replace(S11, S12), 'malformed', /envelope of SOAP 1\.1/],
  ['an envelope of no namespace', GOOD_ANSWER.replaceAll('e:', ''), 'malformed'],
  ['no body', `<e:Envelope xmlns:e="${S11}"/>`, 'malformed', /one element in one body/],
  ['an empty body', envelope(''), 'malformed', /one element/],
  ['two elements', envelope('<a/><b/>'), 'malformed', /one element/],
  ['two bodies', GOOD_ANSWER.replace('<e:Body>', '<e:Body/><e:Body>'), 'malformed', /more than once/],
  ['another answer', envelope('<p:other xmlns:p="urn:p"/>'), 'error', /neither/],
  ['the answer of another namespace', GOOD_ANSWER.replace('urn:p', 'urn:x'), 'error', /neither/],
  ['nobody', said('').replace(`<number>${KEY}</number>`, ''), 'malformed', /number is missing/],
  ['somebody twice', said(`<number>${KEY}</number>`), 'malformed', /number is there more than once/],
  ['two records', said('', `<one><number>${KEY}</number></one>`), 'malformed', /one is there more than once/],
  ['a name in parts', said('<name><first>A</first></name>'), 'malformed', /elements where there should be a text/],
  ['two names', said('<name>A</name><name>B</name>'), 'malformed', /name is there more than once/],
];

for (const [name, answer, reason, message = /./] of ODD) {
  t.test(`an odd answer: ${name}`, async (t) => t.match((await ask(answer)).told, { reason, message }));
}

t.test('an answer may begin with a byte order mark', async (t) => {
  t.match((await ask(page(200, 'text/xml; charset=utf-8', `\ufeff${GOOD_ANSWER}`))).told, { found: true });
});

/** A record → what a map makes of it. */
const RECORDS: [string, string, JsonObject, JsonValue | SourceFailure][] = [
  ['a text', '<name> NGUYỄN\n </name>', { '/n': '/name' }, { n: 'NGUYỄN' }],
  ['letters and marks', '<name>HÒA</name>'.normalize('NFD'), { '/n': '/name' }, { n: 'HÒA' }],
  ['a section', '<name><![CDATA[A & B]]></name>', { '/n': '/name' }, { n: 'A & B' }],
  ['a comment in between', '<name>A<!-- x -->B</name>', { '/n': '/name' }, { n: 'AB' }],
  ['nothing', '<name/>', { '/n': '/name' }, {}],
  ['nil', '<name xsi:nil="true"/>', { '/n': '/name' }, {}],
  ['nil, and yet something', '<name xsi:nil="1">A</name>', { '/n': '/name' }, {}],
  ['not nil', '<name xsi:nil="false">A</name>', { '/n': '/name' }, { n: 'A' }],
  ['absent', '', { '/n': '/name' }, {}],
  ['what looks like a number', '<n>007</n>', { '/n': '/n' }, { n: '007' }],
  ['what looks like true', '<n>true</n>', { '/n': '/n' }, { n: 'true' }],
  ['a number where the rule says so', '<n>12.50</n>', { '/n': { from: '/n', as: 'number' } }, { n: 12.5 }],
  ['no number where the rule says so', '<n>1e3</n>', { '/n': { from: '/n', as: 'number' } }, 'malformed'],
  ['a date', '<d>17/05/1999</d>', { '/d': { from: '/d', date: 'dd/mm/yyyy' } }, { d: '1999-05-17' }],
  ['a day that is none', '<d>1999-02-30</d>', { '/d': { from: '/d', date: 'iso' } }, 'malformed'],
  ['a code', '<s>M</s>', { '/s': { from: '/s', codes: 'sex' } }, { s: 'male' }],
  ['a flag by a code', '<s>true</s>', { '/s': { from: '/s', codes: 'sex' } }, { s: true }],
  ['an unknown code', '<s>constructor</s>', { '/s': { from: '/s', codes: 'sex' } }, 'malformed'],
  [
    'an attribute',
    '<name lang="vi" p:form="NFC">A</name>',
    { '/l': '/name/@lang', '/f': '/name/@p:form', '/n': '/name/text()' },
    { l: 'vi', f: 'NFC', n: 'A' },
  ],
  ['an attribute that nobody asked for', '<name lang="vi">A</name>', { '/n': '/name' }, { n: 'A' }],
  ['an attribute of the record', '', { '/v': '/@version' }, { v: '7' }],
  ['parts', '<a><b>1</b><c><d>2</d></c></a>', { '/b': '/a/b', '/d': '/a/c/d' }, { b: '1', d: '2' }],
  ['a namespace', '<p:a>1</p:a><a>2</a>', { '/p': '/p:a', '/n': '/a' }, { p: '1', n: '2' }],
  ['the same by another prefix', '<x:a xmlns:x="urn:p">1</x:a>', { '/p': '/p:a' }, { p: '1' }],
  ['another namespace', '<x:a xmlns:x="urn:x">1</x:a>', { '/p': '/p:a', '/n': '/a' }, {}],
  ['a list', '<l><i><v>1</v></i><i><v>2</v></i></l>', { '/l': { from: '/l/i', each: { '/v': '/v' } } }, { l: [{ v: '1' }, { v: '2' }] }],
  ['a list of one', '<l><i><v>1</v></i></l>', { '/l': { from: '/l/i', each: { '/v': '/v' } } }, { l: [{ v: '1' }] }],
  ['an empty list', '<l/>', { '/l': { from: '/l/i', each: { '/v': '/v' } } }, { l: [] }],
  ['no list', '', { '/l': { from: '/l/i', each: { '/v': '/v' } } }, {}],
  ['a list that is nil', '<l xsi:nil="true"/>', { '/l': { from: '/l/i', each: { '/v': '/v' } } }, {}],
  ['repeated members', '<i>1</i><i>2</i>', { '/l': { from: '/i', each: { '/v': '/text()' } } }, { l: [{ v: '1' }, { v: '2' }] }],
  ['no repeated members', '', { '/l': { from: '/i', each: { '/v': '/text()' } } }, {}],
  [
    'a list in a list',
    '<i><j k="1"/><j k="2"/></i>',
    { '/l': { from: '/i', each: { '/m': { from: '/j', each: { '/k': '/@k' } } } } },
    { l: [{ m: [{ k: '1' }, { k: '2' }] }] },
  ],
  [
    'one list for two members',
    '<i><v>1</v><w>2</w></i>',
    { '/l': { from: '/i', each: { '/v': '/v' } }, '/m': { from: '/i', each: { '/w': '/w' } } },
    { l: [{ v: '1' }], m: [{ w: '2' }] },
  ],
  ['a list longer than any', '<i/>'.repeat(1001), { '/l': { from: '/i', each: { '/v': '/text()' } } }, 'malformed'],
  ['a fixed value where there is something', '<a>x</a>', { '/c': { value: 'VNM', with: '/a' } }, { c: 'VNM' }],
  ['a fixed value where there is nothing', '<a/>', { '/c': { value: 'VNM', with: '/a' } }, {}],
  [
    'a name that objects have',
    '<constructor>1</constructor><__proto__><a>2</a></__proto__>',
    { '/c': '/constructor', '/p': '/__proto__/a', '/t': '/toString' },
    { c: '1', p: '2' },
  ],
  ['a text longer than any', `<name>${'x'.repeat(4001)}</name>`, { '/n': '/name' }, 'malformed'],
];

for (const [name, inner, map, expected] of RECORDS) {
  t.test(`a record: ${name}`, async (t) => {
    const answer = said(inner).replace('<one>', '<one version="7">');
    const { told } = await ask(answer, { ...GOOD, map, codes: { sex: { M: 'male', true: true } } });
    t.strictSame('reason' in told ? told.reason : told.found && told.record, expected);
    t.equal(({} as { a?: unknown }).a, undefined);
  });
}

const answers = (inner: string): string => envelope(`<p:said xmlns:p="urn:p">${inner}</p:said>`);

/** How a service says that there is no record → what it says, and what is made of it. */
const CONDITIONS: [string, JsonObject, string, object][] = [
  ['by a value', { at: '/p:said/code', equals: '01' }, answers('<code>01</code>'), { found: false }],
  ['by another value', { at: '/p:said/code', equals: '01' }, answers('<code>1</code>'), { reason: 'error' }],
  ['by an attribute', { at: '/p:said/@code', equals: '01' }, answers('').replace(' xmlns:p', ' code="01" xmlns:p'), { found: false }],
  ['by an element', { present: '/p:said/p:none' }, answers('<p:none/>'), { found: false }],
  ['by an element that is nil', { present: '/p:said/p:none' }, answers('<p:none xsi:nil="true"/>'), { reason: 'error' }],
  ['by an element that is not there', { absent: '/p:said/one' }, answers(''), { found: false }],
  ['by an element that is nil', { absent: '/p:said/one' }, answers('<one xsi:nil="true"/>'), { found: false }],
  ['not by another answer', { absent: '/p:said/one' }, envelope('<p:other xmlns:p="urn:p"/>'), { reason: 'error' }],
  ['by a fault', { fault: 'Server.NoRecord' }, envelope('<e:Fault><faultcode>e:Server.NoRecord</faultcode></e:Fault>'), { found: false }],
  [
    'not by another fault',
    { fault: 'Server.NoRecord' },
    envelope('<e:Fault><faultcode>e:Server.NoRecords</faultcode></e:Fault>'),
    { reason: 'error' },
  ],
  [
    'not by an answer that is no fault',
    { fault: 'Server.NoRecord' },
    answers('<faultcode>Server.NoRecord</faultcode>'),
    { reason: 'error' },
  ],
  [
    'by what stands in a fault',
    { fault: 'Server', at: '/soap:Fault/detail/p:why', equals: '404' },
    envelope('<e:Fault><faultcode>e:Server</faultcode><detail><p:why xmlns:p="urn:p">404</p:why></detail></e:Fault>'),
    { found: false },
  ],
  [
    'not by something else in a fault',
    { fault: 'Server', at: '/soap:Fault/detail/p:why', equals: '404' },
    envelope('<e:Fault><faultcode>e:Server</faultcode><detail><p:why xmlns:p="urn:p">500</p:why></detail></e:Fault>'),
    { reason: 'error' },
  ],
];

for (const [name, condition, answer, expected] of CONDITIONS) {
  t.test(`no record: ${name}`, async (t) => {
    const description = { ...GOOD, answer: { ...GOOD.answer, notFound: [condition] } };
    t.match((await ask(answer, description)).told, expected);
    t.match(
      (await ask(answer, { ...GOOD, answer: { ...GOOD.answer, cancelled: condition } })).told,
      'found' in expected ? { ...expected, why: 'cancelled' } : expected,
    );
  });
}

t.test('a record is there when the service says so, where the file says how it says so', async (t) => {
  const description = { ...GOOD, answer: { ...GOOD.answer, found: { at: '/p:said/code', equals: '00' } } };
  t.match((await ask(said('', '<code>00</code>'), description)).told, { found: true });
  t.match((await ask(said('', '<code>99</code>'), description)).told, { reason: 'error' });
});

t.test('a key that XML cannot write is not asked about', async (t) => {
  const made = adapters.soap?.({ address: new URL('http://127.0.0.1:1'), credential: undefined, datasets: { d: GOOD } });
  t.teardown(() => made?.close());
  const told = await made?.lookUp({ dataset: 'd', key: '\u0000' }, new AbortController().signal).catch((error: unknown) => error);
  t.match(told, { reason: 'error', message: 'the question cannot be put into XML' });
});

t.test('a token is shown to a SOAP service too', async (t) => {
  const login = createServer((request, response) => {
    request.resume();
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"access_token":"T","token_type":"Bearer"}');
  });
  await new Promise<void>((resolve) => login.listen(0, '127.0.0.1', resolve));
  t.teardown(() => login.close());
  const token = new URL(`http://127.0.0.1:${(login.address() as AddressInfo).port}`);
  const oauth = { token, clientId: 'c', proof: { method: 'client_secret_post', secret: 's' } };
  const { told, seen } = await ask(GOOD_ANSWER, GOOD, { oauth });
  t.match(told, { found: true });
  t.equal(seen[0]?.headers.authorization, 'Bearer T');
});

const request = (more: object): object => ({ request: { ...GOOD.request, ...more } });
const xroad = (more: object): object => request({ xroad: { client, service, ...more } });
const answer = (more: object): object => ({ answer: { ...GOOD.answer, ...more } });

/** A change to a good description → where the faults are found. */
const FAULTS: [string, object, string[]][] = [
  ['none', {}, []],
  ['none behind X-Road', xroad({ userId: 'VN1' }), []],
  ['no parts at all', { request: 1, answer: 1, map: 1 }, ['/d/request', '/d/answer', '/d/map']],
  ['an unknown word', request({ method: 'POST' }), ['/d/request/method']],
  ['a person in the path', request({ path: '/p/{key}' }), ['/d/request/path']],
  ['a query', request({ path: '/p?x=1' }), ['/d/request/path']],
  ['another version', request({ soap: 2 }), ['/d/request/soap']],
  ['a person in the action', request({ action: 'urn:{key}' }), ['/d/request/action']],
  ['a header in the action', request({ action: 'a"\r\nx: 1' }), ['/d/request/action']],
  ['a person in a header', request({ headers: { 'x-who': '{key}' } }), ['/d/request/headers/x-who']],
  [
    'headers of SOAP itself',
    request({ headers: { soapaction: '', 'content-type': 'a' } }),
    ['/d/request/headers/soapaction', '/d/request/headers/content-type'],
  ],
  ['a key of another kind', request({ key: 'dog' }), ['/d/request/key']],
  ['nobody is asked about', request({ body: '<a/>' }), ['/d/request/body']],
  ['a body that is no text', request({ body: { a: 1 } }), ['/d/request/body']],
  ['X-Road over SOAP 1.2', request({ soap: '1.2', xroad: { client, service } }), ['/d/request/soap']],
  [
    'half of X-Road',
    request({ xroad: { client } }),
    ['xRoadInstance', 'memberClass', 'memberCode', 'serviceCode'].map((part) => `/d/request/xroad/service/${part}`),
  ],
  [
    'an element that is not the service’s',
    xroad({ service: { ...service, serviceCode: 'tell' } }),
    ['/d/request/xroad/service/serviceCode'],
  ],
  ['a member without a code', xroad({ client: { ...client, memberCode: '' } }), ['/d/request/xroad/client/memberCode']],
  ['a code that is a number', xroad({ client: { ...client, memberCode: 1 } }), ['/d/request/xroad/client/memberCode']],
  ['a code with a slash', xroad({ client: { ...client, subsystemCode: 'a/b' } }), ['/d/request/xroad/client/subsystemCode']],
  ['a client with a service', xroad({ client: { ...client, serviceCode: 'ask' } }), ['/d/request/xroad/client/serviceCode']],
  ['a person as the user', xroad({ userId: 'VN{key}' }), ['/d/request/xroad/userId']],
  ['a prefix that nothing says', answer({ record: '/q:said/one', about: '/x:a' }), ['/d/answer/record', '/d/answer/about']],
  [
    'a prefix in the map that nothing says',
    { map: { '/a': '/q:b', '/l': { from: '/l', each: { '/c': '/q:c' } } } },
    ['/d/map/~1a', '/d/map/~1l/each/~1c'],
  ],
  [
    'prefixes that are none',
    answer({ namespaces: { p: 'urn:p', 'a:b': 'u', xmlns: 'u', soap: 'u', e: '' } }),
    ['a:b', 'xmlns', 'soap', 'e'].map((prefix) => `/d/answer/namespaces/${prefix}`),
  ],
  ['no path', answer({ record: '', about: 'number' }), ['/d/answer/record', '/d/answer/about']],
  ['a path that is XPath and more', answer({ record: '/p:said/one[1]', about: '//number' }), ['/d/answer/record', '/d/answer/about']],
  ['a record that is a text', answer({ record: '/p:said/@one' }), ['/d/answer/record']],
  ['an attribute on the way', answer({ about: '/p:said/@one/number' }), ['/d/answer/about']],
  ['an attribute on the way in the map', { map: { '/a': '/@b/c' } }, ['/d/map/~1a']],
  ['a list of attributes', { map: { '/a': { from: '/@b', each: { '/c': '/text()' } } } }, ['/d/map/~1a/from']],
  ['a text with parts', { map: { '/a': '/b', '/c': '/b/@c' } }, ['/d/map/~1c']],
  ['one list read in two ways', { map: { '/a': { from: '/b', each: { '/c': '/c' } }, '/d': '/b/c' } }, ['/d/map/~1d']],
  ['the item itself', { map: { '/a': { from: '/b', each: { '/c': '' } } } }, ['/d/map/~1a/each/~1c']],
  ['rules', { map: { '/b': { from: '/b', codes: 'none' }, '/c': { from: '/c' } } }, ['/d/map/~1b/codes', '/d/map/~1c']],
  ['codes', { codes: { x: { a: null } } }, ['/d/codes/x']],
  ['nothing says that there is none', answer({ notFound: [] }), ['/d/answer/notFound']],
  [
    'half a condition',
    answer({ notFound: [{ at: '/p:said' }, {}, 1], found: { equals: 'x' } }),
    ['/d/answer/notFound/0', '/d/answer/notFound/1', '/d/answer/notFound/2', '/d/answer/found'],
  ],
  ['a condition on a number', answer({ notFound: [{ at: '/p:said', equals: 1 }] }), ['/d/answer/notFound/0/equals']],
  ['a condition on a status', answer({ notFound: [{ status: 404 }] }), ['/d/answer/notFound/0/status']],
  ['a fault with a prefix', answer({ notFound: [{ fault: 'soap:Server' }] }), ['/d/answer/notFound/0/fault']],
  ['nothing in nothing', answer({ notFound: [{ absent: '/p:said' }] }), ['/d/answer/notFound/0/absent']],
  ['a date', answer({ recordedAt: { from: 'x', date: 'us' } }), ['/d/answer/recordedAt/from', '/d/answer/recordedAt/date']],
];

for (const [name, change, pointers] of FAULTS) {
  t.test(`a description: ${name}`, async (t) => {
    const datasets = { d: { ...GOOD, ...change } as JsonObject };
    t.strictSame(
      soapFaultsOf(datasets).map(({ pointer }) => pointer),
      pointers,
    );
    const make = () => adapters.soap?.({ address: new URL('http://127.0.0.1:1'), credential: undefined, datasets });
    if (pointers.length > 0) t.throws(make);
    else await make()?.close();
  });
}

t.test('the examples of the document, of SOAP and of TLS and tokens, can be used as they stand', async (t) => {
  const guide = readFileSync('docs/add-a-source.md', 'utf8');
  const blocks = [...guide.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text]) => text ?? '');
  const files = blocks.filter((text) => /^(?:adapter: soap|tls:|oauth:)/m.test(text));
  t.equal(files.length, 2);
  const dataset = /```json\n([\s\S]*?)```/.exec(guide)?.[1] ?? '';
  for (const text of files) {
    const { id } = parse(text) as { id: string };
    const directory = t.testdir({ sources: { [`${id}.yaml`]: text }, datasets: { 'vehicle.json': dataset } });
    const faults: { file: string }[] = [];
    try {
      loadCatalogue({ directory, schemaDirectory: 'schemas', adapters: adapterFacts, sandbox: true });
    } catch (error) {
      faults.push(...(error as { faults: { file: string }[] }).faults);
    }
    const own = faults.filter(({ file }) => file.startsWith('sources/'));
    t.strictSame(own, [], id);
  }
});
