/** The language in which a source's file describes a SOAP service, behind X-Road or not. */

import type { KeyKind } from '../src/adapter.ts';
import type { Description, MemberMap } from './description.ts';
import type { DateForm } from './reading.ts';
import { ENVELOPE, type SoapVersion } from './soap-envelope.ts';
import type { XRoad } from './x-road.ts';
import type { Prefixes } from './xml-paths.ts';

export interface SoapDescription {
  readonly request: {
    readonly key: KeyKind;
    readonly path: string;
    /** A number where YAML reads one. */
    readonly soap: SoapVersion | number;
    readonly action?: string;
    /** Templates with `{credential}`. */
    readonly headers?: Readonly<Record<string, string>>;
    readonly xroad?: XRoad;
    readonly body: string;
  };
  /** Paths are from the body. */
  readonly answer: {
    readonly namespaces?: Prefixes;
    readonly found?: SoapCondition;
    readonly notFound: readonly SoapCondition[];
    readonly cancelled?: SoapCondition;
    readonly record: string;
    readonly about: string;
    readonly recordedAt?: { readonly from: string; readonly date: DateForm };
  };
  readonly map: MemberMap;
  readonly codes?: NonNullable<Description['codes']>;
}

/** Holds when everything it names does. */
export interface SoapCondition {
  /** One of the codes of the answer, which is a fault. */
  readonly fault?: string;
  readonly at?: string;
  readonly equals?: string;
  readonly present?: string;
  /** Not there, within an element that is. */
  readonly absent?: string;
}

export const versionOf = (soap: SoapVersion | number): SoapVersion => (String(soap) === '1.2' ? '1.2' : '1.1');

/** The prefixes of a description: `soap` is the envelope's own. */
export const prefixesOf = (answer: SoapDescription['answer'], version: SoapVersion): Prefixes => ({
  ...answer.namespaces,
  soap: ENVELOPE[version],
});
