import { describe, expect, it } from 'vitest'
import { Account } from '../../bench/generator/account.ts'

describe('Account', () => {
  it('has every request once: good, late, refused or unanswered', () => {
    const account = new Account({ good: '200', sloMs: 50 })
    for (const due of [0, 10, 20, 30]) account.due(due)
    account.ended(0, 50, '200', true)
    account.ended(10, 61, '200', true)
    account.ended(20, 21, '503', true)
    const { requests, outcomes, ok, good } = account.close(1)
    expect({ requests, outcomes, ok, good }).toEqual({
      requests: 4,
      outcomes: { 200: 2, 503: 1, unanswered: 1 },
      ok: 2,
      good: 1,
    })
  })

  it('counts in the rate only what was answered while requests were due', () => {
    const account = new Account({ good: '200' })
    for (const due of [0, 1, 2]) account.due(due)
    account.ended(0, 5, '200', true)
    account.ended(1, 5, '200', true)
    account.ended(2, 3000, '200', false)
    const { ok, perSecond, drainMs } = account.close(2)
    expect({ ok, perSecond, drainMs }).toEqual({ ok: 3, perSecond: 1, drainMs: 2998 })
  })

  it('says that a run is invalid where the generator was late', () => {
    const account = new Account({ good: '200', sloMs: 50 })
    for (let due = 0; due < 100; due += 1) {
      account.due(due)
      account.sent(due, due + (due < 90 ? 0.1 : 20))
      account.ended(due, due + 30, '200', true)
    }
    expect(account.close(1).invalid).toMatch(/^the generator was late: by 20/)
  })
})
