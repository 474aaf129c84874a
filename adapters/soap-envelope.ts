/** The envelope of SOAP 1.1 and 1.2: written around a question, and taken off an answer that is one. */

import { SourceError } from '../src/adapter.ts';
import { malformed } from './reading.ts';
import { type Element, readXml, XmlFault } from './xml.ts';
import { child, children, textOf } from './xml-paths.ts';

export type SoapVersion = '1.1' | '1.2';

export const ENVELOPE: Readonly<Record<SoapVersion, string>> = {
  '1.1': 'http://schemas.xmlsoap.org/soap/envelope/',
  '1.2': 'http://www.w3.org/2003/05/soap-envelope',
};

/** Parts with attachments (multipart, XOP) are neither of the two. */
export const SOAP_FORM = { type: /^(?:text\/xml|application\/soap\+xml)\s*(?:;|$)/i, name: 'a SOAP message' };

/** `header` is a whole `soap:Header`, or nothing. */
export const envelope = (version: SoapVersion, header: string, body: string): string =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<soap:Envelope xmlns:soap="${ENVELOPE[version]}">${header}<soap:Body>${body}</soap:Body></soap:Envelope>`;

/** `action` may be empty: SOAP 1.1 wants the header all the same. */
export function contentHeaders(version: SoapVersion, action: string): Record<string, string> {
  if (version === '1.1') return { accept: 'text/xml', 'content-type': 'text/xml; charset=utf-8', soapaction: `"${action}"` };
  const parameter = action === '' ? '' : `; action="${action}"`;
  return { accept: 'application/soap+xml', 'content-type': `application/soap+xml; charset=utf-8${parameter}` };
}

export interface Message {
  readonly header: Element | undefined;
  readonly body: Element;
  /** The codes of a fault, from the one that says least to the one that says most, without prefixes; undefined where it is none. */
  readonly faultCodes: readonly string[] | undefined;
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

export function readMessage(bytes: Uint8Array, type: string, version: SoapVersion): Message {
  const root = rootOf(bytes, type);
  const namespace = ENVELOPE[version];
  if (root.name !== 'Envelope' || root.namespace !== namespace) throw malformed('the answer', `is not an envelope of SOAP ${version}`);
  const header = child(root, { namespace, name: 'Header' });
  const body = child(root, { namespace, name: 'Body' });
  const [content, ...more] = body?.elements ?? [];
  if (body === undefined || content === undefined || more.length > 0)
    throw malformed('the answer', 'does not have one element in one body');
  const isFault = content.name === 'Fault' && content.namespace === namespace;
  return { header, body, faultCodes: isFault ? codesOf(content, version) : undefined };
}

function rootOf(bytes: Uint8Array, type: string): Element {
  const charset = /;\s*charset\s*=\s*"?([^\s";]*)/i.exec(type)?.[1];
  if (charset !== undefined && charset.toLowerCase() !== 'utf-8') throw malformed('the answer', 'is not in UTF-8 by its content type');
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    throw malformed('the answer', 'is not in UTF-8');
  }
  try {
    return readXml(text);
  } catch (error) {
    if (!(error instanceof XmlFault)) throw error;
    throw new SourceError('malformed', `the answer ${error.message}`);
  }
}

/** SOAP 1.1, section 4.4: one code, made narrower by dots. SOAP 1.2, section 5.4: codes within codes. */
function codesOf(fault: Element, version: SoapVersion): string[] {
  const codes: string[] = [];
  if (version === '1.1') {
    for (const code of children(fault, { namespace: '', name: 'faultcode' })) codes.push(localPart(textOf(code)));
    return codes;
  }
  const namespace = ENVELOPE[version];
  let code = child(fault, { namespace, name: 'Code' });
  while (code !== undefined) {
    const value = child(code, { namespace, name: 'Value' });
    if (value !== undefined) codes.push(localPart(textOf(value)));
    code = child(code, { namespace, name: 'Subcode' });
  }
  return codes;
}

const localPart = (code: string): string => code.slice(code.indexOf(':') + 1);
