/** Every refusal the gateway can give: its stable code, HTTP status and title. `docs/problems.md` explains each; a test holds the two together. */

export const problems = {
  'malformed-json': { status: 400, title: 'The body is not strict JSON' },
  'invalid-request': { status: 400, title: 'The request does not fit its schema' },
  'unknown-role': { status: 400, title: 'The procedure has no such role' },
  'role-missing': { status: 400, title: 'The procedure demands a related person that was not named' },
  'unknown-field': { status: 400, title: 'The form has no such field' },
  'no-delivery-address': { status: 400, title: 'The agency has no address for deliveries' },
  'purpose-needed': { status: 400, title: 'The agency may ask for several purposes, and the request names none' },
  'place-date-needed': { status: 400, title: 'A code of a place means nothing without the day of its list' },
  unauthenticated: { status: 401, title: 'A valid access token is needed' },
  'insufficient-scope': { status: 403, title: 'The token lacks the scope' },
  'procedure-not-granted': { status: 403, title: 'The agency holds no grant for this procedure' },
  'purpose-not-granted': { status: 403, title: 'The agency holds no grant of this procedure for the purpose' },
  'grant-not-in-force': { status: 403, title: 'The agency’s grant for this procedure is not in force today' },
  'supplier-not-allowed': { status: 403, title: 'The agency does not let this supplier act for it in this procedure today' },
  'field-not-granted': { status: 403, title: 'The field is outside the agency’s grant' },
  'officer-stopped': { status: 403, title: 'The official may not ask at the moment' },
  'checkpoint-not-signed': { status: 403, title: 'The checkpoint bears no valid signature of its log' },
  'not-found': { status: 404, title: 'There is nothing at this address' },
  'unknown-procedure': { status: 404, title: 'The catalogue has no such procedure' },
  'no-form': { status: 404, title: 'Only an annex is known of the procedure: it has no form' },
  'procedure-not-in-force': { status: 404, title: 'No version of the procedure applies on that day' },
  'unknown-place': { status: 404, title: 'The list of that day has no such place' },
  'unknown-entry': { status: 404, title: 'The log has no such entry' },
  'unknown-log': { status: 404, title: 'The log is not witnessed here' },
  'unknown-correction': { status: 404, title: 'There is no such report for this agency' },
  'unknown-shut-out': { status: 404, title: 'Nobody was shut out under this identifier' },
  'unknown-completion': { status: 404, title: 'Nothing is kept for this agency under this identifier' },
  'unknown-source': { status: 404, title: 'The agency owns no such registry' },
  'method-not-allowed': { status: 405, title: 'The method is not allowed here' },
  'request-timeout': { status: 408, title: 'The request took too long to arrive' },
  'reply-not-read': { status: 408, title: 'The answers were not read while the request was sent' },
  'correction-closed': { status: 409, title: 'The report was answered or withdrawn already' },
  'entry-pruned': { status: 410, title: 'The entry’s body was forgotten at the end of its time' },
  'completion-delivered': { status: 410, title: 'The completed prefill was delivered, and is not kept any more' },
  'completion-expired': { status: 410, title: 'The prefill could not be completed in its time' },
  'completion-refused': { status: 410, title: 'The prefill may not be completed any more' },
  'body-too-large': { status: 413, title: 'The body is too large' },
  'unsupported-media-type': { status: 415, title: 'The body is not of the media type that is taken here' },
  'checkpoint-inconsistent': { status: 422, title: 'The checkpoint does not continue the one before' },
  'record-unknown': { status: 422, title: 'It could not be found out which record is meant' },
  'too-many-corrections': { status: 429, title: 'The agency has as many reports open as it may' },
  'too-many-mismatches': { status: 429, title: 'Too many claims about this person were wrong' },
  'too-many-shut-outs': { status: 429, title: 'More are shut out in a minute than anybody writes' },
  'too-many-requests': { status: 429, title: 'More was asked than may be in so short a time' },
  'headers-too-large': { status: 431, title: 'The request’s header fields are too large' },
  internal: { status: 500, title: 'The gateway failed' },
  'log-unavailable': { status: 503, title: 'The audit log cannot be written, so nothing leaves' },
  'completion-unavailable': { status: 503, title: 'What is kept for later cannot be read just now' },
  'correction-unavailable': { status: 503, title: 'Reports of wrong values cannot be read or kept just now' },
  'shut-out-unavailable': { status: 503, title: 'Who is shut out cannot be kept just now' },
  'access-unavailable': { status: 503, title: 'What was used before cannot be looked up just now, so nobody is let in' },
  'issuer-unavailable': { status: 503, title: 'The issuer of the token does not answer, so none of its tokens can be checked' },
  'signer-unavailable': { status: 503, title: 'The key that would have to sign does not answer' },
  stopping: { status: 503, title: 'The gateway is stopping' },
  overloaded: { status: 503, title: 'The gateway has more requests than it can answer in time' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemCode = keyof typeof problems;

/** Where a request is wrong: a JSON Pointer into it and what is expected there. Never holds a value of the request. */
export interface RequestFault {
  readonly pointer: string;
  readonly detail: string;
}

export interface ProblemOptions {
  /** For the caller. Must hold no personal data. */
  readonly detail?: string;
  readonly errors?: readonly RequestFault[];
  readonly retryAfterSeconds?: number;
  /** The same was put on record for the same official just now, and says nothing about a person. */
  readonly onRecord?: boolean;
  /** How to come back, for `WWW-Authenticate`. */
  readonly challenge?: string;
  /** For the log alone. */
  readonly cause?: unknown;
}

/** A refusal on its way to the edge, where alone it becomes a problem document. */
export class Problem extends Error {
  readonly code: ProblemCode;
  readonly options: ProblemOptions;

  constructor(code: ProblemCode, options: ProblemOptions = {}) {
    super(code, { cause: options.cause });
    this.name = 'Problem';
    this.code = code;
    this.options = options;
  }
}

/** Where an error arose, and not what it says: the message of a parser quotes what it could not parse. For the log. */
export function whereItArose(error: unknown): { name: string; code?: string; frames: string[] } | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code } = error as NodeJS.ErrnoException;
  const frames = (error.stack ?? '')
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .map((line) => line.trim());
  const deeper = whereItArose(error.cause);
  return {
    name: error.name,
    ...(code === undefined ? {} : { code }),
    frames: deeper ? [...frames, `caused by ${deeper.name} ${deeper.code ?? ''}`, ...deeper.frames] : frames,
  };
}
