/** The edge where refusals become problem documents (RFC 9457). Inside errors are not outside errors: the unknown is `internal` and says nothing. */
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { LogBroken } from '../audit/store.ts';
import { Problem, type ProblemCode, problems, type RequestFault, whereItArose } from '../problems.ts';
import { SignerUnavailable } from '../signer.ts';

export interface ProblemDocument {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: ProblemCode;
  readonly detail?: string;
  readonly errors?: readonly RequestFault[];
}

export function problemDocument(problem: Problem): ProblemDocument {
  const { status, title } = problems[problem.code];
  const { detail, errors } = problem.options;
  return {
    type: `urn:oncegate:problem:${problem.code}`,
    title,
    status,
    code: problem.code,
    ...(detail === undefined ? {} : { detail }),
    ...(errors === undefined ? {} : { errors }),
  };
}

/** What Fastify itself refuses, by its own codes, where the status alone does not say which problem it is. */
const FASTIFY: Readonly<Record<string, ProblemCode>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported-media-type',
  FST_ERR_CTP_BODY_TOO_LARGE: 'body-too-large',
  FST_ERR_BAD_URL: 'not-found',
  FST_ERR_MAX_PARAM_LENGTH: 'not-found',
};

/** What others that Fastify calls upon refuse: files that are not there, bodies cut off in the middle. */
function byStatus(status: number | undefined): ProblemCode | undefined {
  if (status === 403 || status === 404) return 'not-found';
  return status !== undefined && status >= 400 && status < 500 ? 'invalid-request' : undefined;
}

export function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  // An auditor must hear that the log itself is not what it was.
  if (error instanceof LogBroken) return new Problem('internal', { detail: error.message, cause: error });
  if (error instanceof SignerUnavailable) return new Problem('signer-unavailable', { retryAfterSeconds: 2, cause: error });
  const { code, validation, statusCode } = error as Partial<FastifyError>;
  if (validation !== undefined) {
    const errors = validation.slice(0, 20).map(explain);
    return new Problem('invalid-request', { errors });
  }
  const known = FASTIFY[code ?? ''] ?? byStatus(statusCode);
  return known === undefined ? new Problem('internal', { cause: error }) : new Problem(known, { cause: error });
}

/** Where it is the gateway that failed, its operator hears of it. */
export function logFailure({ code, options }: Problem, request: FastifyRequest): void {
  if (problems[code].status >= 500) request.log.error({ code, cause: whereItArose(options.cause) }, 'request failed');
}

/** As what a reply refused: a problem's code, or that of RFC 6749. */
export const refusals = new WeakMap<FastifyReply, string>();
/** Where a refusal does not say itself how to come back. */
const CHALLENGES: Readonly<Partial<Record<ProblemCode, string>>> = {
  unauthenticated: 'Bearer',
  'insufficient-scope': 'Bearer error="insufficient_scope"',
};

export async function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const problem = toProblem(error);
  const document = problemDocument(problem);
  logFailure(problem, request);
  refusals.set(reply, problem.code);
  const challenge = problem.options.challenge ?? CHALLENGES[problem.code];
  if (challenge !== undefined) reply.header('www-authenticate', challenge);
  if (problem.options.retryAfterSeconds !== undefined) reply.header('retry-after', problem.options.retryAfterSeconds);
  await reply.code(document.status).type('application/problem+json').send(JSON.stringify(document));
}

/** A member that the caller invented may be anything, a person's number too: it is repeated only where it looks like a name. */
const speakable = (name: string): boolean => /^[A-Za-z]{1,40}$/.test(name);

function explain(error: NonNullable<FastifyError['validation']>[number]): RequestFault {
  const pointer = error.instancePath.split('/').every((part) => part === '' || speakable(part) || /^[0-9]{1,3}$/.test(part))
    ? error.instancePath
    : '';
  const { additionalProperty, unevaluatedProperty, missingProperty, allowedValues, pattern } = error.params as Record<string, unknown>;
  switch (error.keyword) {
    case 'additionalProperties':
    case 'unevaluatedProperties': {
      const unknown = additionalProperty ?? unevaluatedProperty;
      const named = typeof unknown === 'string' && speakable(unknown);
      return { pointer: named ? `${pointer}/${unknown}` : pointer, detail: 'is not a member of this request' };
    }
    case 'required':
      return { pointer: `${pointer}/${String(missingProperty)}`, detail: 'is missing' };
    case 'enum':
      return { pointer, detail: `must be one of ${(allowedValues as unknown[]).join(', ')}` };
    case 'pattern':
      return { pointer, detail: `must look like ${String(pattern)}` };
    case 'not':
      return { pointer, detail: 'must name nobody by number' };
    default:
      return { pointer, detail: error.message ?? 'does not fit' };
  }
}
