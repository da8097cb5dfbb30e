import { describe, expect, it } from 'vitest'
import { displayWidth, printable, renderTable, truncate } from '../../src/cli/table.ts'

describe('renderTable', () => {
  it('aligns texts left and numbers right', () => {
    const table = renderTable(
      [
        ['iris', '12 ms'],
        ['digits-cnn', '5 ms'],
      ],
      ['model', 'load'],
    )
    expect(`\n${table}`).toBe(`
┌────────────┬───────┐
│ model      │ load  │
├────────────┼───────┤
│ iris       │ 12 ms │
│ digits-cnn │  5 ms │
└────────────┴───────┘`)
  })

  it('gives a cell as many lines as it has', () => {
    expect(
      `\n${renderTable(
        [
          ['a', 'x\ny'],
          ['b', ''],
        ],
        ['n', 'v'],
      )}`,
    ).toBe(`
┌───┬───┐
│ n │ v │
├───┼───┤
│ a │ x │
│   │ y │
│ b │   │
└───┴───┘`)
  })

  it('cuts the widest column to the width of the terminal', () => {
    const table = renderTable(
      [
        ['iris', 'a rather long text that goes on'],
        ['b', 'short'],
      ],
      ['model', 'text'],
      30,
    )
    expect(`\n${table}`).toBe(`
┌───────┬────────────────────┐
│ model │ text               │
├───────┼────────────────────┤
│ iris  │ a rather long tex… │
│ b     │ short              │
└───────┴────────────────────┘`)
    for (const line of table.split('\n')) expect(displayWidth(line)).toBe(30)
  })

  it('keeps a few letters of every column, however narrow the terminal', () => {
    expect(renderTable([['abcdefghij', 'klmnopqrst']], ['a', 'b'], 5)).toContain('│ abcde… │ klmno… │')
  })

  it('shows a header where there are no rows', () => {
    expect(renderTable([], ['a']).split('\n').length).toBe(4)
  })

  it('counts wide and combined characters as they are seen', () => {
    const lines = renderTable([['花'], ['e\u0301'], ['👍🏽']], ['x']).split('\n')
    expect(lines.map(displayWidth)).toEqual(lines.map(() => 6))
  })
})

describe('truncate', () => {
  it('never cuts a character in two', () => {
    expect(truncate('日本語', 5)).toBe('日本…')
    expect(truncate('日本語', 4)).toBe('日…')
    expect(truncate('abc', 3)).toBe('abc')
  })
})

describe('printable', () => {
  it('shows control characters instead of obeying them', () => {
    expect(printable('a\u001b[31mb\n')).toBe(String.raw`a\u001b[31mb\n`)
  })
})
