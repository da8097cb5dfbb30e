/** The suite of `servable/runtime/contract` for the goldens of this repository. */
import { describe, it } from 'vitest'
import { describeContract as register } from '../../src/runtime/contract.ts'
import type { ModelSpec, Runtime } from '../../src/runtime/index.ts'
import type { GoldenCase } from './golden.ts'

export interface ContractSubject {
  readonly runtime: Runtime
  readonly spec: ModelSpec
  readonly goldens: () => Promise<readonly GoldenCase[]>
  /** Computes elsewhere: it holds no memory here. */
  readonly isRemote?: boolean
}

/** Registers the suite. */
export function describeContract(title: string, { goldens, ...subject }: ContractSubject): void {
  const cases = async (): Promise<readonly GoldenCase[]> =>
    (await goldens()).filter((golden) => golden.error === undefined && golden.crash === undefined)
  register({ describe, it }, title, { ...subject, cases })
}
