/** What a lawyer says of every paper for people in the situations of the sandbox, written down from the law and the case before any code judged it. */
import t from 'tap';
import type { Prefill, Verdict } from '../src/domain.ts';
import { startGateway } from './support/gateway.ts';
import { schemaCheck } from './support/schemas.ts';

const check = schemaCheck();

const [AN, BINH, CUC, HUONG] = ['003099000017', '003060000021', '003163000023', '003301000034'];
const [DUC, LAN, HUY] = ['003085000041', '003187000042', '003219000043'];
const [HANH, TUAN, NGOC, TAM] = ['003182000051', '003080000052', '003188000053', '003155000061'];
const [THU, NGAN, MAI, KHAI] = ['003195000071', '003318000072', '003197000081', '003094000082'];
const [PHUC, LOAN, HAI, SAU, LOC] = ['003078000091', '003181000092', '003058000101', '003145000111', '003090000121'];
const [BINH_OR_BINH, HOA, KHOA, TUNG] = ['003088000131', '003192000141', '003065000171', '003093000181'];
const QUAN = '003086000161';
const [NOBODY, NHUNG, HBIA, HRUT] = ['003091000199', '003172000201', '003196000211', '003168000214'];

interface Procedure {
  readonly code: string;
  readonly agency?: string;
  /** Papers of which the cases differ; every other one is asked for whatever the registers hold. */
  readonly papers: readonly string[];
  /** The case in words, the subject, whom else the dossier names, and a letter a paper: R replaced, P partly, A asked for. */
  readonly cases: readonly (readonly [string, string, Record<string, string>, string])[];
}

const PROCEDURES: readonly Procedure[] = [
  {
    // Law 68/2020, article 20; NĐ 154/2024, articles 5 and 6; rows 735, 737 and 738.
    code: '1.004222',
    papers: ['dwelling-ownership', 'kinship', 'floor-area'],
    cases: [
      ['he owns the one house, his father heads the household', AN, { householder: BINH }, 'RRA'],
      ['he owns the one house and joins nobody', AN, {}, 'RAA'],
      ['he owns nothing and joins his wife', BINH, { householder: CUC }, 'ARA'],
      ['a stranger heads the household', AN, { householder: DUC }, 'RAA'],
      ['she rents from one who owns a house of known floor area', HUONG, { landlord: DUC }, 'AAR'],
      ['she rents from one who owns nothing', HUONG, { landlord: BINH }, 'AAA'],
      ['he owns the house together with his wife, who heads the household', DUC, { householder: LAN }, 'RRA'],
      ['a child joins his father', HUY, { householder: DUC }, 'ARA'],
      ['a child joins her mother, alone in the book', NGAN, { householder: THU }, 'ARA'],
      ['a child joins one who is not her parent', NGAN, { householder: BINH }, 'AAA'],
      ['a former husband is no relative', HANH, { householder: TUAN }, 'AAA'],
      ['the second wife is', TUAN, { householder: NGOC }, 'ARA'],
      ['a widow, alone', TAM, {}, 'AAA'],
      ['the land is known and no house on it; the sister’s kinship is in no record', PHUC, { householder: LOAN }, 'PAA'],
      ['the certificate names a household and an old number', HAI, {}, 'AAA'],
      ['of five certificates nobody chooses', KHOA, {}, 'AAA'],
      ['the one with the house is named', KHOA, { dwelling: 'ZZ 00000171' }, 'RAA'],
      ['the one that is named is farm land', KHOA, { dwelling: 'ZZ 00000172' }, 'PAA'],
      ['the certificate that is named is another’s', SAU, { dwelling: 'ZZ 00000017' }, 'AAA'],
      ['an address of before the communes were merged proves neither', LOC, {}, 'AAA'],
      ['a daughter joins her mother; both names have what other names have not', HBIA, { householder: HRUT }, 'ARA'],
      ['nobody knows him', NOBODY, { householder: BINH }, 'AAA'],
    ],
  },
  {
    // NĐ 123/2015, article 10; NĐ 87/2020, article 24(7); NĐ 104/2022, article 14(2); row 476; article 4(2)(d) and 4(10) of the resolution.
    code: '1.000894',
    papers: ['identity-document', 'marital-status-certificate', 'residence-proof', 'wife-earlier-marriage', 'husband-earlier-marriage'],
    cases: [
      ['neither was married', HUONG, { husband: AN }, 'RRRAA'],
      ['she is divorced, as the book says', HANH, { husband: AN }, 'RRRRA'],
      ['she is a widow, and her husband’s death is in the book', TAM, { husband: AN }, 'RRRRA'],
      ['she is divorced, and not all books are digitised', NHUNG, { husband: AN }, 'RRRRA'],
      ['he is divorced and married again: the data say so, and the certificate could say no more', HUONG, { husband: TUAN }, 'RRRAR'],
      ['two spellings that differ in the place of the tone alone', HOA, { husband: AN }, 'RRRAA'],
      ['his name differs between two registers; his card could only repeat the one', HUONG, { husband: BINH_OR_BINH }, 'RRRAA'],
      ['his birth was never digitised: no paper of this dossier needs it', HUONG, { husband: TUNG }, 'RRRAA'],
      [
        'his number was cancelled, and what stands under the new one is his (NĐ 70/2024, articles 11 and 12)',
        HUONG,
        { husband: QUAN },
        'RRRAA',
      ],
      ['nobody knows him: half of each paper is there', HUONG, { husband: NOBODY }, 'PPPAA'],
      ['nobody knows either', NOBODY, { husband: '003091000207' }, 'AAAAA'],
    ],
  },
  {
    // NĐ 123/2015, articles 21 to 23; row 472; NĐ 104/2022, article 14(2).
    code: '1.004873',
    papers: ['identity-document', 'residence-proof', 'earlier-marriage'],
    cases: [
      ['he was never married', AN, { requester: AN }, 'RRA'],
      ['somebody asks for him', AN, { requester: BINH }, 'RRA'],
      ['who asks is not said', AN, {}, 'ARA'],
      ['she is divorced', HANH, { requester: HANH }, 'RRR'],
      ['he is divorced, and married again', TUAN, { requester: TUAN }, 'RRR'],
      ['she is a widow', TAM, { requester: TAM }, 'RRR'],
      ['he is married', BINH, { requester: BINH }, 'RRA'],
      ['his birth was never digitised', TUNG, { requester: TUNG }, 'RRA'],
      ['nobody knows him', NOBODY, { requester: NOBODY }, 'AAA'],
    ],
  },
  {
    // Law 60/2014, articles 13 to 16; row 457; TT 22/2025/TT-BYT; article 4(2)(b) of the resolution.
    code: '1.001193',
    papers: ['birth-notice', 'identity-document', 'residence-proof', 'parents-marriage'],
    cases: [
      ['the mother asks; the notice is hers, whether it is this child’s an officer sees', MAI, { mother: MAI, father: KHAI }, 'PRRR'],
      ['the father asks', KHAI, { mother: MAI, father: KHAI }, 'PRRR'],
      ['the father is not named', MAI, { mother: MAI }, 'PRRA'],
      ['a mother without a notice, and no father', CUC, { mother: CUC }, 'ARRA'],
      ['a married couple without a notice', DUC, { mother: LAN, father: DUC }, 'ARRR'],
      ['a couple that is divorced', HANH, { mother: HANH, father: TUAN }, 'ARRA'],
      ['a couple that never married', AN, { mother: HANH, father: AN }, 'ARRA'],
      ['a married man who is not her husband', MAI, { mother: MAI, father: DUC }, 'PRRA'],
      ['nobody knows who asks', NOBODY, { mother: MAI, father: KHAI }, 'PAAR'],
    ],
  },
  {
    // NĐ 151/2025, annex I; row 385. The original of the certificate is handed in whatever the register holds.
    code: '1.012768',
    agency: 'X02.1',
    papers: ['identity-card'],
    cases: [
      ['he owns one parcel', AN, {}, 'R'],
      ['he owns one with his sister, under a mortgage', PHUC, {}, 'R'],
      ['his certificate names an old number: his card is another matter', HAI, {}, 'R'],
      ['he owns five', KHOA, {}, 'R'],
      ['only the year of her birth is known', SAU, {}, 'R'],
      ['his number was cancelled and replaced', QUAN, {}, 'R'],
      ['nobody knows him', NOBODY, {}, 'A'],
    ],
  },
];

const LETTERS: Readonly<Record<string, Verdict>> = { R: 'replaced', P: 'partly', A: 'ask' };

t.test('every paper gets the verdict that a lawyer wrote down', async (t) => {
  const gateway = await startGateway();
  t.teardown(() => gateway.close());
  for (const { code, agency = 'X01.1', papers, cases } of PROCEDURES) {
    for (const [name, subject, related, letters] of cases) {
      const reply = await fetch(`${gateway.address}/v1/prefills`, {
        method: 'POST',
        headers: { authorization: `Bearer ${await gateway.token(agency)}`, 'content-type': 'application/json' },
        body: JSON.stringify({ procedure: code, dossier: `${agency}-261122-0001`, officer: `${agency}-0042`, subject, related }),
      });
      const body = (await reply.json()) as { prefill: Prefill };
      t.equal(reply.status, 200, `${code}: ${name}`);
      check('PrefillReply', body);
      const expected = new Map(papers.map((id, i) => [id, LETTERS[letters[i] ?? ''] ?? 'no letter']));
      const verdicts = body.prefill.components.map(({ id, verdict }) => [id, verdict] as const);
      t.strictSame(
        Object.fromEntries(verdicts),
        Object.fromEntries(verdicts.map(([id]) => [id, expected.get(id) ?? 'ask'])),
        `${code}: ${name}`,
      );
      t.ok(
        body.prefill.components.every(({ verdict, reason, legalBasis, by }) => (verdict === 'replaced' ? legalBasis && by : reason)),
        'each with its law or its reason',
      );
    }
  }
});
