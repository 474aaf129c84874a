/** What operators watch, as Prometheus reads it (text format 0.0.4): numbers with labels of this code and this configuration, never of a request. */

export interface Metric {
  readonly help: string;
  readonly type: 'counter' | 'gauge';
  /** By labels, as `metricLabels` writes them. */
  readonly values: Iterable<readonly [labels: string, value: number]>;
}

/** By name. */
export type Metrics = Readonly<Record<string, Metric>>;

/** Seconds within which requests are counted as done. */
const BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** `a="1",b="2"`. A value may hold anything but is none that a caller chose: otherwise there would be labels without end. */
export const metricLabels = (labels: Readonly<Record<string, string | number>>): string =>
  Object.entries(labels)
    .map(([name, value]) => `${name}="${String(value).replaceAll(/["\\]/g, '\\$&').replaceAll('\n', '\\n')}"`)
    .join(',');

/** How long requests took, by route. */
class Durations {
  readonly #routes = new Map<string, { readonly within: number[]; seconds: number }>();

  add(route: string, seconds: number): void {
    let known = this.#routes.get(route);
    if (known === undefined) this.#routes.set(route, (known = { within: new Array<number>(BOUNDS.length + 1).fill(0), seconds: 0 }));
    const bound = BOUNDS.findIndex((most) => seconds <= most);
    const at = bound < 0 ? BOUNDS.length : bound;
    known.within[at] = (known.within[at] ?? 0) + 1;
    known.seconds += seconds;
  }

  *lines(name: string): Iterable<string> {
    yield `# HELP ${name} From a request's arrival to its last byte.`;
    yield `# TYPE ${name} histogram`;
    for (const [route, { within, seconds }] of this.#routes) {
      let count = 0;
      for (const [i, more] of within.entries()) {
        count += more;
        yield `${name}_bucket{${metricLabels({ route, le: BOUNDS[i] ?? '+Inf' })}} ${count}`;
      }
      yield `${name}_sum{${metricLabels({ route })}} ${seconds}`;
      yield `${name}_count{${metricLabels({ route })}} ${count}`;
    }
  }
}

/** What passed the edge of this process. */
export class Traffic {
  readonly #durations = new Durations();
  readonly #requests = new Map<string, number>();
  readonly #refusals = new Map<string, number>();

  /** `route` as it is declared; `refused` the code of the refusal, where it was one. Called for each request, so it costs a microsecond. */
  answered(method: string, route: string, status: number, seconds: number, refused?: string): void {
    const labels = `method="${method}",route="${route}",status="${status}"`;
    this.#requests.set(labels, (this.#requests.get(labels) ?? 0) + 1);
    if (refused !== undefined) this.#refusals.set(refused, (this.#refusals.get(refused) ?? 0) + 1);
    this.#durations.add(route, seconds);
  }

  /** All of it, and what others say of themselves. */
  text(others: Metrics): string {
    const own: Metrics = {
      oncegate_requests_total: { help: 'Requests answered.', type: 'counter', values: this.#requests },
      oncegate_refusals_total: {
        help: 'Of them refused, by code.',
        type: 'counter',
        values: [...this.#refusals].map(([code, count]) => [metricLabels({ code }), count] as const),
      },
    };
    const lines = [...this.#durations.lines('oncegate_request_seconds')];
    for (const [name, { help, type, values }] of Object.entries({ ...own, ...others })) {
      lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
      for (const [labels, value] of values) lines.push(labels === '' ? `${name} ${value}` : `${name}{${labels}} ${value}`);
    }
    return `${lines.join('\n')}\n`;
  }
}
