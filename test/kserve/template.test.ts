/** Go's templates, as far as ServingRuntimes use them. */
import { describe, expect, it } from 'vitest'
import { fillTemplate } from '../../src/kserve/template.ts'

const data = {
  name: 'iris',
  namespace: 'team',
  labels: { tier: 'gold', 'a.b/c': 'dotted' },
  annotations: { modelFormat: 'onnx' },
}

describe('a template', () => {
  it.each([
    ['--model_name={{.Name}}', '--model_name=iris'],
    ['{{ .Namespace }}/{{.Name}}', 'team/iris'],
    ['--framework={{.Annotations.modelFormat}}', '--framework=onnx'],
    ['{{.Labels.tier}}', 'gold'],
    ['{{ index .Labels "a.b/c" }}', 'dotted'],
    ['a  {{- .Name -}}  b', 'airisb'],
    ['a {{/* a comment */}}b', 'a b'],
    ['no braces', 'no braces'],
    ['}} alone', '}} alone'],
  ])('%j gives %j', (text, filled) => {
    expect(fillTemplate(text, data)).toEqual({ text: filled })
  })

  it('writes what Go writes for a label that is not there, and says so', () => {
    expect(fillTemplate('x={{.Labels.none}}', data)).toEqual({ text: 'x=<no value>', missing: '.Labels.none' })
    expect(fillTemplate('{{.Labels.constructor}}', data).text).toBe('<no value>')
  })

  it.each(['{{.UID}}', '{{if .Name}}x{{end}}', '{{.Name | quote}}', '{{ index .Labels 1 }}', '{{.name}}'])(
    '%j is an error that says what there is',
    (text) => {
      expect(fillTemplate(text, data).error).toContain('there are .Name, .Namespace')
    },
  )

  it('must be closed', () => {
    expect(fillTemplate('{{.Name', data).error).toBe("'{{' is not closed by '}}'")
  })
})
