/** Compiles who witnesses this log, and which logs this gateway witnesses: each known by its verifier key. */
import { LOG_TYPES, parseVerifierKey, type SignatureType, type VerifierKey, WITNESS_TYPES } from '../audit/vkey.ts';
import type { ConfigFile } from './files.ts';
import type { RawGateway } from './raw.ts';

export interface WitnessPolicy {
  /** How many must have cosigned a head before it is published. */
  readonly quorum: number;
  readonly everySeconds: number;
  readonly each: readonly { readonly key: VerifierKey; readonly address: string }[];
}

export interface OwnWitness {
  readonly name: string;
  /** Origin → the keys the log may sign with. */
  readonly logs: ReadonlyMap<string, readonly VerifierKey[]>;
}

export function compileWitnesses(file: ConfigFile | undefined): { witnesses: WitnessPolicy | undefined; witness: OwnWitness | undefined } {
  if (file === undefined) return { witnesses: undefined, witness: undefined };
  const { witnesses, witness, logOrigin } = file.value as RawGateway;
  return {
    witnesses: witnesses && compilePolicy(file, witnesses, witness?.name),
    witness: witness && compileOwn(file, witness, logOrigin),
  };
}

function compilePolicy(file: ConfigFile, raw: NonNullable<RawGateway['witnesses']>, ownName: string | undefined): WitnessPolicy {
  const { quorum, everySeconds = 5 } = raw;
  if (quorum > raw.each.length) {
    file.fault('/witnesses/quorum', 'quorum', `${quorum} of ${raw.each.length} witnesses: no head would ever be published`);
  }
  const seen: VerifierKey[] = [];
  const each = raw.each.flatMap(({ key: text, address }, i) => {
    const at = `/witnesses/each/${i}/key`;
    const key = keyAt(file, at, text, WITNESS_TYPES);
    if (key === undefined) return [];
    // One who is counted twice makes a quorum of himself.
    if (seen.some(({ name, key: other }) => name === key.name || other.equals(key.key))) {
      file.fault(at, 'duplicate', `${key.name}, or its key, stands here twice`);
    }
    if (key.name === ownName) file.fault(at, 'duplicate', 'this gateway is no witness of its own log');
    seen.push(key);
    return [{ key, address }];
  });
  return { quorum, everySeconds, each };
}

function compileOwn(file: ConfigFile, { name, logs: raw }: NonNullable<RawGateway['witness']>, logOrigin: string): OwnWitness {
  const logs = new Map<string, readonly VerifierKey[]>();
  raw.forEach(({ origin, keys }, i) => {
    const at = `/witness/logs/${i}`;
    if (/\p{Cc}/u.test(origin)) file.fault(`${at}/origin`, 'unknown-value', 'a checkpoint holds no such characters');
    // What is cosigned says so in a byte.
    if (Buffer.byteLength(origin) > 255) file.fault(`${at}/origin`, 'unknown-value', 'is longer than 255 bytes');
    if (origin === logOrigin) file.fault(`${at}/origin`, 'duplicate', 'this gateway is no witness of its own log');
    if (logs.has(origin)) file.fault(`${at}/origin`, 'duplicate', `the log ${origin} stands here twice`);
    const known = keys.flatMap((text, j) => keyAt(file, `${at}/keys/${j}`, text, LOG_TYPES) ?? []);
    logs.set(origin, known);
  });
  if (name === logOrigin) file.fault('/witness/name', 'duplicate', 'is the name of the log: a witness has one of its own');
  return { name, logs };
}

function keyAt(file: ConfigFile, pointer: string, text: string, types: readonly SignatureType[]): VerifierKey | undefined {
  try {
    return parseVerifierKey(text, types);
  } catch (error) {
    file.fault(pointer, 'verifier-key', (error as Error).message);
    return undefined;
  }
}
