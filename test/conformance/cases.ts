/**
 * The rules that hold on every wire, as data: a request, and the answer or the error that it gets wherever it comes in.
 * What one wire alone has (headers, nesting, verbs) is tested with that door.
 */
import type { ErrorCode } from '../../src/core/errors.ts'
import type { Element, NeutralRequest, NeutralTensor } from './neutral.ts'

export const wires = [
  'REST JSON',
  'REST binary',
  'gRPC raw',
  'gRPC typed',
  'V1 rows',
  'V1 columns',
  'gRPC Predict',
] as const
export type Wire = (typeof wires)[number]

export interface ConformanceCase {
  /** The rule, and its number in the protocol's list of cases where it has one. */
  readonly rule: string
  readonly request: NeutralRequest
  readonly outputs?: readonly NeutralTensor[]
  readonly version?: string
  readonly error?: { readonly code: ErrorCode; readonly contains: string }
  /** Wires that cannot say this, each with the reason. */
  readonly not?: Readonly<Partial<Record<Wire, string>>>
}

const v1 = (reason: string) => ({ 'V1 rows': reason, 'V1 columns': reason })
const typed = (reason: string) => ({ 'gRPC typed': reason })
const noPredict = (reason: string) => ({ 'gRPC Predict': reason })
const noId = { ...v1('V1 has no request id'), ...noPredict('Predict has no request id') }
const noOutputs = v1('V1 names no outputs')
const noOrder = { ...noOutputs, ...noPredict('the outputs of Predict are a map') }
const noParameters = { ...v1('V1 has no parameters'), ...noPredict('Predict has no parameters') }
const noShape = v1('V1 nests its data: shape and data cannot differ')
const noDatatype = v1('V1 names no datatype')
const noElements = v1('nested data without elements has no further dimensions')
const noBits = {
  'REST JSON': 'JSON carries no 16-bit floats: the protocol refuses them',
  ...typed('typed contents have no field for 16-bit floats'),
  ...v1('JSON carries no 16-bit floats'),
}

export const counting = Array.from({ length: 16 }, (_, index) => index + 1)
const int32 = (name: string, data: readonly Element[], shape: readonly number[] = [1, 16]): NeutralTensor => ({
  name,
  datatype: 'INT32',
  shape,
  data,
})
const sum = int32(
  'OUTPUT0',
  counting.map((value) => 2 * value),
)
const difference = int32(
  'OUTPUT1',
  counting.map(() => 0),
)
const both = [int32('INPUT0', counting), int32('INPUT1', counting)]
const simple = (rest: Partial<NeutralRequest> = {}): NeutralRequest => ({ model: 'simple', inputs: both, ...rest })

const one = (datatype: NeutralTensor['datatype'], data: readonly Element[], shape = [1, data.length]) => ({
  request: {
    model: `identity_${datatype.toLowerCase()}`,
    inputs: [{ name: 'IN', datatype, shape, data }],
  },
  outputs: [{ name: 'OUT', datatype, shape, data }],
})

const answers: readonly ConformanceCase[] = [
  {
    rule: 'B1 all outputs are answered where none is named',
    request: simple(),
    outputs: [sum, difference],
  },
  {
    rule: 'B2 an id comes back',
    request: simple({ id: 'a-1 ä' }),
    outputs: [sum, difference],
    not: noId,
  },
  {
    rule: 'B6 only the outputs that were named are answered',
    request: simple({ outputs: [{ name: 'OUTPUT1' }] }),
    outputs: [difference],
    not: noOutputs,
  },
  {
    rule: 'B6 outputs are answered in the order in which they were named',
    request: simple({ outputs: [{ name: 'OUTPUT1' }, { name: 'OUTPUT0' }] }),
    outputs: [difference, sum],
    not: noOrder,
  },
  {
    rule: 'inputs may come in any order',
    request: simple({ inputs: [int32('INPUT1', counting), int32('INPUT0', sum.data)] }),
    outputs: [
      int32(
        'OUTPUT0',
        counting.map((value) => 3 * value),
      ),
      int32('OUTPUT1', counting),
    ],
  },
  { rule: 'B39 a version may be named', request: simple({ version: '1' }), outputs: [sum, difference] },
  {
    rule: 'several rows are answered row by row',
    request: simple({
      inputs: [
        int32('INPUT0', [...counting, ...sum.data], [2, 16]),
        int32('INPUT1', [...counting, ...counting], [2, 16]),
      ],
    }),
    outputs: [
      int32('OUTPUT0', [...sum.data, ...counting.map((value) => 3 * value)], [2, 16]),
      int32('OUTPUT1', [...difference.data, ...counting], [2, 16]),
    ],
  },
  {
    rule: 'the newest version answers where none is named',
    request: { model: 'versioned', inputs: [{ name: 'x', datatype: 'FP32', shape: [2], data: [1, 2] }] },
    outputs: [{ name: 'y', datatype: 'FP32', shape: [2], data: [2.5, 3] }],
    version: '123',
  },
  {
    rule: 'an input that the model does not need may be left out',
    request: { model: 'optional', inputs: [{ name: 'a', datatype: 'FP32', shape: [2], data: [1, 2] }] },
    outputs: [{ name: 'sum', datatype: 'FP32', shape: [2], data: [11, 12] }],
  },
  {
    rule: 'parameters reach the model with their types',
    request: {
      model: 'parameters',
      inputs: [{ name: 'x', datatype: 'FP32', shape: [1], data: [0] }],
      parameters: { text: 'a', flag: true, whole: 7, fraction: 0.5 },
    },
    outputs: [
      {
        name: 'seen',
        datatype: 'BYTES',
        shape: [1],
        data: ['{"flag":true,"fraction":0.5,"text":"a","whole":7}'],
      },
    ],
    not: noParameters,
  },
  {
    rule: 'D14 an output may be asked for as its highest classes',
    request: {
      model: 'identity_fp32',
      inputs: [{ name: 'IN', datatype: 'FP32', shape: [1, 3], data: [0.25, 0.5, 0.125] }],
      outputs: [{ name: 'OUT', classification: 2 }],
    },
    outputs: [{ name: 'OUT', datatype: 'BYTES', shape: [1, 2], data: ['0.500000:1', '0.250000:0'] }],
    not: { ...noOutputs, ...noPredict('Predict asks for outputs by name alone') },
  },
]

const elements: readonly ConformanceCase[] = [
  { rule: 'BOOL keeps its elements', ...one('BOOL', [true, false, true]) },
  { rule: 'UINT8 keeps its range', ...one('UINT8', [0, 255]) },
  { rule: 'UINT16 keeps its range', ...one('UINT16', [0, 65535]) },
  { rule: 'UINT32 keeps its range', ...one('UINT32', [0, 4294967295]) },
  { rule: 'UINT64 keeps its range', ...one('UINT64', [0n, 9007199254740993n, 18446744073709551615n]) },
  { rule: 'INT8 keeps its range', ...one('INT8', [-128, 127]) },
  { rule: 'INT16 keeps its range', ...one('INT16', [-32768, 32767]) },
  { rule: 'INT32 keeps its range', ...one('INT32', [-2147483648, 2147483647]) },
  {
    rule: 'B25 INT64 keeps integers beyond 2^53',
    ...one('INT64', [-9223372036854775808n, 9007199254740993n, 9223372036854775807n]),
  },
  { rule: 'C17 FP16 keeps its bits, those of NaN too', ...one('FP16', [0x3c00, 0x8000, 0x7e01, 0xfbff]), not: noBits },
  { rule: 'C18 BF16 keeps its bits', ...one('BF16', [0x3f80, 0x8000, 0x7fc1]), not: noBits },
  {
    rule: 'FP32 keeps every digit',
    ...one('FP32', [0.1, 1.5, -0, 1e-45, 3.4028234663852886e38].map(Math.fround)),
  },
  { rule: 'FP64 keeps every digit', ...one('FP64', [0.1, -0, 5e-324, 1.7976931348623157e308]) },
  { rule: 'B24 FP32 may be NaN and infinite', ...one('FP32', [NaN, Infinity, -Infinity]) },
  { rule: 'FP64 may be NaN and infinite', ...one('FP64', [NaN, Infinity, -Infinity]) },
  { rule: 'B28 BYTES keep text and NUL', ...one('BYTES', ['a', 'é\u0000', '']) },
  {
    rule: 'BYTES need not be text',
    ...one('BYTES', [{ hex: '89504e4700ff' }]),
    not: { 'REST JSON': 'JSON strings are text', ...v1('checked with that door: V1 wraps bytes as b64') },
  },
  { rule: 'B30 a tensor may have no elements', ...one('FP32', [], [0, 16]), not: noElements },
  { rule: 'BYTES may have no elements', ...one('BYTES', [], [0, 1]), not: noElements },
]

const wrong = (rule: string, request: NeutralRequest, contains: string, not: ConformanceCase['not'] = {}) => ({
  rule,
  request,
  error: { code: 'invalid_argument', contains } as const,
  not,
})

const errors: readonly ConformanceCase[] = [
  {
    rule: 'an unknown model is not found',
    request: simple({ model: 'nope' }),
    error: { code: 'not_found', contains: 'nope' },
  },
  {
    rule: 'D11 an unknown version is not found',
    request: simple({ version: '99' }),
    error: { code: 'not_found', contains: '99' },
  },
  {
    rule: 'a model whose load failed is not available',
    request: { model: 'unloadable', inputs: [{ name: 'x', datatype: 'FP32', shape: [1], data: [1] }] },
    error: { code: 'unavailable', contains: 'unloadable' },
    not: noPredict('Predict answers FAILED_PRECONDITION, as TF Serving does'),
  },
  {
    rule: 'a fault of the model tells nothing about it',
    request: { model: 'faulty', inputs: [{ name: 'x', datatype: 'FP32', shape: [1], data: [1] }] },
    error: { code: 'internal', contains: 'internal error' },
  },
  {
    rule: 'a refusal of the model keeps its code and its text',
    request: { model: 'refusing', inputs: [{ name: 'x', datatype: 'FP32', shape: [1], data: [1] }] },
    error: { code: 'resource_exhausted', contains: 'no more today' },
  },
  wrong('B9 every input is needed', simple({ inputs: both.slice(0, 1) }), 'INPUT1'),
  wrong('B10 no other input is taken', simple({ inputs: [...both, int32('ZZZ', counting)] }), 'ZZZ'),
  wrong('an input is given once', simple({ inputs: [...both, int32('INPUT0', counting)] }), "'INPUT0'", {
    ...v1('the keys of a JSON object are given once'),
    ...noPredict('the inputs of Predict are a map'),
  }),
  wrong(
    'B7 an output is named once',
    simple({ outputs: [{ name: 'OUTPUT1' }, { name: 'OUTPUT1' }] }),
    'OUTPUT1',
    noOutputs,
  ),
  wrong('an output that the model has not is refused', simple({ outputs: [{ name: 'ZZZ' }] }), 'ZZZ', noOutputs),
  wrong(
    'B12 a shape must be one that the model takes',
    simple({ inputs: [int32('INPUT0', [...counting, 17], [1, 17]), int32('INPUT1', counting)] }),
    "unexpected shape for input 'INPUT0' for model 'simple'. Expected [-1,16], got [1,17].",
  ),
  wrong(
    'a shape must have as many dimensions as the model takes',
    simple({ inputs: [int32('INPUT0', counting, [16]), int32('INPUT1', counting, [16])] }),
    'Expected [-1,16], got [16]',
  ),
  wrong(
    'B13 there are as many elements as the shape says',
    simple({ inputs: [int32('INPUT0', counting.slice(1)), int32('INPUT1', counting)] }),
    "'INPUT0'",
    noShape,
  ),
  wrong(
    'B15 a dimension is not negative',
    simple({ inputs: [int32('INPUT0', counting, [1, -16]), int32('INPUT1', counting)] }),
    "'INPUT0'",
    noShape,
  ),
  wrong(
    'B16 a shape beyond all memory is refused before anything is allocated',
    simple({ inputs: [int32('INPUT0', counting, [4611686018427387904, 16]), int32('INPUT1', counting)] }),
    "'INPUT0'",
    noShape,
  ),
  wrong(
    'the datatype is that of the model',
    simple({ inputs: [{ ...int32('INPUT0', counting), datatype: 'FP32' }, int32('INPUT1', counting)] }),
    "'INPUT0'",
    noDatatype,
  ),
]

export const cases: readonly ConformanceCase[] = [...answers, ...elements, ...errors]
