/** Every complaint about a model.yaml names file, line and key. */
import { describe, expect, it } from 'vitest'
import { parseModelYaml, readModelYaml } from '../../src/repository/model-yaml.ts'
import { directoryWith } from './directories.ts'

function complaint(text: string): string {
  try {
    parseModelYaml(text, 'm/model.yaml')
  } catch (reason) {
    expect(reason).toMatchObject({ code: 'invalid_argument' })
    return reason instanceof Error ? reason.message : ''
  }
  return 'none'
}

describe('parseModelYaml', () => {
  it('takes every key', () => {
    const yaml = parseModelYaml(
      [
        'name: digits',
        'runtime: onnx',
        'file: net.onnx',
        'format: onnx',
        'placement: pool',
        'device: cuda:3',
        'instances: 64',
        'limits: {max_batch_size: 32, max_queue_size: 0}',
        'options: {anything: {goes: [1, two]}}',
        'labels: labels.txt',
        'hooks:',
        '  - ./hooks.js',
        '  - image: {width: 8, height: 8, channels: 1, mean: [0.5], background: [255, 255, 255]}',
        '  - labels: {top_k: 3}',
      ].join('\n'),
      'm/model.yaml',
    )
    expect(yaml).toMatchObject({ name: 'digits', device: 'cuda:3', instances: 64, limits: { max_queue_size: 0 } })
    expect(yaml.hooks).toMatchObject([
      './hooks.js',
      { image: { width: 8, std: 1, fit: 'fill' } },
      { labels: { top_k: 3 } },
    ])
  })
  it('takes an empty file, and one path for the hooks', () => {
    expect(parseModelYaml('', 'm/model.yaml')).toEqual({})
    expect(parseModelYaml('# nothing', 'm/model.yaml')).toEqual({})
    expect(parseModelYaml('hooks: ./hooks.js', 'm/model.yaml')).toEqual({ hooks: ['./hooks.js'] })
  })

  it.each([
    ['name: a\n\ninstance: 2', "m/model.yaml:3: unknown key 'instance'; did you mean 'instances'?"],
    [
      'name: a\nlimits:\n  max_batch: 2\n  max_batch_sise: 1',
      "m/model.yaml:4: unknown key 'limits.max_batch_sise'; did you mean 'max_batch_size'?",
    ],
    ['limits: {zzz: 1}', "unknown key 'limits.zzz'; known are max_batch_size, max_queue_size"],
    [
      '\nplacement: gpu',
      'm/model.yaml:2: \'placement\': Invalid option: expected one of "auto"|"inline"|"pool"|"thread"|"process"',
    ],
    ['device: cuda:x', "m/model.yaml:1: 'device': expected auto, cpu, cuda or cuda:N"],
    ['device: cuda:-1', "m/model.yaml:1: 'device': expected auto, cpu, cuda or cuda:N"],
    ['instances: 65', "m/model.yaml:1: 'instances': "],
    ['instances: two', "m/model.yaml:1: 'instances': expected number, received string"],
    ['name: 3', "m/model.yaml:1: 'name': expected string, received number"],
    ['hooks:\n  - image:\n      widht: 3', "m/model.yaml:3: unknown key 'hooks.0.image.widht'; did you mean 'width'?"],
    [
      'hooks:\n  - ./a.js\n  - image:\n      width: 3\n      channels: 2',
      "m/model.yaml:5: 'hooks.1.image.channels': expected 1, 3 or 4",
    ],
    ['hooks:\n  - imgae: {}', "m/model.yaml:2: unknown key 'hooks.0.imgae'; did you mean 'image'?"],
    ['hooks: 5', "m/model.yaml:1: 'hooks': "],
    ['- a\n- b', 'm/model.yaml:1: the file: expected object, received array'],
    ['name: [a', 'm/model.yaml:1: '],
    ['name: a\nname: b', 'm/model.yaml:2: Map keys must be unique'],
    ['name: *x', 'm/model.yaml'],
  ])('%j', (text, expected) => {
    expect(complaint(text)).toContain(expected)
  })

  it('tells everything that is wrong at once', () => {
    expect(complaint('nam: a\ninstances: 0')).toMatch(
      /model\.yaml:1: unknown key 'nam'.*; .*:2: 'instances'|:2: 'instances'.*; .*:1: unknown key 'nam'/,
    )
  })
  it.each([
    [
      'a wide map',
      Array.from({ length: 20_000 }, (_, index) => `k${index}: ${index}`).join('\n'),
      /:1: has 20000 keys/,
    ],
    ['a key twice', 'name: a\nformat: onnx\nname: b', /:3: Map keys must be unique$/],
    ['lists in lists', `options: ${'['.repeat(50_000)}`, /:1: is nested too deeply$/],
    ['lists that end', `options: ${'['.repeat(20_000)}${']'.repeat(20_000)}`, /:1: is nested too deeply$/],
    ['what is no YAML', '[\n'.repeat(50), /^(?!(.*;){21})/],
  ])('refuses %s with its line', (_, text, message) => {
    expect(complaint(text)).toMatch(message)
  })

  it('does not expand a bomb of aliases', () => {
    const bomb = ['options:', '  a: &a [x,x,x,x,x,x,x,x,x]']
    for (const [name, inner] of ['ba', 'cb', 'dc', 'ed', 'fe', 'gf', 'hg']) {
      bomb.push(
        `  ${name}: &${name} [*${inner},*${inner},*${inner},*${inner},*${inner},*${inner},*${inner},*${inner},*${inner}]`,
      )
    }
    expect(complaint(bomb.join('\n'))).toContain('Excessive alias count')
  })
  it('is not deceived by keys of object prototypes', () => {
    expect(complaint('__proto__: {a: 1}\nconstructor: 1')).toContain("unknown key 'constructor'")
  })
  it('does not read a file that is too long for one', async () => {
    const directory = await directoryWith({ 'model.yaml': `# ${'x'.repeat(1_000_001)}` })
    await expect(readModelYaml(`${directory}/model.yaml`)).rejects.toThrow(
      /is 1000003 bytes long; a model\.yaml may have 1000000/,
    )
  })
})
