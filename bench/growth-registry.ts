/** A process with one server that is every registry of a generated configuration: records of as many members as the path says. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { serve } from './child.ts';
import { sourceNames } from './growth-config.ts';

const records = new Map<string, string>();

/** The members of a record, as text: the same for everybody, and no shorter than a value of a form is. */
function recordOf(members: string): string {
  let record = records.get(members);
  if (record === undefined) {
    record = JSON.stringify(
      Object.fromEntries(Array.from({ length: Number(members) }, (_, i) => [`m${i}`, `Giá trị thứ ${i} của biểu mẫu`])),
    );
    records.set(members, record);
  }
  return record;
}

const server = createServer(async (request, response) => {
  let question = '';
  for await (const chunk of request) question += chunk;
  const { person } = JSON.parse(question) as { person: string };
  const members = (request.url ?? '').split('/').at(-1) ?? '';
  response.setHeader('content-type', 'application/json');
  response.end(`{"person":${JSON.stringify(person)},"asOf":"2026-01-01","record":${recordOf(members)}}`);
});
server.listen(0, '127.0.0.1', () => {
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  serve({
    addresses: Object.fromEntries(sourceNames.map((name) => [name, address])),
    credentials: Object.fromEntries(sourceNames.map((name) => [name, 'none'])),
  });
});
