/** What a call would get by the rules alone, on any day: the rule and the plan of a real one, where every registry that it would ask is away. Pure. */
import { agencyShownTo } from '../access/mandates.ts';
import type { Caller, Component, ComponentResult, Field, Grant, Outcome, Plan, PlannedLookUp, Procedure } from '../domain.ts';
import { inForce } from '../domain.ts';
import { Problem } from '../problems.ts';
import { type AuthoriseTools, type Ruled, rule } from './authorise.ts';
import { judge } from './components.ts';
import { assembleField } from './fields.ts';
import { grantsHeld } from './grant.ts';
import { plan } from './plan.ts';

/** A request body that its schema accepted. Of nobody: roles are named, and not who has them. */
export interface SimulationRequest {
  readonly procedure: string;
  readonly purpose?: string;
  readonly dossier?: string;
  readonly officer?: string;
  readonly related?: readonly string[];
  readonly fields?: readonly string[];
  readonly on?: string;
}

export interface Simulated {
  readonly procedure: Procedure;
  readonly grant: Grant;
  readonly fields: readonly SimulatedField[];
  readonly components: readonly SimulatedPaper[];
  readonly sources: readonly string[];
}

export interface SimulatedField {
  readonly field: Field;
  readonly would: 'look-up' | 'ask' | 'not-authorised' | 'leave-out';
  readonly reason: string;
  readonly from: readonly PlannedLookUp[];
  readonly withoutRole: readonly string[];
}

export interface SimulatedPaper {
  readonly component: Component;
  readonly would: 'judge' | 'cut' | 'ask' | 'not-authorised';
  readonly reason: string;
}

/** Why nothing would be allowed, with what the agency holds. */
export interface Refused {
  readonly refusal: Problem;
  readonly held: readonly Grant[];
  readonly procedure: Procedure | undefined;
}

export function simulate(caller: Caller, request: SimulationRequest, tools: AuthoriseTools, on: string): Simulated | Refused {
  try {
    const ruled = rule(caller, { ...request, roles: request.related ?? [], persons: [] }, tools, on);
    const planned = plan({ ...ruled, request });
    return new World(ruled, planned, request.related ?? [], tools).told();
  } catch (refusal) {
    if (!(refusal instanceof Problem)) throw refusal;
    const procedure = tools.catalogue.procedures.get(request.procedure)?.find((version) => inForce(version, on));
    return { refusal, held: grantsHeld(agencyShownTo(caller, on), request.procedure, on), procedure };
  }
}

/** The world in which every registry that could be asked is away: what is said there of a field or paper holds whatever the registries say. */
class World {
  readonly #ruled: Ruled;
  readonly #plan: Plan;
  readonly #given: ReadonlySet<string>;
  readonly #tools: AuthoriseTools;
  readonly #outcomes: ReadonlyMap<number, Outcome>;

  constructor(ruled: Ruled, planned: Plan, related: readonly string[], tools: AuthoriseTools) {
    this.#ruled = ruled;
    this.#plan = planned;
    this.#given = new Set(['subject', ...related]);
    this.#tools = tools;
    this.#outcomes = new Map(planned.lookUps.map((index) => [index, this.#canAsk(index) ? AWAY : KEYLESS] as const));
  }

  told(): Simulated {
    const { procedure, grant } = this.#ruled;
    const asked = this.#plan.lookUps.filter((index) => this.#outcomes.get(index) === AWAY);
    return {
      procedure,
      grant,
      fields: procedure.fields.map((field, index) => this.#field(field, index)),
      components: procedure.components.map((component, index) => this.#paper(component, index)),
      sources: [...new Set(asked.flatMap((index) => procedure.lookUps[index]?.source ?? []))],
    };
  }

  /** Whether the key of the look-up's role is given, or may be found in a record that can be asked for. */
  #canAsk(lookUp: number): boolean {
    const role = this.#plan.procedure.roles.get(this.#plan.procedure.lookUps[lookUp]?.role ?? '');
    return role !== undefined && (this.#given.has(role.name) || role.from.some((binding) => this.#canAsk(binding.lookUp)));
  }

  #field(field: Field, index: number): SimulatedField {
    const { lookUps } = this.#plan.procedure;
    const none = { field, from: [], withoutRole: [] };
    if (!this.#plan.listed.includes(index)) return { ...none, would: 'leave-out', reason: 'not-asked-for' };
    if (!this.#plan.disclosed.has(index)) return { ...none, would: 'not-authorised', reason: 'outside-grant' };
    const { status, reason = '' } = assembleField(field, lookUps, { outcomes: this.#outcomes }, this.#ruled.today).result;
    const bound = [...new Set(field.from.map(({ lookUp }) => lookUp))];
    const from = bound.filter((lookUp) => this.#canAsk(lookUp)).flatMap((lookUp) => lookUps[lookUp] ?? []);
    const without = bound.filter((lookUp) => !this.#canAsk(lookUp)).flatMap((lookUp) => lookUps[lookUp]?.role ?? []);
    const sought = status === 'unavailable';
    return { field, would: sought ? 'look-up' : 'ask', reason: sought ? 'granted' : reason, from, withoutRole: [...new Set(without)] };
  }

  #paper(component: Component, index: number): SimulatedPaper {
    if (!this.#plan.judged.has(index)) return { component, would: 'not-authorised', reason: 'outside-grant' };
    // Each provision by itself: together, the first would speak for one that may yet replace the paper.
    const weighed = component.replacedBy.map((evidence) => this.#judge({ ...component, replacedBy: [evidence] }));
    const decisive = weighed.find(({ verdict, reason }) => verdict !== 'ask' || reason === 'unavailable');
    const { verdict, reason = '' } = decisive ?? weighed[0] ?? this.#judge(component);
    if (verdict === 'cut') return { component, would: 'cut', reason: 'granted' };
    return decisive === undefined ? { component, would: 'ask', reason } : { component, would: 'judge', reason: 'granted' };
  }

  #judge(component: Component): ComponentResult {
    const { today } = this.#ruled;
    const { fields, lookUps } = this.#plan.procedure;
    return judge(component, true, {
      plan: this.#plan,
      resolved: { outcomes: this.#outcomes, keys: new Map(), stale: new Set() },
      sources: this.#tools.catalogue.sources,
      today,
      cancelled: new Set(),
      field: (at) => assembleField(fields[at] as Field, lookUps, { outcomes: this.#outcomes }, today),
      since: () => undefined,
    });
  }
}

const AWAY: Outcome = { kind: 'unavailable', reason: 'timeout' };
const KEYLESS: Outcome = { kind: 'no-key', reason: 'role-not-given' };
