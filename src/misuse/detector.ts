/** The detector, put together: what follows the log, what looks at requests as they come, and what becomes of what they find. */
import type { FollowerModule } from '../audit/follower.ts';
import type { Catalogue } from '../catalogue/load.ts';
import { watchSettings } from '../catalogue/misuse.ts';
import type { Clock } from '../domain.ts';
import { Alarms, type AlarmTools } from './alarms.ts';
import type { Finding } from './finding.ts';
import { Sequence } from './sequence.ts';

export interface Detector {
  /** For the desk of the log. */
  readonly follower: FollowerModule;
  /** For requests as they come. */
  readonly sequence: Sequence;
  /** See `Alarms.begin`. */
  begin(tools: AlarmTools): () => Promise<void>;
}

export function detectorOf({ gateway: { misuse }, agencies, procedures }: Catalogue, clock: Clock): Detector {
  const alarms = new Alarms();
  return {
    follower: {
      module: new URL('./watch.ts', import.meta.url),
      settings: watchSettings(misuse, agencies, procedures),
      onSaid: (said) => alarms.raise(said as Finding),
    },
    sequence: new Sequence(misuse, clock, (finding) => alarms.raise(finding)),
    begin: (tools) => alarms.begin(tools),
  };
}
