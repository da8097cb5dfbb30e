/** Server reflection, v1 and v1alpha: generic clients such as grpcurl learn the services from the server itself. */
import { status, type handleBidiStreamingCall, type UntypedServiceImplementation } from '@grpc/grpc-js'
import { ProtoReader, wire } from '../codec/protobuf-reader.ts'
import { ProtoWriter } from '../codec/protobuf-writer.ts'
import { GrpcContext } from './context.ts'
import { loadDescriptors, type Descriptors } from './descriptors.ts'
import type { Door } from './door.ts'
import { defineService, errorOf } from './service.ts'
import { statusOf } from './status.ts'

/** Both versions: their messages are the same. */
export const reflectionServiceNames = [
  'grpc.reflection.v1.ServerReflection',
  'grpc.reflection.v1alpha.ServerReflection',
] as const

export const reflectionServices = reflectionServiceNames.map((name) =>
  defineService(name, { ServerReflectionInfo: { request: true, response: true } }),
)

/** Field numbers of ServerReflectionRequest. */
const ask = { file: 3, symbol: 4, extension: 5, extensionNumbers: 6, services: 7 } as const

/**
 * @param services full names of the services to list
 * @param files names of the files in `proto/` that describe them; read when somebody first asks
 */
export function implementReflection(
  door: Door,
  services: readonly string[],
  files: readonly string[],
): UntypedServiceImplementation {
  let descriptors: Descriptors | undefined
  const serve: handleBidiStreamingCall<Buffer, Buffer> = (call) => {
    call.on('data', (request: Buffer) => {
      try {
        descriptors ??= loadDescriptors(files)
        call.write(answer(request, services, descriptors))
      } catch (reason) {
        call.emit('error', statusOf(errorOf(door.log, reason, new GrpcContext(call).requestId)))
      }
    })
    call.on('end', () => call.end())
  }
  return { ServerReflectionInfo: serve }
}

function answer(request: Buffer, services: readonly string[], descriptors: Descriptors): Buffer {
  const { host, field, value } = readRequest(request)
  const writer = new ProtoWriter(1024)
  switch (field) {
    case ask.file:
      writeFile(writer, descriptors.byFile.get(value), `no file '${value}'`)
      break
    case ask.symbol:
      writeFile(writer, descriptors.bySymbol.get(value), `no symbol '${value}'`)
      break
    case ask.services:
      for (const service of services.toReversed()) {
        const mark = writer.length
        writer.string(1, service)
        writer.embed(1, mark)
      }
      writer.embed(6, 0)
      break
    case ask.extension:
    case ask.extensionNumbers:
      writeError(writer, status.NOT_FOUND, 'these services define no extensions')
      break
    default:
      writeError(writer, status.INVALID_ARGUMENT, 'the request asks for nothing')
  }
  writer.bytes(2, request)
  writer.optionalString(1, host)
  return writer.finish()
}

function writeFile(writer: ProtoWriter, file: Uint8Array | undefined, missing: string): void {
  if (file === undefined) {
    writeError(writer, status.NOT_FOUND, missing)
    return
  }
  writer.bytes(1, file)
  writer.embed(4, 0)
}

function writeError(writer: ProtoWriter, code: status, message: string): void {
  writer.string(2, message)
  writer.uint32(code)
  writer.tag(1, wire.varint)
  writer.embed(7, 0)
}

/** @returns which of the questions was asked, by its field number, and its text where it has one */
function readRequest(bytes: Uint8Array): { readonly host: string; readonly field: number; readonly value: string } {
  const reader = new ProtoReader(bytes, 'ServerReflectionRequest')
  let [host, field, value] = ['', 0, '']
  while (reader.next()) {
    if (reader.wireType !== wire.bytes || reader.field > ask.services) {
      reader.skip()
    } else if (reader.field === 1) {
      host = reader.string()
    } else {
      field = reader.field
      value = reader.string()
    }
  }
  return { host, field, value }
}
