/** What may be added to the data plane. */
import type { VersionLabels } from '../repository/version-labels.ts'
import type { Verb } from './call.ts'
import type { Uploads } from './load-override.ts'
import type { RepositoryControl } from './model-control.ts'
import type { LogControl, Peers } from './peers.ts'
import type { ResponseCache } from './response-cache.ts'
import type { LimitTable } from './service-limits.ts'
import type { StatisticsSource } from './statistics.ts'

/** What a server adds to the plain data plane; each part's doors are closed where it is absent. */
export interface Extensions {
  /** Loads and unloads on request. */
  readonly control?: RepositoryControl
  /** Where files go that come with a load. */
  readonly uploads?: Uploads
  readonly statistics?: StatisticsSource
  /** Levels of the log that callers may change. */
  readonly logSettings?: LogControl
  /** Names of versions; none where absent. */
  readonly labels?: VersionLabels
  /** Keeps answers of the models that opt in. */
  readonly responseCache?: ResponseCache
  /** Headers whose whole name fits become request parameters. */
  readonly forwardedHeaders?: RegExp
  /** Time and number of the requests of some models. */
  readonly limits?: LimitTable
  /** Names the model that answers in place of the one that is asked: a transformer, an explainer; undefined where it answers itself. */
  readonly standIn?: (model: string, verb: Verb) => string | undefined
  /** Other processes that answer for this one; none where absent. */
  readonly peers?: Peers
}
