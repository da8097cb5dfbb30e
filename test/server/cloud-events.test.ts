import { describe, expect, it } from 'vitest'
import { cloudEventOptions } from '../../src/server/cloud-events.ts'

describe('cloudEventOptions', () => {
  it("reads KServe's variables", () => {
    const environment = { CE_TYPE: 'my.type', CE_SOURCE: 'my/source', CE_MERGE: 'True' }
    expect(cloudEventOptions(environment)).toEqual({ type: 'my.type', source: 'my/source', isMerging: true })
  })

  it('leaves the defaults where they are not set', () => {
    expect(cloudEventOptions({ CE_TYPE: '', CE_MERGE: 'no' })).toEqual({ isMerging: false })
  })
})
