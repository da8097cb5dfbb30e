/** What stands in the model.yaml of a proxied model: each mistake is named. */
import { describe, expect, it } from 'vitest'
import proxy from '../../runtimes/proxy/index.ts'
import { headerFilter } from '../../runtimes/proxy/headers.ts'
import { waitingRequests } from '../../runtimes/proxy/load-report.ts'
import { readAddresses } from '../../runtimes/proxy/open-wires.ts'
import { parseOptions } from '../../runtimes/proxy/options.ts'
import { silentLog } from '../../src/core/log.ts'
import { never, specOf } from './model-spec.ts'

const addressesOf = (options: object) => readAddresses(parseOptions({ options: { ...options } }))

describe('an option that is wrong', () => {
  it.each([
    [
      { upstreams: ['grpc://a:1'], profil: 'triton' },
      /unknown option 'profil' of runtime 'proxy': there are profile, /,
    ],
    [{ upstreams: ['grpc://a:1'], profile: 'tritom' }, /option 'profile' .*"triton"/],
    [{ upstreams: ['ftp://a:1'] }, /'ftp:\/\/a:1' must be grpc:\/\/host:port/],
    [{ upstreams: ['a:1'] }, /'a:1' must be grpc:/],
    [{ upstreams: ['http://u:p@a:1'] }, /credentials belong into auth/],
    [{ upstreams: ['grpc://a:1/path'] }, /must end after the port/],
    [{ upstreams: ['http://a:1?x=1'] }, /must end after the path/],
    [{ upstreams: ['grpc://a:1', 'http://a:1'] }, /all must speak the same/],
    [{ upstreams: ['http://a:1'], protocol: 'grpc-v2' }, /protocol grpc-v2 needs an address with grpc/],
    [{ upstreams: ['http://a:1'], timeout_ms: 0 }, /option 'timeout_ms' .*>=1/],
    [{ upstreams: ['http://a:1'], auth: { bearer: { env: 'NOT_SET_ANYWHERE' } } }, /NOT_SET_ANYWHERE is not set/],
    [{ upstreams: ['http://a:1'], auth: { token: 'x' } }, /option 'auth' .*\{ bearer \}/],
    [{ upstreams: ['https://a:1'], tls: { ca: 'no-such.pem' } }, /option 'tls.ca' .*no such file/],
    [{ upstreams: ['http://a:1'], headers: { 'a b': 'x' } }, /headers/],
    [{ upstreams: ['http://a:1'], inputs: [{ name: 'x', datatype: 'FLOAT', shape: [1] }] }, /inputs\.0\.datatype/],
  ])('%j', async (options, complaint) => {
    const spec = specOf('/nowhere/m/model.yaml', { format: 'proxy', options: { ...options } })
    await expect(proxy.load(spec, silentLog, never)).rejects.toMatchObject({
      name: 'InferenceError',
      message: expect.stringMatching(complaint) as string,
    })
  })
})

describe('an address', () => {
  it.each([
    [{ upstreams: ['grpc://a'], profile: 'triton' }, 'grpc://a:8001', 'grpc-v2'],
    [{ upstreams: ['http://a/'], profile: 'triton' }, 'http://a:8000', 'v2'],
    [{ upstreams: ['http://a:80/base/'], profile: 'mlserver' }, 'http://a:80/base', 'v2'],
    [{ upstreams: ['https://a'] }, 'https://a:443', 'v2'],
    [{ upstreams: ['grpcs://[::1]:9'], profile: 'tfserving' }, 'grpcs://[::1]:9', 'grpc-v1'],
    [{ upstreams: ['http://a'], profile: 'tfserving' }, 'http://a:8501', 'v1'],
    [{ upstreams: ['http://a:1'], protocol: 'v1' }, 'http://a:1', 'v1'],
  ])('%j', (options, url, protocol) => {
    expect(addressesOf(options)).toEqual([{ url, protocol }])
  })
})

describe('headers of a caller', () => {
  const given = {
    host: 'x',
    connection: 'close',
    'content-type': 'a',
    authorization: 'secret',
    cookie: 'secret',
    'x-request-id': '1',
    'x-tenant-a': '2',
    'x-tenantless': '3',
  }

  it.each([
    [['x-request-id'], ['x-request-id']],
    [['X-Tenant-*'], ['x-tenant-a']],
    [['*'], ['x-request-id', 'x-tenant-a', 'x-tenantless']],
    [['authorization', 'host', 'connection'], ['authorization']],
    [['auth*', 'coo*'], []],
    [['x-tenant.*'], []],
  ])('pass by %j', (patterns, names) => {
    expect(Object.keys(headerFilter(patterns)(given))).toEqual(names)
  })
})

it.each([
  ['TEXT kv_cache_usage_perc=0.5, num_requests_waiting=3', 3],
  ['JSON {"named_metrics": {"num_requests_waiting": 2.0}}', 2],
  ['TEXT cpu_utilization=0.3', undefined],
  [undefined, undefined],
])('reads the load of %s', (report, waiting) => {
  expect(waitingRequests(report)).toBe(waiting)
})
