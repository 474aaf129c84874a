/** Values of code lists compared by what they mean: a code, its label and its aliases say the same. Pure. */
import { nameKey } from './names.ts';

interface Items {
  readonly items: readonly { readonly code: string; readonly label: { readonly vi: string }; readonly aliases?: readonly string[] }[];
}

/** Case, hyphens, apostrophes, spaces and the place of the tone are no difference between labels: Hmông and H'Mông, Ê-đê and Ê Đê. */
export const codeKey = (text: string): string => nameKey(text).replace(/[ '-]/g, '');

/** The code that a list has for a code, a label or an alias; undefined where it knows none. */
export function codeOf({ items }: Items, text: string): string | undefined {
  const key = codeKey(text);
  const names = (item: Items['items'][number]): string[] => [item.label.vi, ...(item.aliases ?? [])];
  return (items.find(({ code }) => code === text) ?? items.find((item) => names(item).some((name) => codeKey(name) === key)))?.code;
}
