/** What a SOAP fault means for the gateway: the codes of SOAP itself, of WS-Security and of X-Road's security servers. */

import { SourceError, type SourceFailure } from '../src/adapter.ts';

/** Parts of codes as X-Road writes them, in small letters and without underscores: `NetworkError` up to version 7, `network_error` after it. */
const PARTS: readonly (readonly [SourceFailure, readonly string[]])[] = [
  ['refused', ['accessdenied', 'authentication', 'failedauthentication', 'invalidsecurity', 'invalidsecuritytoken', 'failedcheck']],
  [
    'unreachable',
    [
      'networkerror',
      'unknownhost',
      'ioerror',
      'sslauthenticationfailed',
      'servicedisabled',
      'maintenancemode',
      'outdatedglobalconf',
      'globalconfoutdated',
      'hsmnonoperational',
    ],
  ],
  [
    'malformed',
    [
      'inconsistentresponse',
      'invalidsoap',
      'missingsoap',
      'missingbody',
      'invalidbody',
      'invalidxml',
      'invalidmessage',
      'missingheader',
      'missingheaderfield',
      'mimeparsingfailed',
    ],
  ],
];

/** The codes are named only where they hold no digit: what a registry writes into one may be anything, a person's number too. */
export function faultFailure(codes: readonly string[], retryAfter: number | undefined): SourceError {
  const code = codes.at(-1) ?? '';
  const named = /^[A-Za-z_.-]{1,100}$/.test(code) ? code : 'of another kind';
  const detail = `the registry answered with a fault: ${named}`;
  const cause = Object.assign(new Error(detail), { name: 'SoapFault', code: named });
  return new SourceError(reasonOf(codes), detail, retryAfter, cause);
}

function reasonOf(codes: readonly string[]): SourceFailure {
  const parts = codes.flatMap((code) => code.toLowerCase().replaceAll('_', '').split('.'));
  if (parts.some((part) => /timed?out$/.test(part))) return 'timeout';
  const found = PARTS.find(([, names]) => names.some((name) => parts.includes(name)))?.[0];
  // Only an answer of the service can be malformed; the same words of a question say that the file is wrong.
  if (found === 'malformed' && !parts.includes('servicefailed')) return 'error';
  // With nothing after it: the security server of the registry got no answer from the service.
  if (found === undefined && parts.at(-1) === 'servicefailed') return 'unreachable';
  return found ?? 'error';
}
