/** The form of one version of a procedure as a JSON Schema that ordinary form libraries draw and check by. Pure. */
import type { Field, OfficialText, Procedure } from '../../domain.ts';
import { type Language, say } from '../language.ts';
import { CODES, MEMBERS } from './form-words.ts';

/** A schema as `schemas/datasets/types.json` writes it. */
export type Schema = Readonly<Record<string, unknown>>;

/** What a form needs of a date; the rest was cut off before it left. */
const DATES = {
  year: '^[1-9][0-9]{3}$',
  month: '^[1-9][0-9]{3}(-(0[1-9]|1[0-2]))?$',
} as const;

/** What is written freely may have several lines. */
const FREE = { type: 'string', minLength: 1, maxLength: 4000 } as const;

/** `undefined` where only an annex is known of the procedure: it has no form. */
export function formSchema(procedure: Procedure, types: ReadonlyMap<string, Schema>, language: Language): Schema | undefined {
  const { code, validFrom, validTo, form, replaces, parts } = procedure;
  if (form === undefined) return undefined;
  const drawn = new Drawing(types, language);
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    ...drawn.titled(form.name),
    ...drawn.group(procedure.fields, 0),
    'x-procedure': { code, name: procedure.name, validFrom, validTo, confidence: form.confidence, replaces, parts },
  };
}

/** Every type is written out where it stands: libraries differ in what they make of a `$ref` with a title beside it. */
class Drawing {
  readonly #types: ReadonlyMap<string, Schema>;
  readonly #language: Language;

  constructor(types: ReadonlyMap<string, Schema>, language: Language) {
    this.#types = types;
    this.#language = language;
  }

  titled(name: OfficialText): Schema {
    return { title: say(name, this.#language), 'x-title': name };
  }

  /** The fields that share the first `depth` members of their pointers. */
  group(fields: readonly Field[], depth: number): Schema {
    const members = Map.groupBy(fields, ({ path }) => path[depth] ?? '');
    const properties = [...members].map(([member, within]): [string, Schema] => {
      const [first] = within;
      const isField = first !== undefined && first.path.length === depth + 1;
      return [member, isField ? this.#field(first) : { ...this.#heading(within), ...this.group(within, depth + 1) }];
    });
    const required = [...members].filter(([, within]) => within.some((field) => field.required)).map(([member]) => member);
    return { type: 'object', additionalProperties: false, properties: Object.fromEntries(properties), required };
  }

  /** What the labels of a group all begin with: “Bên nữ: Họ, chữ đệm, tên”, “Bên nữ: Dân tộc” are of “Bên nữ”. */
  #heading(fields: readonly Field[]): Schema {
    const common = (language: Language): string | undefined => {
      const [first, ...others] = fields.map(({ name }) => /^(.+?)\s?: /.exec(say(name, language))?.[1]);
      return others.every((other) => other === first) ? first : undefined;
    };
    const [vi, en, fr] = [common('vi'), common('en'), common('fr')];
    return vi === undefined || en === undefined ? {} : this.titled({ vi, en, ...(fr === undefined ? {} : { fr }) });
  }

  #field(field: Field): Schema {
    const { name, note, from, editable } = field;
    return {
      ...this.titled(name),
      ...(note === undefined ? {} : { description: say(note, this.#language), 'x-description': note }),
      ...this.#value(field),
      ...(from.length > 0 && !editable ? { readOnly: true } : {}),
    };
  }

  #value({ type, as, choices, precision }: Field): Schema {
    if (type === 'signature') return { type: 'boolean', 'x-signature': true };
    if (choices !== undefined) return { type: 'string', oneOf: choices.map(({ value, name }) => ({ const: value, ...this.titled(name) })) };
    if (type === 'declared') return as === undefined || as === 'text' ? FREE : this.#type(as);
    const drawn = this.#type(type);
    return precision === undefined || precision === 'day' ? drawn : { ...drawn, pattern: DATES[precision] };
  }

  #type(name: string): Schema {
    return this.#written(this.#types.get(name) ?? {}, name);
  }

  /** Descriptions of types are for those who bind them, not for who fills the form in. */
  #written({ description: _, ...schema }: Schema, name: string): Schema {
    if (typeof schema.$ref === 'string') return this.#type(schema.$ref.slice(schema.$ref.lastIndexOf('/') + 1));
    if (Array.isArray(schema.enum)) return { type: 'string', oneOf: schema.enum.map((code: string) => this.#choice(name, code)) };
    const properties = Object.entries((schema.properties ?? {}) as Record<string, Schema>).map(([member, inner]): [string, Schema] => [
      member,
      {
        ...(MEMBERS[member] ? this.titled(MEMBERS[member]) : {}),
        ...this.#written(inner, `${name}${member[0]?.toUpperCase()}${member.slice(1)}`),
      },
    ]);
    return {
      ...schema,
      ...(properties.length > 0 ? { properties: Object.fromEntries(properties) } : {}),
      ...(schema.items === undefined ? {} : { items: this.#written(schema.items as Schema, name) }),
      ...(name === 'email' ? { format: 'email' } : {}),
    };
  }

  #choice(list: string, code: string): Schema {
    const name = CODES[list]?.[code];
    return { const: code, ...(name === undefined ? { title: code } : this.titled(name)) };
  }
}
