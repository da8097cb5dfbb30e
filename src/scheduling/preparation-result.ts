/** What preparing a model at load found out: whether requests may share a run, and what runs took. */

/** One run at load. */
export interface RunSample {
  /** Length of the first dimension of every input. */
  readonly rows: number
  /** Time in the model, in milliseconds. */
  readonly ms: number
}

/** The result of a model's preparation, which its scheduler starts from. */
export interface Preparation {
  /** It was proved that the rows of a batch do not see each other. */
  readonly isBatchable: boolean
  /** Why it is batchable, or why not: for the log and the statistics. */
  readonly reason: string
  /** Runs at load, which seed the model of run times; the first run of a size is best left out. */
  readonly samples: readonly RunSample[]
}
