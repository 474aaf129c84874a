/** A prefill and its receipt, as every route that gives them sends them. */
import type { Caller, PrefillRequest } from '../../domain.ts';

/** `prefill` is canonical JSON. */
export interface Prefilled {
  readonly prefill: string;
  readonly receipt: object;
}

/** Resolves with undefined where the caller has gone away. Throws a `Problem`. */
export type Exchange = (caller: Caller, request: PrefillRequest, gone: AbortSignal) => Promise<Prefilled | undefined>;

/** `counted` says whether its official's turn was counted already. */
export type ExchangeInBatch = (...asked: [...Parameters<Exchange>, counted: boolean]) => ReturnType<Exchange>;

/** As members of a JSON object. The prefill is sent as the bytes that were hashed: spliced in and not made again. */
export const spliced = ({ prefill, receipt }: Prefilled): string => `"prefill":${prefill},"receipt":${JSON.stringify(receipt)}`;
