/** The land database: rights by the holder's number, in pages, and one certificate by its serial. */

import { type Adapter, type AdapterSettings, type Answer, type JsonObject, SourceError } from '../src/adapter.ts';
import { type Connection, connect, type Reply } from './http.ts';
import { Members, malformed, record } from './reading.ts';

const PAGE_SIZE = 100;

/** More than anyone holds and as many as the dataset takes; a registry that says there are more is not believed. */
const MOST_RIGHTS = 1000;

/** A registry may fill its pages less than it was asked to, but not without end. */
const MOST_PAGES = 200;

/** Square metres: three times the country's. Sums of such areas stay finite. */
const LARGEST_AREA = 1e12;

/** What is kept of a right in the list. Its other members may be long, and a thousand of them are not held in memory. */
interface Right {
  readonly summary: JsonObject;
  readonly vouchedAt: string | null;
}

type Ask = (path: string, body: JsonObject, signal: AbortSignal, answers?: readonly number[]) => Promise<Reply>;

export function land(settings: AdapterSettings): Adapter {
  const connection: Connection = connect(settings.address, settings);
  const headers: Record<string, string> = settings.credential === undefined ? {} : { authorization: `Bearer ${settings.credential}` };
  const ask: Ask = (path, body, signal, answers = []) => connection.ask({ path, headers, body, answers }, signal);
  return {
    datasets: { 'land-holding': 'person', 'land-certificate': 'certificate' },
    lookUp: ({ dataset, key }, signal) => (dataset === 'land-holding' ? holdings(ask, key, signal) : certificate(ask, key, signal)),
    close: connection.close,
  };
}

async function holdings(ask: Ask, key: string, signal: AbortSignal): Promise<Answer> {
  const rights: Right[] = [];
  let about: string | undefined;
  let total = 0;
  for (let page = 1; page <= MOST_PAGES; page++) {
    const question = { holder: { kind: 'PERSONAL', number: key }, page, pageSize: PAGE_SIZE };
    const body = new Members((await ask('/land/v1/rights/search', question, signal)).body, 'the answer');
    const holder = body.needObject('holder').needText('number');
    const count = body.needNumber('total');
    if (!Number.isInteger(count) || count < 0 || count > MOST_RIGHTS)
      throw malformed('total', `is not a whole number up to ${MOST_RIGHTS}`);
    // Pages of two answers must not be put together into one.
    if (page > 1 && (holder !== about || count !== total)) throw malformed('the answer', 'changed between two pages');
    about = holder;
    total = count;
    const items = body.needList('items', PAGE_SIZE);
    if (rights.length + items.length > total) throw malformed('items', 'holds more than the total');
    rights.push(...items.map((item) => ({ summary: summary(item, holder), vouchedAt: item.time('iso', 'vouchedAt') })));
    if (rights.length === total) return held(key, about, rights);
    if (items.length === 0) throw malformed('items', 'is empty before the last page');
  }
  throw malformed('total', `fills more than ${MOST_PAGES} pages`);
}

function held(key: string, about: string, rights: readonly Right[]): Answer {
  if (rights.length === 0) {
    // The gateway compares whom a record is about; where there is none, only the adapter still knows whom the answer named.
    if (about !== key) throw new SourceError('wrong-subject', 'the answer is about another than was asked');
    return { found: false };
  }
  const days = rights.map(({ vouchedAt }) => vouchedAt);
  return {
    found: true,
    about,
    record: { personalId: about, certificates: rights.map((one) => one.summary) },
    // The list is no fresher than its oldest part.
    recordedAt: days.includes(null) ? null : (days.sort()[0] ?? null),
  };
}

function summary(item: Members, about: string): JsonObject {
  const holders = item.needList('holders').map(holder);
  if (!holders.some(({ personalId }) => personalId === about)) throw malformed('items', 'holds a right of other people');
  const parcel = item.object('parcel');
  return record({
    serial: item.needObject('certificate').needText('serial'),
    mapSheet: parcel?.text('sheet'),
    parcelNumber: parcel?.text('number'),
  });
}

async function certificate(ask: Ask, serial: string, signal: AbortSignal): Promise<Answer> {
  const { status, body } = await ask('/land/v1/certificates/lookup', { serial }, signal, [404]);
  const answer = new Members(body, 'the answer');
  if (status === 404) {
    // Any other 404 is a wrong address, and would pass for an empty registry.
    if (answer.text('code') !== 'CERTIFICATE_UNKNOWN') throw new SourceError('error', 'the registry answered with status 404');
    return { found: false };
  }
  const about = answer.needObject('certificate').needText('serial');
  return { found: true, about, record: right(answer, about), recordedAt: answer.time('iso', 'vouchedAt') };
}

function right(answer: Members, serial: string): JsonObject {
  const paper = answer.needObject('certificate');
  const parcel = answer.needObject('parcel');
  const holders = answer.needList('holders').map(holder);
  const floors = answer.list('assets')?.filter((asset) => asset.text('type') === 'DWELLING') ?? [];
  const restrictions = answer.list('encumbrances')?.map((one) => one.needText('text'));
  return record({
    serial,
    registerNumber: paper.text('registerNumber'),
    issuedOn: paper.date('iso', 'issued'),
    issuer: paper.text('issuer'),
    parcel: record({
      number: parcel.needText('number'),
      mapSheet: parcel.needText('sheet'),
      address: address(parcel.object('location')),
      area: area(parcel.number('areaM2')),
      uses: answer
        .list('rights')
        ?.map((use) => record({ code: use.needText('purpose'), area: area(use.number('areaM2')), term: use.text('until') })),
    }),
    holders,
    coHolders: holders.length > 1 ? holders : undefined,
    // A floor of nothing is how a registry writes that there is no dwelling.
    floorArea: sum(floors.map((floor) => area(floor.needNumber('floorM2')))) || undefined,
    restrictions,
  });
}

function area<T extends number | undefined>(metres: T): T {
  if (metres !== undefined && (metres < 0 || metres > LARGEST_AREA)) throw malformed('an area', 'is negative or larger than the country');
  return metres;
}

/** Of decimals with at most six places, without the binary dust. */
const sum = (areas: readonly number[]): number => Number(areas.reduce((total, area) => total + area, 0).toFixed(6));

function holder(item: Members): JsonObject {
  const id = item.object('id');
  const kind = id?.needCoded({ PERSONAL: 'personalId', CMND: 'oldId9' } as const, 'kind');
  return record({
    fullName: item.needText('name'),
    personalId: kind === 'personalId' ? id?.text('number') : undefined,
    oldId9: kind === 'oldId9' ? id?.text('number') : undefined,
  });
}

const address = (location: Members | undefined): JsonObject | undefined => {
  const unit = location?.object('unit');
  return (
    location &&
    record({
      text: location.needText('text'),
      provinceCode: unit?.text('province'),
      communeCode: unit?.text('commune'),
      codeListDate: unit?.date('iso', 'asOf'),
      detail: location.text('detail'),
    })
  );
};
