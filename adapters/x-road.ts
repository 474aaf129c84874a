/** The headers of the X-Road Message Protocol, version 4.0 (PR-MESS): written into a question, and found again in its answer. */

import { malformed } from './reading.ts';
import type { Element } from './xml.ts';
import { attribute, children, textOf } from './xml-paths.ts';
import { escaped } from './xml-text.ts';

const XROAD = 'http://x-road.eu/xsd/xroad.xsd';
const IDENTIFIERS = 'http://x-road.eu/xsd/identifiers';

/** In the order of the protocol's schema. */
export const CLIENT_PARTS = ['xRoadInstance', 'memberClass', 'memberCode', 'subsystemCode'] as const;
export const SERVICE_PARTS = [...CLIENT_PARTS, 'serviceCode', 'serviceVersion'] as const;

export type Client = Readonly<Partial<Record<(typeof CLIENT_PARTS)[number], string>>>;
export type Service = Readonly<Partial<Record<(typeof SERVICE_PARTS)[number], string>>>;

export interface XRoad {
  readonly client: Client;
  readonly service: Service;
  /** Of the gateway as a user, where the exchange wants one: never of a person. */
  readonly userId?: string;
}

const typeOf = (member: 'client' | 'service', identifier: Client): string =>
  member === 'service' ? 'SERVICE' : identifier.subsystemCode === undefined ? 'MEMBER' : 'SUBSYSTEM';

/** The header of an envelope whose prefix is `soap`. `id` must be another for each question. */
export function writeHeaders({ client, service, userId }: XRoad, id: string): string {
  const plain = (name: string, text: string | undefined): string => (text === undefined ? '' : `<${name}>${escaped(text)}</${name}>`);
  const identifier = (member: 'client' | 'service', parts: readonly (keyof Service)[], given: Service): string =>
    `<xrd:${member} id:objectType="${typeOf(member, given)}">${parts.map((part) => plain(`id:${part}`, given[part])).join('')}</xrd:${member}>`;
  const headers = [
    identifier('client', CLIENT_PARTS, client),
    identifier('service', SERVICE_PARTS, service),
    plain('xrd:id', id),
    plain('xrd:userId', userId),
    plain('xrd:protocolVersion', '4.0'),
  ];
  return `<soap:Header xmlns:xrd="${XROAD}" xmlns:id="${IDENTIFIERS}">${headers.join('')}</soap:Header>`;
}

/** Section 2.2: a service copies all headers of the question into its answer. One with others is the answer to another question. */
export function checkHeaders(header: Element | undefined, { client, service }: XRoad, id: string): void {
  checkIdentifier(header, 'client', CLIENT_PARTS, client);
  checkIdentifier(header, 'service', SERVICE_PARTS, service);
  if (textOf(one(header, 'id')) !== id) throw malformed('the X-Road header id', 'is not the one of the question');
  if (!/^4\.\d+$/.test(textOf(one(header, 'protocolVersion')))) throw malformed('the X-Road header protocolVersion', 'is not 4');
}

export const hasHeaders = (header: Element | undefined): boolean => header?.elements.some(({ namespace }) => namespace === XROAD) === true;

function one(header: Element | undefined, name: string): Element {
  const [found, ...more] = header === undefined ? [] : children(header, { namespace: XROAD, name });
  if (found === undefined || more.length > 0) throw malformed(`the X-Road header ${name}`, 'is not there once');
  return found;
}

function checkIdentifier(
  header: Element | undefined,
  member: 'client' | 'service',
  parts: readonly (keyof Service)[],
  asked: Service,
): void {
  const found = one(header, member);
  const type = attribute(found, { namespace: IDENTIFIERS, name: 'objectType' });
  const equal = parts.every((part) => {
    const [element, ...more] = children(found, { namespace: IDENTIFIERS, name: part });
    return more.length === 0 && (element === undefined ? undefined : textOf(element)) === asked[part];
  });
  if (!equal || type !== typeOf(member, asked)) throw malformed(`the X-Road header ${member}`, 'is not the one of the question');
}
